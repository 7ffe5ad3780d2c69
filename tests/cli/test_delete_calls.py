"""`motet call delete` and `list` on the records of a run that has ended."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.cli.made_home import made_home

from motet.cli.main import motet


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made_home(tmp_path)
    return tmp_path


def run(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(motet, ["call", *arguments], env={"MOTET_HOME": str(home)})


def test_failed_calls_are_listed_and_erased_with_what_they_printed(home: Path) -> None:
    listed = run(home, "list", "--failed")
    assert "fc-2" in listed.stdout
    assert "fc-1" not in listed.stdout
    assert "fc-1" in run(home, "list", "--app", "shop").stdout
    assert "Nobody can answer that here" in run(home, "delete", "--failed").stderr
    done = run(home, "delete", "--failed", "--app", "shop", "--yes")
    assert (done.exit_code, done.stderr) == (0, "Erased 1 call\n")
    assert "No call with a failed input is known there." in run(home, "list", "--failed").stderr
    assert "no function call 'fc-2' is known" in run(home, "fc-2").stderr
    assert run(home, "fc-1").exit_code == 0
    left = CliRunner().invoke(motet, ["logs"], env={"MOTET_HOME": str(home)}).stdout
    assert "item 1 is not there" not in left
    assert "ordered" in left


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ([], 2, "give either the ids of calls (fc-...), or --failed"),
        (["fc-1", "--failed"], 2, "give either the ids of calls (fc-...), or --failed"),
        (["fc-1", "--since", "1h"], 2, "--app, --function, --since and --until go with --failed"),
        (["in-1-0"], 2, "'in-1-0' is not the id of a function call; they begin with fc-"),
        (["fc-none", "--yes"], 1, "nothing is kept of fc-none under"),
        (["--failed", "--app", "shop", "--since", "2999-01-01T00:00"], 0, "No failed call is to be erased."),
        (["--failed", "--app", "kiosk"], 1, "no app 'kiosk' is known under"),
        (["--failed", "--function", "fetchh"], 1, "no function 'fetchh' is known under"),
    ],
)
def test_what_cannot_be_erased_is_told(home: Path, arguments: list[str], status: int, message: str) -> None:
    done = run(home, "delete", *arguments)
    assert message in " ".join(done.output.split())
    assert done.exit_code == status
