"""What clients send to inputs after they were submitted, until their code has taken it."""

from __future__ import annotations

from motet.core.commands import FeedAttempt
from motet.core.containers import Container
from motet.core.inputs import RUNNING, Input
from motet.core.turn import Turn
from motet.model.outcome import Delivery

MAX_AHEAD_BYTES = 32 * 1024 * 1024
"""What a client may be ahead of an input's code. The ingress waits for much less, but a WebSocket's message is in one piece."""


class Feed:
    """What is kept for an input, and how many bytes its code has not taken yet."""

    __slots__ = ("ahead", "items")

    def __init__(self) -> None:
        self.items: list[bytes] = []
        self.ahead = 0


class Feeds(dict[Input, Feed]):
    """Items for inputs: passed on to those that run, kept for those that wait. Falsy, at no cost, when no input is fed."""

    def feed(self, item: Input, items: list[bytes], turn: Turn) -> bool:
        """Items came for an unfinished input. False: too many, which nobody need hold."""
        feed = self.get(item)
        if feed is None:
            feed = self[item] = Feed()
        feed.ahead += sum(map(len, items))
        if feed.ahead > MAX_AHEAD_BYTES:
            return False
        if item.state is RUNNING and item.container_id is not None:
            item.fed = True
            turn.commands.append(FeedAttempt(item.container_id, item.attempt, items))
        else:
            feed.items.extend(items)
        return True

    def taken(self, item: Input | None, count: int) -> None:
        """Its code took so many bytes."""
        if item is not None and (feed := self.get(item)):
            feed.ahead = max(0, feed.ahead - max(0, count))

    def delivered(self, container: Container, deliveries: list[Delivery], turn: Turn) -> None:
        """Inputs are on their way to a container: what was kept for them follows."""
        for delivery in deliveries:
            item = container.running[delivery.attempt]
            if item is not None and (feed := self.get(item)) and feed.items:
                item.fed = True
                turn.commands.append(FeedAttempt(container.container_id, delivery.attempt, feed.items))
                feed.items = []

    def forget(self, item: Input) -> None:
        """An input has ended."""
        self.pop(item, None)
