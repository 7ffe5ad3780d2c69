"""Ending attempts before they end by themselves: those that are cancelled, and all of them when their container stops."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from motet.runtime.attempts.attempt import RunningAttempt
from motet.runtime.cancellation.interrupter import Interrupter
from motet.runtime.local_limit import LocalLimit
from motet.runtime.slots import Slots


class Canceller:
    """Ends attempts of one executor: by `CancelledError` in a task, by `InputCancellation` on a thread.

    `attempts` are there by their numbers from before they have a slot until they have ended. For the control thread, but
    where it says otherwise.
    """

    def __init__(
        self,
        slots: Slots,
        attempts: Mapping[int, RunningAttempt],
        limit: LocalLimit,
        loop: asyncio.AbstractEventLoop | None,
    ) -> None:
        self.is_stopping = False
        self._slots = slots
        self._attempts = attempts
        self._limit = limit
        self._loop = loop
        self._interrupter = Interrupter()
        self._threads_done = threading.Event()

    def install(self) -> None:
        """Attempts may run on threads. On the main thread, before the first one."""
        self._interrupter.install()

    def cancel(self, numbers: Sequence[int]) -> None:
        """End these attempts if they run.

        One that waits for its thread ends when it gets it. Those that are not here, or were cancelled before, are left alone.
        """
        gates = []
        for number in numbers:
            # In this order: what has a slot is known here until it has ended.
            if not self._slots.cancel(number) or (attempt := self._attempts.get(number)) is None:
                continue
            if attempt.task is not None and self._loop is not None:
                self._loop.call_soon_threadsafe(attempt.task.cancel)
                continue
            self._limit.give_up(number)
            if attempt.window is not None:
                attempt.window.cancel()
            if attempt.gate is not None:
                gates.append(attempt.gate)
        for gate in gates:  # last: each may take a moment
            self._interrupter.interrupt(gate)

    def stop(self) -> None:
        """End everything that runs: the container is about to run its exit hooks."""
        # Before looking at them: whichever ends from here on says so.
        self.is_stopping = True
        numbers = list(self._attempts)
        self.look()
        self.cancel(numbers)

    def look(self) -> None:
        """While it stops: an attempt on a thread has ended. On that thread."""
        if not self._on_threads():
            self._threads_done.set()

    def wake_main(self) -> None:
        """Have the main thread run handlers of signals that have come, also in a blocking call."""
        self._interrupter.wake_main()

    def wait_threads(self, patience: float) -> None:
        """Once it stops: let interrupted threads run their `finally` blocks, for `patience` seconds at most. On any thread."""
        if self.is_stopping:
            self._threads_done.wait(patience)

    async def wait_tasks(self, patience: float) -> None:
        """The same for tasks, on their loop, and for threads meanwhile: they may need the loop."""
        attempts = list(self._attempts.values())
        waiting: set[asyncio.Future[Any]] = {attempt.task for attempt in attempts if attempt.task is not None}
        if self._on_threads():
            waiting.add(asyncio.get_running_loop().run_in_executor(None, self.wait_threads, patience))
        if waiting:
            await asyncio.wait(waiting, timeout=patience)

    def _on_threads(self) -> bool:
        # A list is made in one step: others go on.
        return any(attempt.gate is not None for attempt in list(self._attempts.values()))
