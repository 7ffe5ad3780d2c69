"""Notes on exceptions that mean something else in a container."""

from __future__ import annotations

import bdb
import errno
import os
from pathlib import Path

import pytest

from motet.errors import DeserializationError
from motet.runtime.attempts.hints import add_hints, file_note


def noted(error: BaseException) -> list[str]:
    add_hints(error)
    return getattr(error, "__notes__", [])


def caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "begins"),
    [
        (ModuleNotFoundError("No module named 'x'"), "Containers look for modules"),
        (caused(DeserializationError("no"), ModuleNotFoundError("No module named 'x'")), "Containers look for modules"),
        (EOFError("EOF when reading a line"), "A container has no terminal"),
        (bdb.BdbQuit(), "A container has no terminal"),
        (ValueError("Can't patch loop of type <class 'uvloop.Loop'>"), "Import nest_asyncio in the file"),
    ],
    ids=repr,
)
def test_what_differs_in_a_container_is_noted(error: BaseException, begins: str) -> None:
    (note,) = noted(error)
    assert note.startswith(begins)


@pytest.mark.parametrize(
    "error",
    [EOFError(), EOFError("Ran out of input"), ValueError("bad"), ImportError("no"), FileNotFoundError()],
    ids=repr,
)
def test_other_exceptions_have_no_note(error: BaseException) -> None:
    assert noted(error) == []


def test_a_file_that_only_the_program_has_is_noted_and_one_that_nobody_has_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "there.txt").touch()
    (tmp_path / "elsewhere").mkdir()

    def note(name: object) -> str | None:
        return file_note(FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name), str(tmp_path))

    monkeypatch.chdir(tmp_path)
    assert note("there.txt") is None  # it is gone, but not because of the container
    monkeypatch.chdir(tmp_path / "elsewhere")
    said = str(note("there.txt"))
    assert said.startswith(f"'there.txt' is in {tmp_path}, where the program was started, but")
    assert f"current directory is {os.getcwd()}." in said
    assert note(b"there.txt") == note("there.txt")
    assert note("nowhere.txt") is None
    assert note(str(tmp_path / "there.txt")) is None
