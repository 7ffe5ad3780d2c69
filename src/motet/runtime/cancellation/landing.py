"""Where a cancellation may be raised in a thread: not where it would break what other inputs use, such as a library's lock."""

from __future__ import annotations

import gc
import os
from enum import Enum
from types import FrameType, TracebackType

import motet
from motet.runtime.cpython.waits import begins_thread, is_import, is_wait, leave_wait, starts_threads

_MOTET = os.path.dirname(motet.__file__) + os.sep

_GUARDED = {
    "contextlib",
    "http.cookiejar",
    "importlib",
    "mimetypes",
    "queue",
    "threading",
    "weakref",
    "_weakrefset",
    *(f"multiprocessing.{name}" for name in ("connection", "heap", "managers", "pool", "queues", "resource_sharer")),
    *(f"multiprocessing.{name}" for name in ("resource_tracker", "sharedctypes", "synchronize", "util")),
}
"""Modules that take locks in functions of their own, or leave what all threads share half-made for a moment."""
_GUARDED_FAMILIES = ("logging", "concurrent")
_GUARDED_FUNCTIONS = {("tempfile", "_gettempdir"), ("tempfile", "_get_candidate_names")}
_CALLS_BACK_WITHIN = "queue"
"""This module calls the user's code (comparisons) in the middle of its own."""


class Landing(Enum):
    """What is to become of a cancellation that has got to a thread."""

    HERE = "raise it"
    SOON = "the thread leaves this code within microseconds, or waits there for another to do so"
    LATER = "a module is being imported, and would stay half-made"


def landing_at(frame: FrameType | None) -> Landing:
    """Whether a cancellation may be raised in this frame, the innermost one of its thread. Motet's own frames do not count:
    shields are for these."""
    inner: FrameType | None = None
    found = Landing.HERE
    while frame is not None:
        file = frame.f_code.co_filename
        if is_import(file):
            return Landing.LATER
        if not file.startswith(_MOTET):
            if _drops(frame) or frame.f_globals.get("__name__") == _CALLS_BACK_WITHIN:
                found = Landing.SOON
            if inner is None:
                inner = frame
                if _is_guarded(frame):
                    found = Landing.SOON
        frame = frame.f_back
    return found


def landing_on_this_thread(frame: FrameType | None) -> Landing:
    """The same for the thread that asks, in a signal handler: where it waits, `HERE` if the wait could be left properly."""
    found = landing_at(frame)
    if found is Landing.SOON and (inner := _innermost(frame)) is not None and _leave(inner):
        return Landing.HERE
    return found


def place_of_harm(traceback: TracebackType | None) -> str | None:
    """Where an exception was raised, as "file:line, in function", if a cancellation might not have been; None otherwise."""
    importing = False
    last: TracebackType | None = None
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        importing = importing or is_import(file)
        if not file.startswith(_MOTET):
            last = traceback
        traceback = traceback.tb_next
    if last is None:
        return None
    # Its line tells waits that were left properly from all else.
    code = last.tb_frame.f_code
    if importing or (_is_guarded(last.tb_frame) and not is_wait(code, last.tb_lineno)):
        return f"{code.co_filename}:{last.tb_lineno}, in {code.co_qualname}"
    return None


def _innermost(frame: FrameType | None) -> FrameType | None:
    while frame is not None and frame.f_code.co_filename.startswith(_MOTET):
        frame = frame.f_back
    return frame


def _drops(frame: FrameType) -> bool:
    """Whether the interpreter drops what is raised in this call, as it is the one that made it: the input would go on."""
    code = frame.f_code
    return (
        code.co_name == "__del__"
        or (code.co_name in ("__call__", "_cb") and frame.f_globals.get("__name__") == "weakref")
        or any(code is getattr(it, "__code__", getattr(type(it).__call__, "__code__", None)) for it in gc.callbacks)
    )


def _is_guarded(frame: FrameType) -> bool:
    module = frame.f_globals.get("__name__")
    if not isinstance(module, str) or (module == "threading" and begins_thread(frame.f_code.co_name)):
        return False
    return (
        module in _GUARDED
        or module.partition(".")[0] in _GUARDED_FAMILIES
        or (module, frame.f_code.co_name) in _GUARDED_FUNCTIONS
    )


def _leave(frame: FrameType) -> bool:
    """Prepare a wait of this thread for an exception, so that nobody else misses anything by it. False: it cannot be."""
    if not is_wait(frame.f_code, frame.f_lineno):
        return False
    caller = frame.f_back
    while caller is not None:
        name = caller.f_code.co_name
        # A wait for a thread that is being started is short, and half a start is worse.
        if _drops(caller) or (starts_threads(name) and _is_guarded(caller)):
            return False
        caller = caller.f_back
    return leave_wait(frame)
