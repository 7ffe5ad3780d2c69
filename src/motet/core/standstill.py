"""Time that did not pass for the inputs of a pool, because what runs them stood still."""

from __future__ import annotations

from dataclasses import dataclass

from motet.core.containers import Container
from motet.core.deadlines import Deadlines
from motet.core.fleet import Fleet
from motet.core.slots import Slots
from motet.core.turn import Turn


@dataclass(frozen=True, slots=True, eq=False)
class Standstill:
    """Moves deadlines of the inputs that somebody waits for."""

    fleet: Fleet
    slots: Slots
    deadlines: Deadlines

    def froze(self, container: Container, turn: Turn) -> None:
        """Its process was stopped: what it runs has time to spare until it thaws, or until it is killed for not thawing."""
        if container.froze_at is None:  # said once more, it must not have the time twice
            self.deadlines.postpone(self.slots.inputs_of(container), self.fleet.host.limits.freeze_grace)
        self.fleet.froze(container, turn)

    def thawed(self, container: Container, turn: Turn) -> None:
        """It runs again: its inputs have the time that they were frozen, and no more."""
        if container.froze_at is not None:
            seconds = turn.now - container.froze_at - self.fleet.host.limits.freeze_grace
            self.deadlines.postpone(self.slots.inputs_of(container), seconds)
        self.fleet.thawed(container, turn)

    def stood_still(self, container: Container, seconds: float, now: float) -> None:
        """Nothing in it ran for so long until now. The time that it was known to be frozen counts once."""
        began, ended = container.was_frozen if container.froze_at is None else (container.froze_at, now)
        counted = max(0.0, ended - max(began, now - seconds))
        if seconds > counted:
            self.deadlines.postpone(self.slots.inputs_of(container), seconds - counted)
