"""Attempts that began before this server did: they go on in their containers, until their inputs are submitted again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from motet.core.containers import Container
from motet.core.grace import Grace, SetAlarm
from motet.core.inputs import Input
from motet.model.outcome import AttemptEnd, HeldAttempt, OutcomeKind

RESUBMIT_GRACE = 30.0
"""Seconds in which an input must be submitted again: then its attempt is one that nobody waits for. Clients are back within
`client/resuming_link.py: RECONNECT_TIMEOUT` of the loss, which counts from earlier."""

Key = tuple[str, int]


class EarlierAttempt(NamedTuple):
    """One, where it ran or runs, and since when."""

    container: Container
    held: HeldAttempt
    began_at: float


class EarlierAttempts:
    """Those of one pool that no input has joined, by call and index. `are_any`: whether there are; nearly always none are,
    and that is asked with every input.

    One that runs keeps its slot in its container. Of one that has ended, its outcome is here.
    """

    __slots__ = ("_ended", "_grace", "_keys", "_principals", "_running", "are_any")

    def __init__(self, alarm: SetAlarm) -> None:
        self._running: dict[Key, EarlierAttempt] = {}
        self._ended: dict[Key, tuple[EarlierAttempt, AttemptEnd]] = {}
        self._principals: dict[str, int] = {}
        """Whose each call is."""
        self._keys: dict[int, Key] = {}
        """Of those that run."""
        self._grace: Grace[Key] = Grace(RESUBMIT_GRACE, alarm)
        self.are_any = False

    def add(
        self,
        container: Container,
        running: Iterable[HeldAttempt],
        ended: Iterable[tuple[HeldAttempt, AttemptEnd]],
        now: float,
    ) -> list[tuple[Container, HeldAttempt]]:
        """A container is back with these. Of several attempts at one input the last counts: those before it that still run, and
        where, are the answer; nobody waits for them."""
        superseded = []
        for held in running:
            if held.cancelled or held.cut or held.attempt in self._keys:  # no two containers have one attempt
                continue
            key = held.call_id, held.index
            if held.attempt < self._latest(key):
                superseded.append((container, held))
                continue
            superseded += self._supersede(key)
            self._running[key] = EarlierAttempt(container, held, now - held.ran)
            self._principals[held.call_id] = held.principal
            self._keys[held.attempt] = key
            self._grace.begin(key, now)
        for held, end in ended:
            key = held.call_id, held.index
            if held.attempt > self._latest(key) and not (held.cut or end.kind is OutcomeKind.CANCELLED):
                superseded += self._supersede(key)
                self._ended[key] = EarlierAttempt(container, held, now - held.ran), end
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
            return running.held.attempt
        return self._ended[key][1].attempt if key in self._ended else 0

    def _supersede(self, key: Key) -> list[tuple[Container, HeldAttempt]]:
        self._ended.pop(key, None)
        if (running := self._running.get(key)) is None:
            return []
        self._forget_running(key)
        return [(running.container, running.held)]

    def finished(self, container: Container, ends: Iterable[AttemptEnd]) -> None:
        """A container says how attempts ended; some of them may be of these. One that was cancelled there is no outcome:
        nobody has asked for that, so it had not begun, and was given back."""
        for end in ends:
            key = self._keys.get(end.attempt)
            if key is not None and (earlier := self._running[key]).container is container:
                self._forget_running(key)
                if end.kind is OutcomeKind.CANCELLED:
                    self._grace.end(key)
                else:
                    self._ended[key] = earlier, end
        self._look()

    def lost(self, container: Container) -> None:
        """A container lets go of all that it runs: it is gone, or is to be."""
        self._forget([key for key, it in self._running.items() if it.container is container])

    def given_back(self, container: Container, slots: Collection[int]) -> None:
        """A container has not begun with what is in these slots, and will not."""
        mine = [key for key, it in self._running.items() if it.container is container and it.held.slot in slots]
        self._forget(mine)

    def _forget(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self._forget_running(key)
            self._grace.end(key)
        self._look()

    def take_running(self, item: Input) -> EarlierAttempt | None:
        """Where this input runs already, and as which attempt: it is that one's from now on."""
        key = item.call.call_id, item.index
        if (found := self._running.get(key)) is not None:
            self._forget_running(key)
            self._grace.end(key)
            self._look()
        return found

    def take_ended(self, item: Input) -> tuple[EarlierAttempt, AttemptEnd] | None:
        """The attempt with which this input has ended already, and how."""
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
                yield found.container, found.held
        self._look()

    def _forget_running(self, key: Key) -> None:
        del self._keys[self._running.pop(key).held.attempt]

    def check(self) -> dict[str, bool]:
        """What must hold, by name, and whether it does."""
        return {
            "earlier attempts": all(
                it.held.slot in it.container.running and (it.held.batch or it.container.running[it.held.slot] is None)
                for it in self._running.values()
            ),
            "there are earlier attempts": self.are_any == bool(self._running or self._ended),
            "keys of earlier attempts": self._keys == {it.held.attempt: key for key, it in self._running.items()},
            "each earlier attempt has a grace": {*self._running, *self._ended} == set(self._grace),
        }
