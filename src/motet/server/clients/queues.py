"""Queues between functions: items in order, per partition, and those who wait to take or to put.

Nothing changes hands before both sides know: items that were handed out, and room that was promised, are *open* until the
client confirms that the answer has arrived. A client that gives up, or is gone, leaves everything as it was.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection

from motet.server.clients.asker import Asker
from motet.server.clients.queue_owners import QueueOwners
from motet.wire.client_messages import ReplyBody
from motet.wire.queue_messages import MAX_ITEMS, GetItems, ItemsGot, ItemsPut, PutItems, ViewQueue

MAX_ANSWER_BYTES = 16 * 1024 * 1024
"""Of items in one answer; there is at least one in it. The others stay for the next."""

MAX_BYTES = 1024 * 1024 * 1024
"""Of all items of all queues, and of those that are to go in: what is more finds its queue full."""
ITEM_BYTES = 64
"""What an item takes beside its bytes."""

Key = tuple[int, int]
"""A client's number, and that of its request."""


class _Partition:
    """Items, and requests that wait: takers only while it is empty, putters only while it is full."""

    __slots__ = ("items", "lent", "name", "offered", "principal", "putters", "takers")

    def __init__(self, name: tuple[str, str], principal: int) -> None:
        self.name = name
        self.principal = principal
        """Whose use of it was the first: what it holds is held for it."""
        self.items: deque[bytes] = deque()
        self.takers: dict[Key, tuple[Asker, int]] = {}
        self.putters: dict[Key, tuple[Asker, list[bytes]]] = {}
        self.lent: dict[Key, list[bytes]] = {}
        """Handed out; whether they have arrived is not known yet."""
        self.offered: dict[Key, list[bytes]] = {}
        """There is room for them; whether their client still wants them in is not known yet."""

    @property
    def length(self) -> int:
        return len(self.items) + sum(map(len, self.lent.values()))

    @property
    def room(self) -> int:
        return MAX_ITEMS - self.length - sum(map(len, self.offered.values()))

    @property
    def is_idle(self) -> bool:
        return not (self.items or self.takers or self.putters or self.lent or self.offered)


def size_of(items: Collection[bytes]) -> int:
    """What they take."""
    return sum(map(len, items)) + ITEM_BYTES * len(items)


