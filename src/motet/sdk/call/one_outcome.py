"""The outcome of a call with one input, for whoever waits for it."""

from __future__ import annotations

from motet.client.waiter import Waiter
from motet.model.outcome import InputEnd


class OneOutcome:
    """The sink of such a call (see `Connection.open_call`)."""

    __slots__ = ("waiter",)

    def __init__(self) -> None:
        self.waiter: Waiter[InputEnd | Exception] = Waiter()

    def ended(self, ended: list[InputEnd]) -> None:
        self.waiter.set(ended[0])

    def items(self, items: list[bytes]) -> None:
        """Only streams have items."""

    def lost(self, error: Exception) -> None:
        self.waiter.set(error)
