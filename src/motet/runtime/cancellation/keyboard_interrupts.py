"""What SIGINT does in a container that serves: it interrupts the input whose code sent it, if that can be known."""

from __future__ import annotations

import functools
import os
import signal
import sys
from _thread import start_new_thread as _start_thread
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

from motet.client.gate import here
from motet.context.current_input import current


class KeyboardInterrupts:
    """Raises `KeyboardInterrupt` in user code alone, and in none but that of the input concerned.

    That is the only input of a container that runs one at a time; among several, the one whose code on the main thread
    sends the signal to its own process (`os.kill`, `signal.raise_signal`). Any other SIGINT is told, and nothing else: only
    the server ends a container. Does nothing if the user's code has put a handler of its own there.
    """

    def __init__(self) -> None:
        self.alone = False
        """It runs one input at a time."""
        self._senders: list[CodeType] = []

    def install(self) -> None:
        """Know from where signals are sent. Once, before user code is imported."""
        os.kill = self._noted(os.kill)
        signal.raise_signal = self._noted(signal.raise_signal)

    def take_over(self) -> None:
        """Take over SIGINT, for inputs may come. On the main thread."""
        if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            return
        signal.signal(signal.SIGINT, self._on_interrupt)
        # What `multiprocessing` forks from here is no container.
        os.register_at_fork(after_in_child=self._restore)

    def _noted(self, send: Callable[..., Any]) -> Callable[..., Any]:
        """Its frame is the one that the handler finds if the signal comes from this thread's own code."""

        def send_noted(*arguments: Any, **named: Any) -> Any:
            return send(*arguments, **named)

        self._senders.append(send_noted.__code__)
        return functools.wraps(send)(send_noted)

    def _on_interrupt(self, _signal: int, frame: FrameType | None) -> None:
        if frame is not None and self._is_of_an_input(frame):
            raise KeyboardInterrupt
        # Not here: whatever this interrupted may hold the locks of what it writes to.
        _start_thread(_tell, ())

    def _is_of_an_input(self, frame: FrameType) -> bool:
        if frame.f_code in self._senders and current.get() is not None:
            return True
        if not self.alone:
            return False
        gate = here.gate
        if gate is not None and gate.is_open:
            return True
        # On the loop, beside nothing but our own code.
        return current.get() is not None and not str(frame.f_globals.get("__name__")).startswith("motet.")

    def _restore(self) -> None:
        if signal.getsignal(signal.SIGINT) == self._on_interrupt:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _tell() -> None:
    print(
        "motet: SIGINT came to this container, which goes on: nothing tells which of its inputs it is for. "
        "To stop a container, use `motet container stop`.",
        file=sys.stderr,
        flush=True,
    )
