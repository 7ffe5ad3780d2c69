"""What a test may ask of a world about what ran in it: each attempt, where, and how it ended."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from motet.model.ids import input_id
from motet.model.outcome import AttemptEnd, Delivery


@dataclass(slots=True)
class WorldAttempt:
    """One run of a function's code, in virtual seconds since the world began.

    `outcome` is how its code ended: "success", "failure", "cancelled" ...; None: it runs, or its container was gone before it
    had ended. Whether that became the input's result is another matter: an attempt that was given up runs for nothing.
    """

    function: str
    call_id: str
    input_id: str
    container_id: str
    host: str
    began_at: float
    ended_at: float | None = None
    outcome: str | None = None


class AttemptLog:
    """All attempts of a world, in the order in which they began."""

    def __init__(self) -> None:
        self._all: list[WorldAttempt] = []
        self._by_number: dict[tuple[str, int], WorldAttempt] = {}

    def began(self, function: str, container_id: str, host: str, members: Iterable[Delivery], now: float) -> None:
        """A container begins with these."""
        for each in members:
            found = WorldAttempt(
                function, each.call_id, input_id(each.call_id, each.index), container_id, host, began_at=now
            )
            self._all.append(found)
            self._by_number[container_id, each.attempt] = found

    def ended(self, container_id: str, ends: Iterable[AttemptEnd], now: float) -> None:
        """A container has these outcomes to offer."""
        for end in ends:
            if (found := self._by_number.pop((container_id, end.attempt), None)) is not None:
                found.ended_at, found.outcome = now, end.kind.name.lower()

    def of(self, function: str | None) -> list[WorldAttempt]:
        """Those of a function, or of all."""
        return [each for each in self._all if function in (None, each.function)]
