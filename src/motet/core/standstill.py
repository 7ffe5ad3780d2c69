"""Time that did not pass for the inputs of a pool, because what runs them, or who serves them, stood still."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from motet.core.containers import Container
from motet.core.deadlines import Deadlines
from motet.core.fleet import Fleet
from motet.core.inputs import Input
from motet.core.turn import Turn


class Standstill:
    """Moves deadlines. `inputs_of` gives the inputs that a container runs, and that somebody waits for."""

    __slots__ = ("_deadlines", "_fleet", "_inputs_of")

    def __init__(self, fleet: Fleet, deadlines: Deadlines, inputs_of: Callable[[Container], Iterable[Input]]) -> None:
        self._fleet = fleet
        self._deadlines = deadlines
        self._inputs_of = inputs_of

    def froze(self, container: Container, turn: Turn) -> None:
        """Its process was stopped: what it runs has time to spare until it thaws, or until it is killed for not thawing."""
        if container.froze_at is None:
            container.froze_at = turn.now
            self._deadlines.postpone(self._inputs_of(container), self._fleet.host.limits.freeze_grace)
        self._fleet.froze(container, turn)

    def thawed(self, container: Container, turn: Turn) -> None:
        """It runs again: its inputs have the time that they were frozen, and no more."""
        if container.froze_at is not None:
            seconds = turn.now - container.froze_at - self._fleet.host.limits.freeze_grace
            self._deadlines.postpone(self._inputs_of(container), seconds)
            container.was_frozen, container.froze_at = (container.froze_at, turn.now), None
        self._fleet.thawed(container, turn)

    def stood_still(self, container: Container, seconds: float, now: float) -> None:
        """Nothing in it ran for so long until now. The time that it was known to be frozen counts once."""
        began, ended = container.was_frozen if container.froze_at is None else (container.froze_at, now)
        counted = max(0.0, ended - max(began, now - seconds))
        if seconds > counted:
            self._deadlines.postpone(self._inputs_of(container), seconds - counted)

    def served_nothing(self, seconds: float) -> None:
        """Nothing could be given to a container for so long."""
        self._deadlines.postpone_waiting(seconds)
