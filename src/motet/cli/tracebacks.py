"""Tracebacks as the author of a program wants them: their own frames, none of Motet's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import motet
from motet.errors import InternalError, RemoteTraceback

if TYPE_CHECKING:
    from traceback import FrameSummary, StackSummary, TracebackException

_MOTET = str(Path(motet.__file__).parent) + "/"
_STDLIB = os.path.dirname(os.__file__) + "/"


def user_traceback(error: BaseException) -> str:
    """The traceback to print for `error`, causes included, without Motet's frames. Ends with a newline.

    An exception from a container that has no local frame of the user's is shown by its remote traceback alone.
    Of an `InternalError`, which is a bug in Motet, every frame is shown.
    """
    from traceback import TracebackException  # late, here as below: only programs that fail need it

    described = TracebackException.from_exception(error)
    if not isinstance(error, InternalError):
        _keep_user_frames(described)
        if isinstance(error.__cause__, RemoteTraceback) and not described.stack:
            return error.__cause__.text.rstrip() + "\n"
    return "".join(described.format())


def _keep_user_frames(described: TracebackException) -> None:
    from traceback import StackSummary

    visible = _visible(described.stack or [])
    # With None instead of an empty stack, no "Traceback (most recent call last)" is printed over nothing.
    described.stack = StackSummary.from_list(visible) if visible else None  # type: ignore[assignment]
    for other in (described.__cause__, described.__context__, *(getattr(described, "exceptions", None) or ())):
        if other is not None:
            _keep_user_frames(other)


def _visible(frames: list[FrameSummary] | StackSummary) -> list[FrameSummary]:
    kept: list[FrameSummary] = []
    hidden_before = True
    for frame in frames:
        hidden_before = _is_hidden(frame.filename, hidden_before)
        if not hidden_before:
            kept.append(frame)
    return kept


def _is_hidden(filename: str, caller_is_hidden: bool) -> bool:
    if filename.startswith((_MOTET, "<frozen importlib")):
        return True
    # asyncio, threading, the methods that `dataclasses` makes ("<string>") and the like, when it was Motet that called them.
    is_stdlib = filename.startswith(_STDLIB) and "/site-packages/" not in filename
    return (is_stdlib or filename == "<string>") and caller_is_hidden
