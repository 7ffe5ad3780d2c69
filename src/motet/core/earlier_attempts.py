"""Attempts that began before this server did: they go on in their containers, until their inputs are submitted again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from motet.core.containers import Container
from motet.core.events import ContainerResumed
from motet.core.grace import Grace, SetAlarm
from motet.core.inputs import Input
from motet.model.outcome import AttemptEnd, HeldAttempt

RESUBMIT_GRACE = 30.0
"""Seconds in which an input must be submitted again: then its attempt is one that nobody waits for. Clients are back within
`client/resuming_link.py: RECONNECT_TIMEOUT` of the loss, which counts from earlier."""

Key = tuple[str, int]


class EarlierAttempts:
    """Those of one pool that no input has joined, by call and index. `are_any`: whether there are; nearly always none are,
    and that is asked with every input.

    One that runs keeps its slot in its container. Of one that has ended, its outcome is here.
    """

    __slots__ = ("_ended", "_grace", "_keys", "_principals", "_running", "are_any")

    def __init__(self, alarm: SetAlarm) -> None:
        self._running: dict[Key, tuple[Container, int]] = {}
        self._ended: dict[Key, tuple[str, AttemptEnd]] = {}
        """With the container that it ran in."""
        self._principals: dict[str, int] = {}
        """Whose each call is."""
        self._keys: dict[int, Key] = {}
        """Of those that run."""
        self._grace: Grace[Key] = Grace(RESUBMIT_GRACE, alarm)
        self.are_any = False

    def add(self, container: Container, event: ContainerResumed, now: float) -> list[tuple[Container, HeldAttempt]]:
        """A container is back with these. Of several attempts at one input the last counts: those before it that still run, and
        where, are the answer; nobody waits for them."""
        superseded = []
        for held in event.running:
            if held.cancelled:
                continue
            key = held.call_id, held.index
            if held.attempt < self._latest(key):
                superseded.append((container, held))
                continue
            superseded += self._supersede(key)
            self._running[key] = container, held.attempt
            self._principals[held.call_id] = held.principal
            self._keys[held.attempt] = key
            self._grace.begin(key, now)
        for held, end in event.ended:
            key = held.call_id, held.index
            if held.attempt > self._latest(key):
                superseded += self._supersede(key)
                self._ended[key] = container.container_id, end
                self._principals[held.call_id] = held.principal
                self._grace.begin(key, now)
        self._look()
        return superseded

    def _look(self) -> None:
        self.are_any = bool(self._running or self._ended)
        if not self.are_any:
            self._principals.clear()

    def _latest(self, key: Key) -> int:
        if (running := self._running.get(key)) is not None:
            return running[1]
        return self._ended[key][1].attempt if key in self._ended else 0

    def _supersede(self, key: Key) -> list[tuple[Container, HeldAttempt]]:
        self._ended.pop(key, None)
        if (running := self._running.get(key)) is None:
            return []
        self._forget_running(key)
        return [(running[0], HeldAttempt(running[1], *key))]

    def finished(self, container: Container, ends: Iterable[AttemptEnd]) -> None:
        """A container says how attempts ended; some of them may be of these."""
        for end in ends:
            key = self._keys.get(end.attempt)
            if key is not None and self._running[key][0] is container:
                self._forget_running(key)
                self._ended[key] = container.container_id, end

    def lost(self, container: Container) -> None:
        """A container lets go of all that it runs: it is gone, or is to be."""
        for key in [key for key, (holder, _) in self._running.items() if holder is container]:
            self._forget_running(key)
            self._grace.end(key)
        self._look()

    def take_running(self, item: Input) -> tuple[Container, int] | None:
        """Where this input runs already, and as which attempt: it is that one's from now on."""
        key = item.call.call_id, item.index
        if (found := self._running.get(key)) is not None:
            self._forget_running(key)
            self._grace.end(key)
            self._look()
        return found

    def take_ended(self, item: Input) -> tuple[str, AttemptEnd] | None:
        """How this input has ended already, and in which container."""
        key = item.call.call_id, item.index
        self._grace.end(key)
        found = self._ended.pop(key, None)
        self._look()
        return found

    def tried_since(self, call_id: str, index: int, attempt: int) -> list[tuple[Container, HeldAttempt]]:
        """An input was to be tried again after its attempt of this number: nobody waits for that one, or those before it. Where
        it still runs."""
        key = call_id, index
        if not self.has(call_id, index) or self._latest(key) > attempt:
            return []
        still_running = self._supersede(key)
        self._grace.end(key)
        self._look()
        return still_running

    def is_anothers(self, call_id: str, principal: int) -> bool:
        """Whether inputs of this call are here, and it is not this principal's."""
        return self._principals.get(call_id, principal) != principal

    def has(self, call_id: str, index: int) -> bool:
        """Whether this input runs, or has ended, already."""
        key = call_id, index
        return key in self._running or key in self._ended

    def unclaimed(self, now: float) -> Iterator[tuple[Container, HeldAttempt]]:
        """Those that still run, and whose inputs nobody has submitted in time. They are no longer of these."""
        for key in self._grace.overdue(now):
            self._ended.pop(key, None)
            if (found := self._running.get(key)) is not None:
                self._forget_running(key)
                yield found[0], HeldAttempt(found[1], *key)
        self._look()

    def _forget_running(self, key: Key) -> None:
        _, attempt = self._running.pop(key)
        del self._keys[attempt]

    def check(self) -> dict[str, bool]:
        """What must hold, by name, and whether it does."""
        return {
            "earlier attempts": all(c.running.get(n, self) is None for c, n in self._running.values()),
            "there are earlier attempts": self.are_any == bool(self._running or self._ended),
            "keys of earlier attempts": self._keys == {n: key for key, (_, n) in self._running.items()},
            "each earlier attempt has a grace": {*self._running, *self._ended} == set(self._grace),
        }
