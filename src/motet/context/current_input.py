"""Which input code runs for."""

from __future__ import annotations

import contextvars
from typing import Any

from motet.model.ids import input_id


class CurrentInput:
    """The input that a thread or task runs, as the runtime sets it. `output` is the runtime's: what it has written."""

    __slots__ = ("call_id", "index", "output")

    def __init__(self, call_id: str, index: int) -> None:
        self.call_id = call_id
        self.index = index
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
