"""`motet prune` on a home with the records of runs that ended."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.cli.made_home import made_home

from motet.cli.main import motet
from motet.cli.summary import size_text
from motet.server.wiring import open_archive
from motet.store.home import ServerDirectory


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made_home(tmp_path)
    return tmp_path


def prune(home: Path, *arguments: str, **env: str) -> Result:
    done = CliRunner().invoke(motet, ["prune", *arguments], env={"MOTET_HOME": str(home), **env})
    assert done.exit_code == 0, done.output
    return done


def servers(home: Path) -> list[str]:
    return sorted(os.listdir(home / "servers"))


def test_what_is_neither_old_nor_too_much_stays(home: Path) -> None:
    said = prune(home).output.splitlines()
    assert said[:2] == ["records of 0 runs that ended: 0 bytes to go", "there is nothing to remove"]
    assert re.fullmatch(rf"{home} takes [\d.]+ KiB \(records [\d.]+ KiB\); [\d.]+ [GT]iB are free", said[2])
    assert servers(home) == ["se-1"]


def test_a_dry_run_says_what_would_go_and_removes_nothing(home: Path) -> None:
    said = prune(home, "--dry-run", "--older-than", "0").output
    assert re.match(r"records of 1 run that ended: \d+ KiB would go\n", said)
    assert "removed" not in said
    assert servers(home) == ["se-1"]


def test_old_records_go_and_those_of_a_server_that_runs_stay(home: Path) -> None:
    running = ServerDirectory.create(home, "se-2")
    said = prune(home, "-y", "--older-than", "0").output
    assert re.search(r"^removed \d+ KiB$", said, re.MULTILINE)
    assert servers(home) == ["se-2"]
    running.close()


def test_records_go_for_the_budget_of_the_whole_home(home: Path) -> None:
    (home / "server" / "bundles").mkdir(parents=True)
    (home / "server" / "bundles" / "piece").write_bytes(b"x" * 2**20)
    assert "records of 0 runs" in prune(home, "--dry-run", MOTET_HOME_MIB="10").output
    said = prune(home, "-y", MOTET_HOME_MIB="1").output
    assert "records of 1 run that ended" in said
    assert "bundles 1.0 MiB" in said
    assert servers(home) == []


def test_arguments_go_and_their_records_stay(home: Path) -> None:
    assert "arguments of 1 failed input would go" in prune(home, "--dry-run", "--arguments").output
    assert "and the arguments" in prune(home, "-y", "--arguments").output
    archive = open_archive(home)
    assert archive.arguments("in-2-1") is None
    assert archive.input("in-2-1") is not None
    archive.close()
    assert "arguments of 0 failed inputs to go" in prune(home, "--arguments").output


def test_nothing_goes_where_nobody_can_be_asked(home: Path) -> None:
    done = CliRunner().invoke(motet, ["prune", "--older-than", "0"], env={"MOTET_HOME": str(home)})
    assert "Remove that? Nobody can answer that here: add --yes." in done.output
    assert (done.exit_code, servers(home)) == (1, ["se-1"])


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1 KiB"),
        (3.4 * 2**20, "3.4 MiB"),
        (150 * 2**30, "150 GiB"),
        (2**52, "4096 TiB"),
    ],
)
def test_sizes_are_told_for_people(size: float, text: str) -> None:
    assert size_text(size) == text
