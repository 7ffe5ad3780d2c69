"""Ctrl-C: the first asks the program to end, the second ends the process at once. SIGTERM asks, too, any number of times."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130
TERMINATED = 143

_SHOW_CURSOR = b"\x1b[J\x1b[?25h\n"  # and take away what is drawn below it


class Terminated(SystemExit):
    """SIGTERM came: the program is to end in order."""


class Interrupts:
    """Whether Ctrl-C was pressed; `closing` is set once the program is over and only cleaning up is left."""

    def __init__(self) -> None:
        self.pressed = False
        self.closing = False
        self._terminated = False

    def on_interrupt(self, _signal: int, _frame: FrameType | None) -> None:
        if self.pressed or self.closing:
            _end_now()
        self.pressed = True
        raise KeyboardInterrupt

    def on_terminate(self, _signal: int, _frame: FrameType | None) -> None:
        """Only the first counts, and only while there is a program to end: cleaning up goes on to its end."""
        if not (self._terminated or self.pressed or self.closing):
            self._terminated = True
            raise Terminated(TERMINATED)


@contextlib.contextmanager
def handled_interrupts() -> Iterator[Interrupts]:
    """Inside: the first SIGINT raises `KeyboardInterrupt` in the main thread, the first SIGTERM `Terminated(143)`, and a
    second SIGINT ends the process with status 130; its containers end with it. Call it on the main thread."""
    interrupts = Interrupts()
    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, interrupts.on_interrupt),
        signal.SIGTERM: signal.signal(signal.SIGTERM, interrupts.on_terminate),
    }
    try:
        yield interrupts
    finally:
        # After Ctrl-C nothing is left to do but end, so another one stays as good as its word.
        if not interrupts.pressed:
            for number, handler in before.items():
                signal.signal(number, handler)


def _end_now() -> NoReturn:
    # Straight to the descriptor: a lock of the console may be held by whatever this signal interrupted.
    if os.isatty(sys.__stderr__.fileno() if sys.__stderr__ else 2):
        os.write(2, _SHOW_CURSOR)
    os._exit(INTERRUPTED)
