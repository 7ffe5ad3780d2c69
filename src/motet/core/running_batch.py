"""Inputs that share a slot, and one call of their function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from motet.core.containers import Container
from motet.core.inputs import Input
from motet.model.ids import input_id
from motet.model.outcome import HeldAttempt


class RunningBatch:
    """Attempts in one slot. `number` is the first one's; `members` lacks those that have ended, and has None for those
    nobody waits for. `awaited` are those of them that began before the server did, and that their inputs may still join.
    `input_id` is what its code knows it by: its first input's. `is_given_up`: its container was told to end it."""

    __slots__ = ("awaited", "container", "input_id", "is_given_up", "members", "number", "size", "started_at")

    def __init__(
        self, number: int, input_id: str, container: Container, members: dict[int, Input | None], started_at: float
    ) -> None:
        self.number = number
        self.input_id = input_id
        self.container = container
        self.members = members
        self.awaited: set[int] = set()
        self.size = len(members)
        self.started_at = started_at
        self.is_given_up = False

    @classmethod
    def of(cls, items: Sequence[Input], container: Container, now: float) -> Self:
        """Attempts that begin."""
        return cls(items[0].attempt, items[0].input_id, container, {item.attempt: item for item in items}, now)

    @classmethod
    def resumed(cls, held: Sequence[HeldAttempt], container: Container, now: float) -> Self:
        """Attempts that began before the server did. (Its first member may have ended, and then its name is not known.)"""
        first = held[0]
        started_at = now - max(each.ran for each in held)
        members: dict[int, Input | None] = dict.fromkeys(each.attempt for each in held)
        batch = cls(first.slot, input_id(first.call_id, first.index), container, members, started_at)
        batch.awaited.update(members)
        return batch

    @property
    def inputs(self) -> list[Input]:
        """Those of its inputs that somebody waits for."""
        return [item for item in self.members.values() if item is not None]

    @property
    def wanted(self) -> Input | None:
        """One of them."""
        return next((item for item in self.members.values() if item is not None), None)

    def join(self, item: Input) -> None:
        """An input has joined its attempt."""
        self.awaited.discard(item.attempt)
        self.members[item.attempt] = item

    def end(self, attempt: int) -> Input | None:
        """An attempt has ended: the input that waited for it, if one did."""
        self.awaited.discard(attempt)
        return self.members.pop(attempt)

    def give_up(self, attempt: int) -> None:
        """Nobody waits for it any more."""
        self.awaited.discard(attempt)
        self.members[attempt] = None

    def was_given_up(self) -> None:
        """Its container is to end it."""
        self.is_given_up = True

    def give_up_all(self) -> list[Input]:
        """Nobody waits for any: those that somebody did wait for."""
        inputs = self.inputs
        self.is_given_up = True
        self.awaited.clear()
        self.members.update(dict.fromkeys(self.members))
        return inputs
