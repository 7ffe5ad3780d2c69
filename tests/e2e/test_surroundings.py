"""Where a container is: in the program's directory, with a temporary one of its own, and no terminal."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import motet
from tests.e2e.conftest import logged
from tests.e2e.programs import surroundings
from tests.e2e.programs.surroundings import app

_NO_TERMINAL = (
    "A container has no terminal. To read from one, or to debug, call the function in the program: `f.local(...)`."
)
_FILE = (
    f"'pyproject.toml' is in {os.getcwd()}, where the program was started, but this container's current directory is /. "
    "Pass an absolute path."
)


@pytest.fixture(scope="module")
def running() -> Iterator[None]:
    with app.run():
        yield


def test_what_is_written_to_a_relative_path_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    with app.run():
        monkeypatch.chdir("/")  # containers begin where the program was when its app started
        assert surroundings.write_here.remote("report.txt") == "kept"
    assert (tmp_path / "report.txt").read_text() == "kept"


def test_a_directory_that_is_gone_is_said_and_the_container_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    with app.run():
        monkeypatch.chdir(tmp_path)
        gone.rmdir()
        app_id = app.app_id
        assert surroundings.write_here.remote("report.txt") == "kept"
    lines = [line.text for line in logged(app_id)]
    assert any(str(gone) in line and "No such file" in line for line in lines)
    assert any(line.startswith("motet: removed") and "report.txt" in line for line in lines)


def test_files_removed_with_the_temporary_directory_are_named_at_the_containers_end() -> None:
    with app.run():
        app_id = app.app_id
        path = Path(surroundings.leave_a_temporary_file.remote())
    assert not path.exists()
    (line,) = logged(app_id)
    assert line.text.startswith(f"motet: removed with this container's temporary directory (TMPDIR): {path.name}.")


def test_a_function_that_waits_for_itself_where_it_has_no_room_is_told_why() -> None:
    with app.run():
        app_id = app.app_id
        with pytest.raises(motet.exception.FunctionTimeoutError, match=r"while it waited for in-.* of call_itself"):
            surroundings.call_itself.remote(3)
    (line,) = logged(app_id, search="cannot begin")
    assert line.text.startswith("motet: this function has called itself and waits for the result")


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize(
    ("what", "note"),
    [
        (
            "file",
            _FILE,
        ),
        (
            "module",
            "Containers look for modules where the program did when its app was started (`sys.path` at that moment).",
        ),
        ("input", _NO_TERMINAL),
        ("breakpoint", _NO_TERMINAL),
    ],
)
def test_exceptions_that_puzzle_in_a_container_have_a_note(what: str, note: str) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011
        surroundings.puzzle.remote(what)
    assert caught.value.__notes__ == [note]
