"""Outcomes that their callers may not have: containers keep them until it is known that they do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from motet.model.outcome import AttemptEnd, Delivery, HeldAttempt

Key = tuple[str, int]


class Unacknowledged:
    """Which attempt's outcome each input's caller is to have. `acknowledge` tells a container that attempts of it are done
    with, at the end of the loop's turn: those of one turn go together."""

    def __init__(self, acknowledge: Callable[[str, list[int]], None]) -> None:
        self._acknowledge = acknowledge
        self._attempts: dict[Key, tuple[str, int]] = {}
        """By call and index: the last attempt, and its container."""
        self._keys: dict[int, Key] = {}
        self._due: dict[str, list[int]] = {}

    def __len__(self) -> int:
        return len(self._attempts)

    def delivered(self, container_id: str, attempts: Iterable[Delivery | HeldAttempt]) -> None:
        """These are on their way to a container, or there."""
        for each in attempts:
            key = each.call_id, each.index
            earlier = self._attempts.get(key)
            if earlier is not None:
                if earlier[1] > each.attempt:  # two containers have come back with attempts at one input
                    self._add(container_id, each.attempt)
                    continue
                del self._keys[earlier[1]]
                self._add(*earlier)
            self._attempts[key] = container_id, each.attempt
            self._keys[each.attempt] = key

    def finished(self, container_id: str, ends: Iterable[AttemptEnd]) -> None:
        """A container has outcomes: those that nobody is to have are done with."""
        for end in ends:
            if end.attempt not in self._keys:
                self._add(container_id, end.attempt)

    def given(self, call_id: str, indices: Iterable[int]) -> None:
        """The caller has the outcomes of these inputs, or will never ask for them."""
        for index in indices:
            found = self._attempts.pop((call_id, index), None)
            if found is not None:
                del self._keys[found[1]]
                self._add(*found)

    def _add(self, container_id: str, attempt: int) -> None:
        if not self._due:
            asyncio.get_running_loop().call_soon(self._send)
        self._due.setdefault(container_id, []).append(attempt)

    def _send(self) -> None:
        due, self._due = self._due, {}
        for container_id, attempts in due.items():
            self._acknowledge(container_id, attempts)
