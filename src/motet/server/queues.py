"""Queues between functions: items in order, per partition, and those who wait to take or to put."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from motet.wire.messages import GetItems, ItemsGot, ItemsPut, PutItems, ReplyBody, ViewQueue

MAX_ITEMS = 5000
"""Items in one partition (Modal's number); who puts more waits, or is told how many went in."""


class Asker(Protocol):
    """A client session."""

    number: int

    def reply(self, request_id: int, body: ReplyBody) -> None: ...


class _Partition:
    """Items, and requests that wait: takers only while it is empty, putters only while it is full."""

    __slots__ = ("items", "putters", "takers")

    def __init__(self) -> None:
        self.items: deque[bytes] = deque()
        self.takers: dict[tuple[int, int], tuple[Asker, int]] = {}
        self.putters: dict[tuple[int, int], tuple[Asker, deque[bytes], int]] = {}


class Queues:
    """All queues of a server, by id; one exists from its first use on. First come, first served on both ends."""

    def __init__(self) -> None:
        self._queues: dict[str, dict[str, _Partition]] = {}
        self._waiting: dict[tuple[int, int], _Partition] = {}

    def put(self, asker: Asker, request_id: int, body: PutItems) -> ReplyBody | None:
        partition = self._partition(body.queue_id, body.partition)
        room = MAX_ITEMS - len(partition.items) if not partition.putters else 0
        partition.items.extend(body.items[:room])
        self._serve(partition)
        if not body.wait or len(body.items) <= room:
            return ItemsPut(min(room, len(body.items)))
        request = (asker.number, request_id)
        partition.putters[request] = (asker, deque(body.items[room:]), len(body.items))
        self._waiting[request] = partition
        return None

    def get(self, asker: Asker, request_id: int, body: GetItems) -> ReplyBody | None:
        partition = self._partition(body.queue_id, body.partition)
        if partition.items or not body.wait:
            taken = self._take(partition, body.count)
            self._serve(partition)
            return ItemsGot(taken)
        request = (asker.number, request_id)
        partition.takers[request] = (asker, body.count)
        self._waiting[request] = partition
        return None

    def view(self, body: ViewQueue) -> int:
        """How many items there are; they are gone afterwards if that was asked for."""
        partitions = self._queues.get(body.queue_id, {})
        chosen = [p for name, p in partitions.items() if body.partition is None or name == body.partition]
        length = sum(len(partition.items) for partition in chosen)
        if body.clear:
            for partition in chosen:
                partition.items.clear()
                self._serve(partition)
        return length

    def forget(self, client: int, request_id: int) -> None:
        """The answer to this request is not wanted any more."""
        request = (client, request_id)
        partition = self._waiting.pop(request, None)
        if partition is not None:
            partition.takers.pop(request, None)
            partition.putters.pop(request, None)

    def forget_client(self, client: int) -> None:
        """None of this client's answers is wanted any more."""
        for number, request_id in [request for request in self._waiting if request[0] == client]:
            self.forget(number, request_id)

    def _serve(self, partition: _Partition) -> None:
        """Let those who wait have what there is now."""
        progress = True
        while progress:
            progress = self._serve_taker(partition) or self._serve_putter(partition)

    def _serve_taker(self, partition: _Partition) -> bool:
        if not partition.items or not partition.takers:
            return False
        request = next(iter(partition.takers))
        asker, count = partition.takers.pop(request)
        del self._waiting[request]
        asker.reply(request[1], ItemsGot(self._take(partition, count)))
        return True

    def _serve_putter(self, partition: _Partition) -> bool:
        if len(partition.items) >= MAX_ITEMS or not partition.putters:
            return False
        request = next(iter(partition.putters))
        asker, items, total = partition.putters[request]
        while items and len(partition.items) < MAX_ITEMS:
            partition.items.append(items.popleft())
        if not items:
            del partition.putters[request], self._waiting[request]
            asker.reply(request[1], ItemsPut(total))
        return True

    def _take(self, partition: _Partition, count: int) -> list[bytes]:
        return [partition.items.popleft() for _ in range(min(count, len(partition.items)))]

    def _partition(self, queue_id: str, name: str) -> _Partition:
        return self._queues.setdefault(queue_id, {}).setdefault(name, _Partition())
