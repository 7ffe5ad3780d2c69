"""Notes on exceptions of the user's code that mean something else in a container than where the program was tried."""

from __future__ import annotations

import bdb
import contextlib
import os
import traceback
from collections.abc import Callable

from motet.runtime.attempts.app_user_notes import app_user_note
from motet.runtime.loading import bundled, surroundings

_NO_TERMINAL = (
    "A container has no terminal. To read from one, or to debug, call the function in the program: `f.local(...)`."
)


def add_hints(error: BaseException) -> None:
    """Add a note to an exception that somebody may wonder about, or that has such a cause. Never raises."""
    with contextlib.suppress(Exception):
        for raised in (error, error.__cause__):
            for kind, hint in _HINTS:
                if isinstance(raised, kind) and (note := hint(raised)) is not None:
                    error.add_note(note)


def _of_file(error: BaseException) -> str | None:
    if bundled.directory is not None:
        return bundled.file_note(error, bundled.directory)
    return file_note(error, surroundings.project_directory)


def file_note(error: BaseException, project: str | None) -> str | None:
    """What to say if the file that was not found is in the program's directory, and this is another one."""
    name = getattr(error, "filename", None)
    if name is None or project is None or os.path.isabs(name := os.fsdecode(name)):
        return None
    here = os.getcwd()
    if os.path.samefile(here, project) or not os.path.exists(os.path.join(project, name)):
        return None
    return (
        f"{name!r} is in {project}, where the program was started, but this container's current directory is {here}. "
        "Pass an absolute path."
    )


def _of_user(error: BaseException) -> str | None:
    return app_user_note(error, os.getuid())


def _of_module(error: BaseException) -> str | None:
    if bundled.directory is not None:
        return bundled.module_note(error)
    return "Containers look for modules where the program did when its app was started (`sys.path` at that moment)."


def _of_input(error: BaseException) -> str | None:
    asked = error.args == ("EOF when reading a line",) or _raised_in(error).endswith("getpass.py")
    return _NO_TERMINAL if asked else None


def _raised_in(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return frames[-1].filename if frames else ""


def _of_debugger(error: BaseException) -> str | None:
    return _NO_TERMINAL


def _of_nesting(error: BaseException) -> str | None:
    if "patch loop of type" not in str(error):
        return None
    return (
        "Import nest_asyncio in the file of the function: its containers then run asyncio's loop, which it can change."
    )


_HINTS: list[tuple[type[BaseException], Callable[[BaseException], str | None]]] = [
    (FileNotFoundError, _of_file),
    (OSError, _of_user),
    (ModuleNotFoundError, _of_module),
    (EOFError, _of_input),
    (bdb.BdbQuit, _of_debugger),
    (ValueError, _of_nesting),
]
