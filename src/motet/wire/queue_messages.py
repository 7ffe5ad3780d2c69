"""Messages about queues: requests of clients, then replies."""

from __future__ import annotations

from motet.model.limits import QueueItem
from motet.wire.message import Message


class PutItems(Message, tag="put_items", frozen=True):
    """Add pickled items to a queue's partition; answered by `ItemsPut` with how many there was room for.

    With `wait` the answer comes when all are in.
    """

    queue_id: str
    partition: str
    items: list[QueueItem]
    wait: bool


class GetItems(Message, tag="get_items", frozen=True):
    """Take up to `count` items from a queue's partition; answered by `ItemsGot`, with `wait` once there is one."""

    queue_id: str
    partition: str
    count: int
    wait: bool


class ViewQueue(Message, tag="view_queue", frozen=True):
    """How many items a queue holds, in one partition or (None) in all; `clear` removes them. Answered by `QueueViewed`."""

    queue_id: str
    partition: str | None
    clear: bool = False


class ItemsPut(Message, tag="items_put", frozen=True):
    count: int


class ItemsGot(Message, tag="items_got", frozen=True):
    items: list[bytes]


class QueueViewed(Message, tag="queue_viewed", frozen=True):
    length: int
