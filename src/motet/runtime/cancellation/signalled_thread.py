"""Which thread CPython runs signal handlers on: one word of its memory, that can be made to name another for a moment."""

from __future__ import annotations

import contextlib
import ctypes
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

CANCEL_SIGNAL = signal.SIGRTMAX - 2
"""A real-time signal: programs use SIGUSR1 and SIGUSR2 for themselves, as to see what hangs, and nobody uses this one."""

_SEARCHED_BYTES = 8192


class SignalledThread:
    """The word `_PyRuntime.main_thread`, a private field of the interpreter.

    Before it runs Python's signal handlers a thread looks whether it is the main one by comparing itself with this
    word. It is found by its value, wherever the version at hand keeps it. From Python 3.13 on a signal is also noted in the
    state of one thread, so that this looks at all; the next word says whose.
    """

    def __init__(self, address: int) -> None:
        self._word = ctypes.c_ulong.from_address(address)
        self._main = self._word.value
        self._state_word: ctypes.c_void_p | None = None
        self._main_state = _states.get(self._main, 0)
        if sys.version_info >= (3, 13):
            following = ctypes.c_void_p.from_address(address + ctypes.sizeof(ctypes.c_ulong))
            self._state_word = following if following.value == self._main_state else None

    @classmethod
    def found(cls) -> SignalledThread | None:
        """None unless this is CPython with a GIL, and exactly one word may be the one. Whether it is, a test must show."""
        if sys.implementation.name != "cpython" or "t" in sys.abiflags:
            return None
        try:
            start = ctypes.addressof(ctypes.c_char.in_dll(ctypes.pythonapi, "_PyRuntime"))
        except ValueError:
            return None
        main, size = threading.main_thread().ident, ctypes.sizeof(ctypes.c_ulong)
        places = range(start, start + _SEARCHED_BYTES, size)
        hits = [place for place in places if ctypes.c_ulong.from_address(place).value == main]
        return cls(hits[0]) if len(hits) == 1 else None

    @contextmanager
    def moved_to(self, thread: int) -> Iterator[None]:
        """In the block signal handlers run on this thread. Meanwhile the main thread runs none."""
        try:
            if self._state_word is not None and thread in _states:
                self._state_word.value = _states[thread]
            self._word.value = thread
            yield
        finally:
            self.restore()
            if self._state_word is not None:
                # Other signals that came meanwhile were noted for that thread: this has the main one look.
                signal.pthread_kill(self._main, CANCEL_SIGNAL)

    def restore(self) -> None:
        """The main thread is the one again. Idempotent; for handlers, which end the block's effect early."""
        self._word.value = self._main
        if self._state_word is not None:
            self._state_word.value = self._main_state


_states: dict[int, int] = {}
"""Addresses of threads' states, by their idents; from Python 3.13 on."""


def introduce_thread() -> None:
    """Signal handlers may be wanted on this thread while it computes. On the main thread: before one is looked for."""
    if sys.version_info >= (3, 13):
        get = ctypes.pythonapi.PyThreadState_Get
        get.restype = ctypes.c_void_p
        _states[threading.get_ident()] = get()


def set_asynchronous(thread: int, exception: type[BaseException] | None) -> None:
    """Raise this in a thread once it gets to its next bytecode, as CPython documents it. None takes it back."""
    value = None if exception is None else ctypes.py_object(exception)
    _set_asynchronous(ctypes.c_ulong(thread), value)
    if exception is None and sys.version_info < (3, 13):
        _let_threads_stop_looking()


_set_asynchronous = ctypes.pythonapi.PyThreadState_SetAsyncExc


class _Nothing(BaseException):
    """Raised and caught here."""


def _let_threads_stop_looking() -> None:
    """Until Python 3.12 all threads look for asynchronous exceptions from when one is set until one is raised. If it was
    taken back they would look at every call and jump from then on, which is slow, and under `sys.settrace` endless."""
    with contextlib.suppress(_Nothing):
        _set_asynchronous(ctypes.c_ulong(threading.get_ident()), ctypes.py_object(_Nothing))
        for _ in range(2):
            pass
