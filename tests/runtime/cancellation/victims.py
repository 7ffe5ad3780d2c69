"""Threads to be interrupted, which run something as the runtime runs an input."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

from motet.client.gate import Gate
from motet.errors import InputCancellation

TIMEOUT = 20.0
LONG = 60.0
"""Seconds that something blocks unless it is interrupted."""


def live_on() -> None:
    """As threads of slots do: a signal may only be sent to a thread that there is."""
    while True:
        with contextlib.suppress(BaseException):
            threading.Event().wait()


class Victim:
    """A thread that runs `work` as the runtime runs an input, and how that ended."""

    def __init__(self, work: Callable[[], Any], gate: Gate | None = None) -> None:
        self.gate = gate or Gate()
        self.ended: Any = None
        self.hits = 0
        self._work = work
        self._in_work = threading.Event()
        self._over = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        self.gate.enter()
        try:
            try:
                self._in_work.set()
                self.gate.open()
                result = self._work()
            finally:
                self.gate.shut()
            self.ended = result
        except InputCancellation as error:
            self.gate.raised(error)
            self.ended = error
        self.gate.leave()
        # As a slot's thread: it lives on, and nothing may hit it here.
        try:
            for _ in range(50):
                time.sleep(0.0005)
        except BaseException as error:
            self.ended = f"hit outside of user code: {error!r}"
        self._over.set()
        live_on()

    def wait_in_work(self) -> None:
        assert self._in_work.wait(TIMEOUT)

    def result(self) -> Any:
        assert self._over.wait(TIMEOUT)
        return self.ended


def cancelled(value: Any) -> bool:
    return isinstance(value, InputCancellation)
