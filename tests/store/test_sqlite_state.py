"""Shared state in a file, and in memory."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from motet.errors import ServiceError
from motet.store.sqlite_state import SqliteState
from tests.contracts.state_store_contract import OpenedState, StateStoreContract


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "server" / "state.db"


@pytest.fixture
def opened_state(path: Path) -> Iterator[OpenedState]:
    with contextlib.ExitStack() as stores:
        yield lambda: stores.enter_context(contextlib.closing(SqliteState(path)))


class TestSqliteState(StateStoreContract):
    """In a file that several may have open."""


def test_in_memory_it_ends_with_its_store() -> None:
    for _ in range(2):
        with contextlib.closing(SqliteState(None)) as store, store.turn() as rows:
            assert rows.find("di-name-a") is None
            rows.make("di-name-a", 0, 1.0)


def test_its_user_alone_can_read_it(path: Path, opened_state: OpenedState) -> None:
    with opened_state().turn() as rows:
        rows.make("di-name-a", 0, 1.0)
    assert path.parent.stat().st_mode & 0o077 == 0
    assert all(file.stat().st_mode & 0o077 == 0 for file in path.parent.iterdir())


def test_several_processes_and_threads_count_to_the_right_number(path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.store.test_sqlite_state import count_in;"
        "count_in(Path(sys.argv[1]), 40)"
    )
    began = [subprocess.Popen([sys.executable, "-c", code, str(path)]) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: count_in(path, 40), range(2)))
    assert [process.wait(60) for process in began] == [0, 0]
    with contextlib.closing(SqliteState(path)) as store, store.turn() as rows:
        found = rows.find("di-name-a")
        assert found is not None
        assert rows.get(found.number, b"count") == b"160"


def count_in(path: Path, times: int) -> None:
    """Add one so many times."""
    with contextlib.closing(SqliteState(path)) as store:
        for _ in range(times):
            with store.turn() as rows:
                number = (rows.find("di-name-a") or rows.make("di-name-a", 0, 1.0)).number
                count = int(rows.get(number, b"count") or b"0")
                rows.put(number, [(b"count", b"%d" % (count + 1))], False)


def test_what_was_kept_outlives_a_process_that_is_killed(path: Path, opened_state: OpenedState) -> None:
    code = (
        "import os, sys; from pathlib import Path; from tests.store.test_sqlite_state import *;"
        "count_in(Path(sys.argv[1]), 1); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == -9
    with opened_state().turn() as rows:
        assert rows.find("di-name-a") is not None


def test_a_newer_format_is_said_and_left_as_it_is(path: Path) -> None:
    SqliteState(path).close()
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    with pytest.raises(ServiceError, match=r"was written by a newer Motet .format 99, this one knows 1."):
        SqliteState(path)
    assert path.read_bytes() == before


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ServiceError, match=r"cannot open shared state in .*: Not a directory"):
        SqliteState(tmp_path / "file" / "server" / "state.db")
