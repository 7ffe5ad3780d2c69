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

    def sent(self, items: list[bytes]) -> bool:
        """Its client sent these. False: it is too far ahead."""
        self.ahead += sum(map(len, items))
        return self.ahead <= MAX_AHEAD_BYTES

    def taken(self, count: int) -> None:
        """Its code took so many bytes."""
        self.ahead = max(0, self.ahead - max(0, count))

    def passed_on(self) -> list[bytes]:
        """What was kept, which is on its way to the container from now on."""
        items, self.items = self.items, []
        return items


class Feeds(dict[Input, Feed]):
    """Items for inputs: passed on to those that run, kept for those that wait. Falsy, at no cost, when no input is fed."""

    def feed(self, item: Input, items: list[bytes], turn: Turn) -> bool:
        """Items came for an unfinished input. False: too many, which nobody need hold."""
        feed = self.get(item)
        if feed is None:
            feed = self[item] = Feed()
        if not feed.sent(items):
            return False
        if item.state is RUNNING and item.container_id is not None:
            item.was_fed()
            turn.commands.append(FeedAttempt(item.container_id, item.attempt, items))
        else:
            feed.items.extend(items)
        return True

    def taken(self, item: Input | None, count: int) -> None:
        """Its code took so many bytes."""
        if item is not None and (feed := self.get(item)):
            feed.taken(count)

    def delivered(self, container: Container, deliveries: list[Delivery], turn: Turn) -> None:
        """Inputs are on their way to a container: what was kept for them follows."""
        for delivery in deliveries:
            item = container.running[delivery.attempt]
            if item is not None and (feed := self.get(item)) and feed.items:
                item.was_fed()
                turn.commands.append(FeedAttempt(container.container_id, delivery.attempt, feed.passed_on()))

    def forget(self, item: Input) -> None:
        """An input has ended."""
        self.pop(item, None)
