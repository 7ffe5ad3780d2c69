"""Processes of a simulated world: all that one of them has set going stops with it, between any two steps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
from typing import Any

_here: ContextVar[SimulatedProcess | None] = ContextVar("motet_simulated_process", default=None)


def process_of(context: Context | None) -> SimulatedProcess | None:
    """The process whose code this is: that of a context, or what runs now."""
    return _here.get() if context is None else context.get(_here)


class SimulatedProcess:
    """What runs in its `context`, and all that follows from that: callbacks, timers and tasks of the loop know whose they are.

    A step is one callback of the loop. When a process dies nothing of it runs any more, not even a `finally`, as with SIGKILL;
    `on_death` is told in the world's own name. One that is paused (SIGSTOP) does what was due when it goes on, in that order.
    """

    def __init__(self, name: str, loop: asyncio.AbstractEventLoop) -> None:
        self.name = name
        self.is_alive = True
        self.is_paused = False
        self.steps = 0
        self.wall_offset = 0.0
        """Seconds that its wall clock is wrong by."""
        self.on_death: list[Callable[[], None]] = []
        self._loop = loop
        self._dies_at: int | None = None
        self._held: list[tuple[list[Any], Context, Callable[..., object], tuple[Any, ...]]] = []
        self.context = copy_context()
        self.context.run(_here.set, self)

    def __repr__(self) -> str:
        return f"<SimulatedProcess {self.name}: {'alive' if self.is_alive else 'dead'}, {self.steps} steps>"

    def die_in(self, steps: int) -> None:
        """Die when so many more steps have been taken."""
        self._dies_at = self.steps + steps

    def die(self) -> None:
        """Now. Idempotent."""
        if self.is_alive:
            self.is_alive = False
            self._held.clear()
            for told in self.on_death:
                self._loop.call_soon(told, context=Context())

    def pause(self) -> None:
        """Take no more steps until `go_on`."""
        self.is_paused = True

    def go_on(self) -> None:
        """Take the steps that were due meanwhile, in order, and go on."""
        self.is_paused = False
        held, self._held = self._held, []
        for handle, context, callback, args in held:
            self._loop.call_soon(self._late, handle, callback, args, context=context)

    def step(self, handle: list[Any], callback: Callable[..., object], *args: Any) -> None:
        """Run a callback of its own, if it may run. `handle` has the loop's for it, which may be cancelled meanwhile."""
        if not self.is_alive:
            return
        if self.is_paused:
            self._held.append((handle, copy_context(), callback, args))
            return
        if self._dies_at is not None and self.steps >= self._dies_at:
            self.die()
            return
        self.steps += 1
        callback(*args)

    def _late(self, handle: list[Any], callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        if not handle[0].cancelled():
            callback(*args)
