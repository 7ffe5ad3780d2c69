"""Decides which inputs are in the next batch of a continuous batcher: first come first served, within a budget."""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from motet.errors import InternalError, InvalidError

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """What a batch may hold. Raises `InvalidError` where a limit could never admit anything.

    max_batch_size: Inputs in a batch.
    budget: The sum of their weights, in whatever unit these have, such as tokens of a KV cache. None: no bound.
    max_admissions: Inputs that may join one batch. A first step often takes longer than the others (the prompt of a
        language model), and those under way wait for it. None: as many as fit.
    max_overtakes: How many inputs may be admitted while an earlier one waits for more of the budget than is free.
        0: strictly in order, and the budget lies idle meanwhile.
    """

    max_batch_size: int
    budget: int | None = None
    max_admissions: int | None = None
    max_overtakes: int = 8

    def __post_init__(self) -> None:
        for name, least in (("max_batch_size", 1), ("budget", 1), ("max_admissions", 1), ("max_overtakes", 0)):
            value = getattr(self, name)
            if value is None and name in ("budget", "max_admissions"):
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise InvalidError(f"`{name}` must be an integer of at least {least}, got {value!r}")

    def check_weight(self, weight: int) -> None:
        """Raise `InvalidError` if an input of this weight could never run."""
        if not isinstance(weight, int) or isinstance(weight, bool) or weight < 1:
            raise InvalidError(f"`weight` must be an integer of at least 1, got {weight!r}")
        if self.budget is not None and weight > self.budget:
            raise InvalidError(
                f"an input of weight {weight} never fits into the budget of {self.budget}: make it smaller, or the budget "
                f"larger"
            )


@dataclass(frozen=True, slots=True)
class MemberPlace:
    """An input's place in the batch: it keeps its `slot`, below `max_batch_size` and held by no other, to its end."""

    slot: int
    weight: int


@dataclass(slots=True)
class _Waiting:
    weight: int
    overtaken: int = 0


class BatchScheduler(Generic[K]):
    """Inputs by key: those that wait, and those in the batch. Pure: no clock, no threads, no I/O; not thread-safe.

    - The batch never holds more than its limits, and an input's whole weight is reserved when it joins: it never has to
      be put out again half-way.
    - Inputs join in the order they were added. One that needs more of the budget than is free may be overtaken by
      smaller ones, by at most `max_overtakes` in all; then they wait for it. So each input runs, whatever comes after it.
    - A slot that is free and lowest is given first, so that those in use lie close together.
    """

    def __init__(self, limits: BatchLimits) -> None:
        self.limits = limits
        self._waiting: dict[K, _Waiting] = {}
        self._running: dict[K, MemberPlace] = {}
        self._free_slots = list(range(limits.max_batch_size))
        self._used = 0
        self._changed = False

    @property
    def waiting(self) -> int:
        """How many inputs are not in the batch yet."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """How many inputs are in the batch."""
        return len(self._running)

    @property
    def used(self) -> int:
        """The weight of those in the batch."""
        return self._used

    def __contains__(self, key: K) -> bool:
        return key in self._running or key in self._waiting

    def __repr__(self) -> str:
        budget = "" if self.limits.budget is None else f" of {self.limits.budget}"
        return f"<BatchScheduler: {self.running} running (weight {self._used}{budget}), {self.waiting} waiting>"

    def add(self, key: K, weight: int = 1) -> None:
        """Let an input wait for its place. Raises `InvalidError` for a weight that never fits, or a key that is here."""
        self.limits.check_weight(weight)
        if key in self:
            raise InvalidError(f"{key!r} is in the scheduler already")
        self._waiting[key] = _Waiting(weight)
        self._changed = True

    def step(self) -> dict[K, MemberPlace]:
        """Admit what fits; the batch for the next step, in the order its inputs joined."""
        if self._changed:
            self._admit()
            self._changed = self.limits.max_admissions is not None
        return dict(self._running)

    def finish(self, key: K) -> None:
        """An input in the batch is through. Its slot and weight are free at once. Raises `KeyError` if it is not in it."""
        place = self._running.pop(key)
        heapq.heappush(self._free_slots, place.slot)
        self._used -= place.weight
        self._changed = True

    def cancel(self, key: K) -> bool:
        """Take an input out, wherever it is; what it held is free at once. False if it is not here. Idempotent."""
        if key in self._running:
            self.finish(key)
        elif self._waiting.pop(key, None) is None:
            return False
        self._changed = True
        return True

    def check(self) -> None:
        """Raise `InternalError` if a promise of this class is broken. Tests call it after every step."""
        slots = sorted([*self._free_slots, *(place.slot for place in self._running.values())])
        held = sum(place.weight for place in self._running.values())
        over = self.limits.budget is not None and held > self.limits.budget
        passed = [each.overtaken for each in self._waiting.values() if each.overtaken > self.limits.max_overtakes]
        if slots != list(range(self.limits.max_batch_size)) or held != self._used or over or passed:
            raise InternalError(f"{self!r}: slots {slots}, weights {held}, overtaken {passed}")

    def _admit(self) -> None:
        # Cases for the next one that waits: there is room, it joins; it is too large and may still be overtaken, we
        # look further; it has been overtaken often enough, or no slot is left, and nobody else joins.
        overtaken: list[_Waiting] = []
        joining: list[K] = []
        for key, waiting in self._waiting.items():
            if not self._free_slots or self._used == self.limits.budget or len(joining) == self.limits.max_admissions:
                break
            if self._fits(waiting.weight):
                self._place(key, waiting.weight)
                joining.append(key)
                for earlier in overtaken:
                    earlier.overtaken += 1
            else:
                overtaken.append(waiting)
            # Whoever overtakes the second of them overtakes the first too: the first has been overtaken most.
            if overtaken and overtaken[0].overtaken >= self.limits.max_overtakes:
                break
        for key in joining:
            del self._waiting[key]

    def _fits(self, weight: int) -> bool:
        return self.limits.budget is None or self._used + weight <= self.limits.budget

    def _place(self, key: K, weight: int) -> None:
        self._running[key] = MemberPlace(heapq.heappop(self._free_slots), weight)
        self._used += weight
