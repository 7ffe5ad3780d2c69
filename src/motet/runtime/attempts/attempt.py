"""One attempt in its container: the frame around the user's code in it, whichever way that runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Protocol

from motet.client.gate import Gate
from motet.context.current_input import CurrentInput, current
from motet.model.outcome import AttemptEnd, Delivery
from motet.runtime.attempts.outcomes import failed
from motet.runtime.sender import Sender

Fail = Callable[[Delivery, BaseException, bool], AttemptEnd]
"""Makes the end of what raised this exception; True: Motet has cancelled it."""


class ItemWindow(Protocol):
    """What the consumer of an attempt's items has room for."""

    def grant(self, count: int) -> None: ...

    def cancel(self) -> None: ...


@dataclass(slots=True, eq=False)
class RunningAttempt:
    """Calls `call` with what is in `delivery`. The ways to do so (`ways.py`) differ; this is what they share.

    In a `with` block of it, its input is the current one; the context is to be the attempt's own. The block sets `end`, the one
    outcome, or raises whatever it may: then `fail` makes the end of that, and nothing is raised further. What the input has
    written leaves before its outcome.

    `gate` is there if it runs on a thread, `task` if it runs as one, `window` if it has items. `cancelled` tells whether
    Motet has cancelled the attempt of a number, for code may raise `CancelledError` without that.
    """

    call: Callable[..., Any]
    delivery: Delivery
    gate: Gate | None
    sender: Sender
    window: ItemWindow | None
    cancelled: Callable[[int], bool]
    fail: Fail = failed
    task: asyncio.Task[None] | None = None
    end: AttemptEnd = field(init=False)
    _running: CurrentInput = field(init=False)

    def __enter__(self) -> None:
        delivery = self.delivery
        self._running = running = CurrentInput(delivery.call_id, delivery.index, delivery.again)
        current.set(running)

    def runs_for(self, members: Sequence[Delivery]) -> None:
        """What runs from now on runs for these members of a batch."""
        self._running.batch = tuple(member.again for member in members)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> Literal[True]:
        try:
            if error is not None:
                if self.gate is not None:
                    # Also a cancellation that came in the moment between the user's code and the shutting of the gate.
                    self.gate.raised(error)
                self.end = self.fail(self.delivery, error, self.cancelled(self.delivery.attempt))
        finally:
            if (output := self._running.output) is not None:
                output.end()
        return True
