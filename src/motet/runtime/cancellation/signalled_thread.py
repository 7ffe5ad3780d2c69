"""Which thread CPython runs signal handlers on: the main one, unless another is named in its place for a moment."""

from __future__ import annotations

import ctypes
import functools
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvloop

from motet.runtime.cpython.interruption import main_state_word, main_thread_word, thread_state

CANCEL_SIGNAL = signal.SIGRTMAX - 2
"""A real-time signal: programs use SIGUSR1 and SIGUSR2 for themselves, as to see what hangs, and nobody uses this one."""


class SignalledThread:
    """The thread that a word of the interpreter's memory names.

    Before it runs Python's signal handlers a thread looks whether it is the main one by comparing itself with this
    word. From Python 3.13 on a signal is also noted in the state of one thread, so that this looks at all; the next word says
    whose.
    """

    def __init__(self, word: ctypes.c_ulong) -> None:
        self._word = word
        self._main = word.value
        self._main_state = _states.get(self._main, 0)
        self._state_word = main_state_word(word, self._main_state)
        os.register_at_fork(after_in_child=self._after_fork)

    @classmethod
    def found(cls) -> SignalledThread | None:
        """None where no word may be the one. Whether it is, a test must show."""
        word = main_thread_word()
        return None if word is None else cls(word)

    @contextmanager
    def moved_to(self, thread: int) -> Iterator[None]:
        """In the block signal handlers run on this thread. Meanwhile the main thread runs none."""
        with _moving:
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

    def _after_fork(self) -> None:
        # The interpreter resets the word alone. The state may be that of a thread which is not in the child.
        if self._state_word is not None:
            self._state_word.value = thread_state()

    def restore(self) -> None:
        """The main thread is the one again. Idempotent; for handlers, which end the block's effect early."""
        self._word.value = self._main
        if self._state_word is not None:
            self._state_word.value = self._main_state


_new_lock = threading.RLock
"""As it was before user code was imported, which may put something else in its place."""
_moving = _new_lock()
"""Held while another thread is named. (Reentrant: a handler of a signal may set another one.)"""


def let_callers_wait() -> None:
    """Have what Python lets the main thread alone do wait, for milliseconds, until that is known as the main one again: else
    `signal.signal` raised there, and worked on the thread that is interrupted. Once, before user code is imported."""
    for name in ("signal", "set_wakeup_fd"):
        setattr(signal, name, _waiting(getattr(signal, name)))
    for name in ("add_signal_handler", "remove_signal_handler"):
        setattr(uvloop.Loop, name, _waiting(getattr(uvloop.Loop, name)))
    os.register_at_fork(after_in_child=_after_fork)


def _waiting(call: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(call)
    def call_as_main(*arguments: Any, **named: Any) -> Any:
        with _moving:
            return call(*arguments, **named)

    return call_as_main


def _after_fork() -> None:
    global _moving
    _moving = _new_lock()  # a thread that is not here may have held it


_states: dict[int, int] = {}
"""Addresses of threads' states, by their idents, where they are needed."""


def introduce_thread() -> None:
    """Signal handlers may be wanted on this thread while it computes. On the main thread: before one is looked for."""
    if state := thread_state():
        _states[threading.get_ident()] = state
