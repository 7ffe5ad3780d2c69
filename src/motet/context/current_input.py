"""Which input code runs for."""

from __future__ import annotations

import contextvars
from typing import Any

from motet.model.current_attempt import FIRST, Attempt
from motet.model.ids import input_id


class CurrentInput:
    """The input that a thread or task runs, as the runtime sets it, and which attempt this is (None: the first); in a batch the
    first input's, and those of all in `batch`. `output` is the runtime's: what it has written."""

    __slots__ = ("attempt", "batch", "call_id", "index", "output")

    def __init__(self, call_id: str, index: int, attempt: Attempt | None = None) -> None:
        self.call_id = call_id
        self.index = index
        self.attempt = attempt
        self.batch: tuple[Attempt | None, ...] | None = None
        self.output: Any = None


current: contextvars.ContextVar[CurrentInput | None] = contextvars.ContextVar("motet_current_input", default=None)


def current_input_id() -> str | None:
    """The id of the input this code runs for (`in-...`), or None outside of one.

    Right in sync functions, in tasks, and in threads that user code starts through `asyncio.to_thread`, executors or
    `threading.Thread`. Put it in a log message and the message can be found by it.
    """
    running = current.get()
    return None if running is None else input_id(running.call_id, running.index)


def current_function_call_id() -> str | None:
    """The id of the call (`fc-...`) that the current input belongs to, or None outside of one."""
    running = current.get()
    return None if running is None else running.call_id


def current_attempt() -> Attempt | None:
    """Which attempt at its input this code runs in, and why there is one; None outside of an input.

    `number` counts from 1; `why` is "first", "retry" or "redelivered": then `cause` says after what. In a batched function it
    is that of the input which `current_input_id` names; `current_attempts` has those of all. Right wherever
    `current_input_id` is.
    """
    running = current.get()
    return None if running is None else running.attempt or FIRST


def current_attempts() -> tuple[Attempt, ...]:
    """In a batched function the attempts that its call is made for, in the order of the lists it is given; in any other the one
    that `current_attempt` gives; nothing outside of an input."""
    running = current.get()
    if running is None:
        return ()
    batch = (running.attempt,) if running.batch is None else running.batch
    return tuple(attempt or FIRST for attempt in batch)
