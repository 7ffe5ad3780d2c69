"""Which outcomes a client has: until then its containers keep them, so that no kill of the server costs one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from motet.model.outcome import InputEnd

Given = Callable[[str, list[int]], None]
"""Is told of the inputs of a call whose caller has their outcomes."""


class Confirmations:
    """Those of one client, which `confirms` what it has, or counts as having what it was sent."""

    __slots__ = ("_confirms", "_given", "_sent", "_total")

    def __init__(self, given: Given, *, confirms: bool) -> None:
        self._given = given
        self._confirms = confirms
        self._sent: deque[tuple[int, str, list[int]]] = deque()
        """What it has not confirmed, each with the number of its last outcome."""
        self._total = 0

    def sent(self, call_id: str, ended: Sequence[InputEnd]) -> None:
        """These outcomes are on their way to it."""
        indices = [each.index for each in ended]
        if not self._confirms:
            self._given(call_id, indices)
            return
        self._total += len(indices)
        self._sent.append((self._total, call_id, indices))

    def taken(self, count: int) -> None:
        """It has so many, of all that were sent."""
        while self._sent and self._sent[0][0] <= count:
            _, call_id, indices = self._sent.popleft()
            self._given(call_id, indices)

    def gone(self) -> None:
        """It will not ask for any."""
        self.taken(self._total)
