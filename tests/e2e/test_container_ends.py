"""How containers end that are told to."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from motet.server.wiring import open_archive
from tests.e2e.conftest import logged
from tests.e2e.programs.leaving import (
    app,
    keep_a_pool,
    leave_an_endless_thread,
    leave_to_the_loop,
    leave_to_threads,
    left,
)


def test_a_process_pool_that_the_user_left_ends_with_its_container() -> None:
    with app.run():
        app_id = app.app_id
        assert keep_a_pool.remote() == 3
    assert _ends(app_id, "keep_a_pool") == ["app stopped; exited with status 0"]


def test_work_that_a_function_left_behind_is_done_when_its_app_has_stopped(tmp_path: Path) -> None:
    path = str(tmp_path / "notes")
    with left.run():
        leave_to_threads.remote(path)
        leave_to_the_loop.remote(path)
    notes = sorted(Path(path).read_text().split())
    assert notes == ["executor", "generator", "pool", "pool", "task", "thread"]


def test_a_thread_that_does_not_end_is_named_and_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTET_STOP_GRACE", "1.3")
    with left.run():
        app_id = left.app_id
        leave_an_endless_thread.remote()
    assert _ends(app_id, "leave_an_endless_thread") == ["app stopped; exited with status 0"]
    (line,) = logged(app_id, search="given up")
    assert line.text.endswith("given up: endless.")


def _ends(app_id: str | None, function: str) -> list[str]:
    """How the containers of a function ended."""
    with contextlib.closing(open_archive(Path(os.environ["MOTET_HOME"]))) as archive:
        (found,) = (each for each in archive.functions(app_id) if each.name == function)
        return [each.end for each in archive.containers(found.function_id)]
