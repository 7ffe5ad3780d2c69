"""What clients send to inputs after they were submitted, until a container has it."""

from __future__ import annotations

from motet.core.commands import FeedAttempt
from motet.core.containers import Container
from motet.core.inputs import RUNNING, Input
from motet.core.turn import Turn
from motet.model.outcome import Delivery


class Feeds(dict[Input, list[bytes]]):
    """Items for inputs: passed on to those that run, kept for those that wait. Falsy, at no cost, when it keeps none."""

    def feed(self, item: Input, items: list[bytes], turn: Turn) -> None:
        """Items came for an unfinished input."""
        if item.state is RUNNING and item.container_id is not None:
            item.fed = True
            turn.commands.append(FeedAttempt(item.container_id, item.attempt, items))
        else:
            self.setdefault(item, []).extend(items)

    def delivered(self, container: Container, deliveries: list[Delivery], turn: Turn) -> None:
        """Inputs are on their way to a container: what was kept for them follows."""
        for delivery in deliveries:
            item = container.running[delivery.attempt]
            if item is not None and (items := self.pop(item, None)):
                item.fed = True
                turn.commands.append(FeedAttempt(container.container_id, delivery.attempt, items))

    def forget(self, item: Input) -> None:
        """An input has ended."""
        self.pop(item, None)
