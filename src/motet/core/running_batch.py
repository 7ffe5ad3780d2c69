"""Inputs that share a slot, and one call of their function."""

from __future__ import annotations

from collections.abc import Sequence

from motet.core.containers import Container
from motet.core.inputs import Input


class RunningBatch:
    """Attempts in one slot. `number` is the first one's; `members` lacks those that have ended, and has None for those
    nobody waits for any more. `input_id` is what its code knows it by: its first input's."""

    __slots__ = ("container", "input_id", "members", "number", "size", "started_at")

    def __init__(self, container: Container, items: Sequence[Input], now: float) -> None:
        self.number = items[0].attempt
        self.input_id = items[0].input_id
        self.container = container
        self.members: dict[int, Input | None] = {item.attempt: item for item in items}
        self.size = len(items)
        self.started_at = now

    @property
    def inputs(self) -> list[Input]:
        """Those of its inputs that somebody waits for."""
        return [item for item in self.members.values() if item is not None]

    @property
    def wanted(self) -> Input | None:
        """One of them."""
        return next((item for item in self.members.values() if item is not None), None)

    def end(self, attempt: int) -> Input | None:
        """An attempt has ended: the input that waited for it, if one did."""
        return self.members.pop(attempt)

    def give_up(self, attempt: int) -> None:
        """Nobody waits for it any more."""
        self.members[attempt] = None

    def give_up_all(self) -> list[Input]:
        """Nobody waits for any: those that somebody did wait for."""
        inputs = self.inputs
        self.members.update(dict.fromkeys(self.members))
        return inputs
