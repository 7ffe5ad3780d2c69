"""Items on their way between a caller and the attempt at its input: passed on while the attempt runs, dropped after."""

from __future__ import annotations

from motet.core.commands import AckFeed, AckItems, SendItems
from motet.core.containers import Container
from motet.core.inputs import Input
from motet.core.turn import Turn


def yielded(container: Container, attempt: int, items: list[bytes], turn: Turn) -> None:
    """An attempt yielded items: its caller gets them."""
    item = container.running.get(attempt)
    if item is not None:
        item.sent_items(len(items))
        turn.commands.append(SendItems(item.call.client, item.call.call_id, item.index, items))


def taken(item: Input, count: int, turn: Turn) -> None:
    """The caller took items: the attempt may yield more."""
    if item.container_id is not None:
        turn.commands.append(AckItems(item.container_id, item.attempt, count))


def feed_taken(container: Container, attempt: int, count: int, turn: Turn) -> None:
    """An attempt took what it was fed: its caller may send more."""
    item = container.running.get(attempt)
    if item is not None:
        turn.commands.append(AckFeed(item.call.client, item.call.call_id, item.index, count))
