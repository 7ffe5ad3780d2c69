"""Interrupting a thread: which one runs signal handlers, and asynchronous exceptions."""

from __future__ import annotations

import contextlib
import ctypes
import sys
import threading

_SEARCHED_BYTES = 8192
_set_async_exc = ctypes.pythonapi.PyThreadState_SetAsyncExc


def main_thread_word() -> ctypes.c_ulong | None:
    """None unless this is CPython with a GIL, and exactly one word may be the one. Whether it is, a test must show."""
    if sys.implementation.name != "cpython" or "t" in sys.abiflags:
        return None
    try:
        start = ctypes.addressof(ctypes.c_char.in_dll(ctypes.pythonapi, "_PyRuntime"))
    except ValueError:
        return None
    main, size = threading.main_thread().ident, ctypes.sizeof(ctypes.c_ulong)
    words = [ctypes.c_ulong.from_address(place) for place in range(start, start + _SEARCHED_BYTES, size)]
    found = [word for word in words if word.value == main]
    return found[0] if len(found) == 1 else None


def main_state_word(main_word: ctypes.c_ulong, main_state: int) -> ctypes.c_void_p | None:
    """The word that follows `main_word`, if it is the state of the main thread."""
    if sys.version_info >= (3, 13):
        word = ctypes.c_void_p.from_address(ctypes.addressof(main_word) + ctypes.sizeof(ctypes.c_ulong))
        return word if word.value == main_state else None
    return None


def thread_state() -> int:
    """The address of this thread's state; 0 where nobody needs it."""
    if sys.version_info >= (3, 13):
        get = ctypes.pythonapi.PyThreadState_Get
        get.restype = ctypes.c_void_p
        return int(get())
    return 0


def set_asynchronous(thread: int, exception: type[BaseException] | None) -> None:
    """Raise this in a thread once it gets to its next bytecode. None takes it back."""
    value = None if exception is None else ctypes.py_object(exception)
    _set_async_exc(ctypes.c_ulong(thread), value)
    if exception is None and sys.version_info < (3, 13):
        _let_threads_stop_looking()


class _Nothing(BaseException):
    """Raised and caught here."""


def _let_threads_stop_looking() -> None:
    """Until Python 3.12 all threads look for asynchronous exceptions from when one is set until one is raised. If it was
    taken back they would look at every call and jump from then on, which is slow, and under `sys.settrace` endless."""
    with contextlib.suppress(_Nothing):
        _set_async_exc(ctypes.c_ulong(threading.get_ident()), ctypes.py_object(_Nothing))
        for _ in range(2):
            pass
