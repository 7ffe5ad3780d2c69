"""Inputs whose container is gone, or does not run them: they run elsewhere, or end if they cannot."""

from __future__ import annotations

from dataclasses import dataclass

from motet.core import containers as states
from motet.core.attempts import Attempts
from motet.core.containers import Container
from motet.core.earlier_attempts import EarlierAttempts
from motet.core.endings import Endings
from motet.core.fleet import Fleet
from motet.core.inputs import Input
from motet.core.isolation import Isolation
from motet.core.slots import Slots
from motet.core.turn import Turn
from motet.core.unserved import Unserved
from motet.errors import ContainerDied
from motet.model import current_attempt as causes
from motet.model.outcome import OutcomeKind


@dataclass(frozen=True, slots=True, eq=False)
class Losses:
    """Those of one pool."""

    fleet: Fleet
    slots: Slots
    attempts: Attempts
    isolation: Isolation
    endings: Endings
    unserved: Unserved
    earlier: EarlierAttempts

    def ended(self, container: Container, description: str, turn: Turn, *, blameless: bool = False) -> None:
        """A container is gone: what it ran is redelivered, unless it is what killed it. (`blameless`: it cannot be.)"""
        was_starting = container.state is states.STARTING
        lost = self._lose_all(container)
        self.fleet.ended(container, turn, blameless=blameless)
        cause = causes.PREEMPTED if container.hurry else causes.DIED
        if blameless:
            self._run_elsewhere(lost, container, cause, description, turn)
            return
        if was_starting and self.fleet.start_failures.not_bad_luck:
            text = f"container {container.container_id} {description} while it was starting, as others before it"
            self.unserved.tell(self.endings.failure(ContainerDied(text)), turn)
        suspects = []
        for item, alone in lost:
            if alone:
                item.lost_alone()
            if self._lose(item, container, cause, description, turn):
                suspects.append(item)
        self.isolation.add(suspects)

    def evict(self, container: Container, cause: str, reason: str, turn: Turn, *, kill: bool) -> None:
        """End a container for a reason that its inputs are not to blame for: they run elsewhere, uncharged, and are told that
        this was the `cause`."""
        lost = self._lose_all(container)
        if kill:
            self.fleet.kill(container, reason, turn)
        elif container.state is not states.STOPPING:  # its app may be stopping
            self.fleet.stop(container, reason, turn)
        self._run_elsewhere(lost, container, cause, f"was ended ({reason})", turn)

    def blocked(self, container: Container, seen: int, not_begun: list[int], turn: Turn) -> None:
        """Its event loop does not turn, and it has given back what has not begun there: that runs elsewhere, uncharged, and no
        time of its timeout has passed. Its slots stay taken until the container has let go of them."""
        given_back = set(not_begun)
        if self.earlier.are_any:
            self.earlier.given_back(container, given_back)
        lost: list[Input] = []
        for number in [number for number in container.running if number > seen or number in given_back]:
            if taken := self.slots.take_back(number, container):
                lost += taken
                container.fill(number, None)
                container.give_up(number)
                self.attempts.forget(number, container)
        if not container.blocked:
            self.fleet.blocked(container, turn)
        for item in reversed(lost):
            self.attempts.over(item, OutcomeKind.LOST, turn)
            if item.call.cancelled is not None:
                self.endings.end(item, "cancelled", OutcomeKind.CANCELLED, item.call.cancelled.failure, turn)
                continue
            item.lost(
                causes.BLOCKED, f"the event loop of container {container.container_id} is blocked: it has not begun"
            )
            self._put_back(item)

    def _lose_all(self, container: Container) -> list[tuple[Input, bool]]:
        if self.earlier.are_any:
            self.earlier.lost(container)
        return self.slots.lose_all(container)

    def _run_elsewhere(
        self, lost: list[tuple[Input, bool]], container: Container, cause: str, what: str, turn: Turn
    ) -> None:
        for item, _ in reversed(lost):
            if self._lose(item, container, cause, what, turn):
                self._put_back(item)

    def _lose(self, item: Input, container: Container, cause: str, description: str, turn: Turn) -> bool:
        """A running input has lost its container: True if it can run again, and waits from now on; otherwise it ends."""
        self.attempts.over(item, OutcomeKind.LOST, turn)
        return self.endings.redeliver(item, cause, f"container {container.container_id} {description}", turn)

    def _put_back(self, item: Input) -> None:
        """It is next; one that is suspect remains so, as whatever killed its container before may have been itself."""
        if item.suspect:
            self.isolation.put_back(item)
        else:
            self.slots.put_back(item)
