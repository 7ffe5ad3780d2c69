"""The code that a thread is in, as interrupting it needs to know: waits, imports, threads that begin or are started."""

from __future__ import annotations

import ctypes
import dis
import sys
import threading
from types import CodeType, FrameType
from typing import Any


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


def is_wait(code: CodeType, line: int) -> bool:
    """Whether a thread that is at this line of that code waits, in a way that can be left."""
    return line in _LINES_OF_WAITS.get(code, ())


def leave_wait(frame: FrameType) -> bool:
    """Prepare this thread's wait in this frame for an exception, so that nobody misses anything by it. False: it cannot be."""
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


_BEGINS = {"_bootstrap", "_bootstrap_inner", "run"}
_STARTS = {"start", "submit", "_adjust_thread_count"}


def begins_thread(function: str) -> bool:
    """Whether this function of `threading` is below everything that a thread runs."""
    return function in _BEGINS


def starts_threads(function: str) -> bool:
    """Whether this function of `threading` or `concurrent.futures` waits for a thread that it starts."""
    return function in _STARTS


def is_import(file: str) -> bool:
    """Whether code of this file imports a module."""
    return file.startswith(("<frozen importlib", "<frozen zipimport"))
