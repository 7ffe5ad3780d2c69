"""Which thread CPython runs signal handlers on: one word of its memory, that can be made to name another for a moment."""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_SEARCHED_BYTES = 8192


class SignalledThread:
    """The word `_PyRuntime.main_thread`, a private field of the interpreter.

    Before it runs Python's signal handlers a thread looks whether it is the main one by comparing itself with this
    word. It is found by its value, wherever the version at hand keeps it.
    """

    def __init__(self, address: int) -> None:
        self._word = ctypes.c_ulong.from_address(address)
        self._main = self._word.value

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
            self._word.value = thread
            yield
        finally:
            self.restore()

    def restore(self) -> None:
        """The main thread is the one again. Idempotent; for handlers, which end the block's effect early."""
        self._word.value = self._main


def set_asynchronous(thread: int, exception: type[BaseException] | None) -> None:
    """Raise this in a thread once it gets to its next bytecode, as CPython documents it. None takes it back."""
    value = None if exception is None else ctypes.py_object(exception)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), value)
