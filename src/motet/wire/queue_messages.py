"""Messages about queues: requests of clients, then replies."""

from __future__ import annotations

from motet.model.limits import QueueItem
from motet.wire.message import Message

MAX_ITEMS = 5000
"""In one partition of a queue (Modal's number); who puts more waits, or is refused."""


class PutItems(Message, tag="put_items", frozen=True):
    """Add pickled items to a queue's partition; answered by `ItemsPut`: all, or none if there is no room for all.

    With `wait` the answer comes when there is room. They are in once the client has sent `Confirm`.
    """

    queue_id: str
    partition: str
    items: list[QueueItem]
    wait: bool


class GetItems(Message, tag="get_items", frozen=True):
    """Take up to `count` items from a queue's partition; answered by `ItemsGot`, with `wait` once there is one.

    They are taken once the client has sent `Confirm`.
    """

    queue_id: str
    partition: str
    count: int
    wait: bool


class ViewQueue(Message, tag="view_queue", frozen=True):
    """How many items a queue holds, in one partition or (None) in all; `clear` removes them. Answered by `QueueViewed`."""

    queue_id: str
    partition: str | None
    clear: bool = False


class Confirm(Message, tag="confirm", frozen=True):
    """The answer to `PutItems` or `GetItems` has arrived: the first `count` of its items are in, or taken.

    If `Forget` comes instead, or the connection ends, it is as if nothing had been asked.
    """

    request_id: int
    count: int


class AnswerNow(Message, tag="answer_now", frozen=True):
    """Answer an earlier `PutItems` or `GetItems` that waits: `ItemsPut` with 0, or `ItemsGot` without items.

    If it was answered already, that is the only answer.
    """

    request_id: int


class ItemsPut(Message, tag="items_put", frozen=True):
    count: int


class ItemsGot(Message, tag="items_got", frozen=True):
    items: list[bytes]


class QueueViewed(Message, tag="queue_viewed", frozen=True):
    length: int