class Queues:
    """All queues of a server, by id; one exists from its first use on. First come, first served on both ends.

    Each answer to `put` and `get` that gives or takes something is to be followed by `confirm` or `forget`.
    """

    def __init__(self, hold: Callable[[int, int], None] = lambda principal, size: None) -> None:
        """`hold` is told of bytes more, or fewer, that are held for a principal."""
        self._hold = hold
        self.owners = QueueOwners()
        self._queues: dict[str, dict[str, _Partition]] = {}
        self._open: dict[Key, _Partition] = {}
        self._bytes = 0

    @property
    def held(self) -> int:
        """How many bytes are held, of items that are in and of those that are to go in."""
        return self._bytes

    def put(self, asker: Asker, request_id: int, body: PutItems) -> ReplyBody | None:
        """Answer how many may go in: all, or none. None: the answer comes when there is room."""
        size = size_of(body.items)
        if self._bytes + size > MAX_BYTES:
            return ItemsPut(0)
        partition, key = self._partition(asker, body), (asker.number, request_id)
        if not partition.putters and len(body.items) <= partition.room:
            partition.offered[key] = body.items
            self._open[key] = partition
            self._holds(partition, size)
            return ItemsPut(len(body.items))
        if not body.wait or len(body.items) > MAX_ITEMS:
            self._tidy(partition)
            return ItemsPut(0)
        self._holds(partition, size)
        partition.putters[key] = (asker, body.items)
        self._open[key] = partition
        return None

    def get(self, asker: Asker, request_id: int, body: GetItems) -> ReplyBody | None:
        """Hand out what there is. None: the answer comes when there is something."""
        partition, key = self._partition(asker, body), (asker.number, request_id)
        if partition.items:
            self._open[key] = partition
            return ItemsGot(self._lend(partition, key, body.count))
        if not body.wait:
            self._tidy(partition)
            return ItemsGot([])
        partition.takers[key] = (asker, body.count)
        self._open[key] = partition
        return None

    def view(self, body: ViewQueue) -> int:
        """How many items there are, with those handed out but not confirmed; they are gone afterwards if that was asked
        for."""
        partitions = self._queues.get(body.queue_id, {})
        chosen = [p for name, p in partitions.items() if body.partition is None or name == body.partition]
        length = sum(partition.length for partition in chosen)
        if body.clear:
            for partition in chosen:
                self._holds(partition, -size_of(partition.items) - sum(map(size_of, partition.lent.values())))
                partition.items.clear()
                # Their answers are open still: what they confirm or give back is nothing then.
                partition.lent = {key: [] for key in partition.lent}
                self._serve(partition)
        return length

    def confirm(self, client: int, request_id: int, count: int) -> None:
        """The answer has arrived, and the first `count` of its items are taken, or are to go in."""
        key = (client, request_id)
        partition = self._open.pop(key, None)
        if partition is None:
            return
        partition.takers.pop(key, None)
        _, given_up = partition.putters.pop(key, (None, []))
        lent, offered = partition.lent.pop(key, []), partition.offered.pop(key, [])
        self._holds(partition, -size_of(given_up) - size_of(lent[:count]) - size_of(offered[count:]))
        partition.items.extendleft(reversed(lent[count:]))
        partition.items.extend(offered[:count])
        self._serve(partition)

    def forget(self, client: int, request_id: int) -> None:
        """The answer is not wanted any more: what it gave is back at its place, what it promised does not come."""
        self.confirm(client, request_id, 0)

    def forget_client(self, client: int) -> None:
        """None of this client's answers is wanted any more; the latest first, so that items are in their order again."""
        for number, request_id in [key for key in reversed(self._open) if key[0] == client]:
            self.forget(number, request_id)

    def answer_now(self, client: int, request_id: int) -> None:
        """The client's patience is over: if it still waits, it gets nothing, or its items do not go in."""
        key = (client, request_id)
        partition = self._open.get(key)
        if partition is None:
            return
        if taker := partition.takers.get(key):
            taker[0].reply(request_id, ItemsGot([]))
        elif putter := partition.putters.get(key):
            putter[0].reply(request_id, ItemsPut(0))
        else:
            return  # its answer is on its way
        self.forget(client, request_id)

    def _serve(self, partition: _Partition) -> None:
        """Let those who wait have what there is now."""
        while partition.items and partition.takers:
            key = next(iter(partition.takers))
            asker, count = partition.takers.pop(key)
            asker.reply(key[1], ItemsGot(self._lend(partition, key, count)))
        while partition.putters:
            key, (asker, items) = next(iter(partition.putters.items()))
            if len(items) > partition.room:
                break
            partition.offered[key] = items
            del partition.putters[key]
            asker.reply(key[1], ItemsPut(len(items)))
        self._tidy(partition)

    def _lend(self, partition: _Partition, key: Key, count: int) -> list[bytes]:
        lent: list[bytes] = []
        size = 0
        while partition.items and len(lent) < count:
            size += len(partition.items[0])
            if lent and size > MAX_ANSWER_BYTES:
                break
            lent.append(partition.items.popleft())
        partition.lent[key] = lent
        return lent

    def _partition(self, asker: Asker, body: PutItems | GetItems) -> _Partition:
        partitions = self._queues.setdefault(body.queue_id, {})
        found = partitions.get(body.partition)
        if found is None:
            found = partitions[body.partition] = _Partition((body.queue_id, body.partition), asker.principal)
        return found

    def _holds(self, partition: _Partition, size: int) -> None:
        self._bytes += size
        self._hold(partition.principal, size)

    def _tidy(self, partition: _Partition) -> None:
        """Keep nothing of a partition that nobody uses."""
        queue_id, name = partition.name
        named = self._queues.get(queue_id, {})
        if partition.is_idle and named.get(name) is partition:
            del named[name]
            if not named:
                del self._queues[queue_id]
