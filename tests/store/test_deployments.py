"""Deployments on disk: what was kept is there, whoever opens it next, and what cannot be kept is said."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from motet.errors import ServiceError
from motet.model.function import AppSpec
from motet.store.base import KeptDeployment
from motet.store.seal import Seal, add_key
from motet.store.sqlite_deployments import SqliteDeployments
from tests.contracts.deployment_store_contract import DeploymentStoreContract, Opened, kept
from tests.server.stage import function

OpenedAt = Callable[..., SqliteDeployments]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deployments.db"


@pytest.fixture
def opened_at() -> Iterator[OpenedAt]:
    """Opens stores, which are closed at the end."""
    with contextlib.ExitStack() as stores:
        yield lambda *given: stores.enter_context(contextlib.closing(SqliteDeployments(*given)))


class TestSqliteDeployments(DeploymentStoreContract):
    @pytest.fixture
    def opened(self, path: Path, opened_at: OpenedAt) -> Opened:
        return lambda: opened_at(path)


def test_its_user_alone_can_read_it_and_no_repr_shows_a_secret(path: Path, opened_at: OpenedAt) -> None:
    opened_at(path).add(kept())
    assert all(file.stat().st_mode & 0o077 == 0 for file in path.parent.iterdir())
    assert "secret" not in repr(kept())


def test_what_was_answered_for_outlives_a_process_that_is_killed(path: Path, opened_at: OpenedAt) -> None:
    code = (
        "import os, sys; from pathlib import Path; from tests.store.test_deployments import *;"
        "store = SqliteDeployments(Path(sys.argv[1])); store.add(kept(1, state='live')); os.kill(os.getpid(), 9)"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert ended.returncode == -9
    assert [it.view.version for it in opened_at(path).serving()] == [1]


def test_a_newer_format_is_said_and_left_as_it_is(path: Path) -> None:
    SqliteDeployments(path).close()
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    with pytest.raises(
        ServiceError, match=r"was written by a newer Motet .format 99, this one knows 2., and is left as it is"
    ):
        SqliteDeployments(path)
    assert path.read_bytes() == before


def test_a_file_that_is_none_is_said(path: Path) -> None:
    path.write_bytes(b"x" * 4096)
    with pytest.raises(ServiceError, match=r"cannot open deployments in .*: file is not a database"):
        SqliteDeployments(path)


def test_a_full_disk_is_said_and_nothing_has_changed(path: Path, opened_at: OpenedAt) -> None:
    store = opened_at(path)
    store.add(kept(1, state="live"))
    pages = store._file._writer.execute("PRAGMA page_count").fetchone()[0]
    store._file._writer.execute(f"PRAGMA max_page_count = {pages}")
    large = AppSpec(name="shop", functions=(function(env={"BIG": "x" * 100_000}),))
    with pytest.raises(
        ServiceError, match=r"cannot keep deployments in .*full. Nothing has changed; what serves goes on"
    ):
        store.add(KeptDeployment(view=kept(2).view, spec=large, function_ids={}))
    assert [it.version for it in store.history("shop")] == [1]
    store._file._writer.execute("PRAGMA max_page_count = 1000000")
    store.add(kept(2))


def test_a_place_that_cannot_be_written_is_said(path: Path, opened_at: OpenedAt) -> None:
    with pytest.raises(ServiceError, match="cannot open deployments in"):
        SqliteDeployments(path.parent / "none" / path.name)
    store = opened_at(path)
    store._file._writer.execute("PRAGMA query_only = ON")
    with pytest.raises(ServiceError, match="attempt to write a readonly database"):
        store.add(kept())
    assert store.history("shop") == []


def test_a_long_history_is_not_read_to_find_what_serves(path: Path, opened_at: OpenedAt) -> None:
    store = opened_at(path)
    for version in range(1, 301):
        store._file._writer.execute("PRAGMA synchronous = OFF")
        store.add(kept(version, state="failed"))
    store.add(kept(301, state="live"))
    steps: list[None] = []
    with store._file.reading() as connection:  # it is the one that is asked next
        connection.set_progress_handler(lambda: steps.append(None), 1)
    assert [it.view.version for it in store.serving()] == [301]
    assert len(steps) < 100


def test_secrets_are_sealed_and_those_that_were_not_are_at_the_next_start(path: Path, opened_at: OpenedAt) -> None:
    plain = opened_at(path)
    plain.add(kept(1, state="live"))
    plain.add(kept(2))
    plain.close()
    assert b"secret" in path.read_bytes()
    keys = path.with_name("keys")
    for _ in range(2):
        store = opened_at(path, Seal(keys))
        assert store.find("shop", 2) == kept(2)
        assert [it.spec for it in store.serving()] == [kept(1).spec]
        written = b"".join(each.read_bytes() for each in path.parent.glob("deployments.db*"))
        assert b"secret" not in written
        store.close()
    assert oct(keys.stat().st_mode & 0o777) == "0o600"
    with pytest.raises(
        ServiceError, match=r"are sealed, and opening them needs one more package: pip install 'motet\[server\]'"
    ):
        opened_at(path).find("shop", 1)


def test_a_new_key_seals_everything_at_the_next_start_and_the_old_one_goes(path: Path, opened_at: OpenedAt) -> None:
    keys = path.with_name("keys")
    store = opened_at(path, Seal(keys))
    store.add(kept(1))
    before = keys.read_bytes()
    add_key(keys)
    store.add(kept(2))  # one that runs goes on with the key that it has
    store.close()
    assert keys.read_bytes().endswith(before)
    again = opened_at(path, Seal(keys))
    assert (again.find("shop", 1), again.find("shop", 2)) == (kept(1), kept(2))
    assert before.strip() not in keys.read_bytes()
    assert len(keys.read_bytes().split()) == 1
    again.close()
    keys.write_bytes(before)
    with pytest.raises(ServiceError, match=r"none of the keys in \S+ opens what was sealed"):
        opened_at(path, Seal(keys)).find("shop", 1)
    keys.write_text("not a key")
    with pytest.raises(ServiceError, match="is to have one key a line, and has something else"):
        Seal(keys)
