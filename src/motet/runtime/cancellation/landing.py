"""Where a cancellation may be raised in a thread: not where it would break what other inputs use, such as a library's lock."""

from __future__ import annotations

import ctypes
import dis
import os
import sys
import threading
from enum import Enum
from types import FrameType, TracebackType
from typing import Any

import motet

_MOTET = os.path.dirname(motet.__file__) + os.sep
_IMPORTING = ("<frozen importlib", "<frozen zipimport")

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
_BEGINS = {"_bootstrap", "_bootstrap_inner", "run"}
"""Functions of `threading` that are below everything a thread runs."""
_DROPS = {"__del__"}
"""What is raised there is dropped by the interpreter: the input would go on."""
_STARTS = {"start", "submit", "_adjust_thread_count"}
"""Waits in these are for a thread that is being started: short, and half a start is worse."""


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
        if file.startswith(_IMPORTING):
            return Landing.LATER
        if not file.startswith(_MOTET):
            if frame.f_code.co_name in _DROPS or frame.f_globals.get("__name__") == _CALLS_BACK_WITHIN:
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
        importing = importing or file.startswith(_IMPORTING)
        if not file.startswith(_MOTET):
            last = traceback
        traceback = traceback.tb_next
    if last is None:
        return None
    # Its line tells waits that were left properly from all else.
    code = last.tb_frame.f_code
    waited = code in _LINES_OF_WAITS and last.tb_lineno in _LINES_OF_WAITS[code]
    if importing or (_is_guarded(last.tb_frame) and not waited):
        return f"{code.co_filename}:{last.tb_lineno}, in {code.co_qualname}"
    return None


def _innermost(frame: FrameType | None) -> FrameType | None:
    while frame is not None and frame.f_code.co_filename.startswith(_MOTET):
        frame = frame.f_back
    return frame


def _is_guarded(frame: FrameType) -> bool:
    module = frame.f_globals.get("__name__")
    if not isinstance(module, str) or (module == "threading" and frame.f_code.co_name in _BEGINS):
        return False
    return (
        module in _GUARDED
        or module.partition(".")[0] in _GUARDED_FAMILIES
        or (module, frame.f_code.co_name) in _GUARDED_FUNCTIONS
    )


# --- waits ------------------------------------------------------------------------------------------------------------


def _lines_of_calls(function: Any, owner: str, method: str) -> frozenset[int]:
    """The lines on which a function calls `owner.method(...)`, where `owner` is a local variable."""
    lines: set[int] = set()
    before: dis.Instruction | None = None
    for instruction in dis.get_instructions(function):
        if before is not None and before.argval == owner and instruction.argval == method and before.positions:
            lines.add(before.positions.lineno or 0)
        before = instruction
    return frozenset(lines)


_CONDITION_WAIT = threading.Condition.wait.__code__
_JOIN = getattr(threading.Thread, "_wait_for_tstate_lock", threading.Thread.join).__code__
"""Where a thread waits for another one's end: from Python 3.13 on in C code, with nothing to be undone."""
_LINES_OF_WAITS = {
    _CONDITION_WAIT: _lines_of_calls(_CONDITION_WAIT, "waiter", "acquire"),
    _JOIN: _lines_of_calls(_JOIN, "lock", "acquire") or frozenset(line for *_, line in _JOIN.co_lines() if line),
}


def _leave(frame: FrameType) -> bool:
    """Prepare a wait of this thread for an exception, so that nobody else misses anything by it. False: it cannot be."""
    if frame.f_lineno not in _LINES_OF_WAITS.get(frame.f_code, ()):
        return False
    caller = frame.f_back
    while caller is not None:
        name = caller.f_code.co_name
        if name in _DROPS or (name in _STARTS and _is_guarded(caller)):
            return False
        caller = caller.f_back
    return _leave_condition(frame) if frame.f_code is _CONDITION_WAIT else _leave_join(frame)


def _leave_condition(frame: FrameType) -> bool:
    """Take the thread off the list of those that wait. One that is not there any more was notified, and must go on: the
    notification would be lost, and with it perhaps an item that another input waits for."""
    condition, waiter = frame.f_locals["self"], frame.f_locals["waiter"]
    lock = condition._lock
    if not lock.acquire(False):
        return False  # somebody may be notifying it just now
    try:
        if waiter not in condition._waiters:
            return False
        condition._waiters.remove(waiter)
        return True
    finally:
        lock.release()


def _leave_join(frame: FrameType) -> bool:
    """Until 3.12, `join` takes any lock that is held when an exception comes for one that it has acquired itself, and declares
    the thread ended. So it is given another one."""
    if sys.version_info < (3, 13):
        if frame.f_locals["self"].ident not in sys._current_frames():
            return False  # ended: it does not wait any more
        frame.f_locals["lock"] = threading.Lock()
        ctypes.pythonapi.PyFrame_LocalsToFast(ctypes.py_object(frame), ctypes.c_int(0))
    return True
