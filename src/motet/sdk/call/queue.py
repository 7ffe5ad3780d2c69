"""`motet.Queue`: a queue that functions in different containers share."""

from __future__ import annotations

import contextlib
import os
import queue
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from motet.client.connection import Connection
from motet.client.dual import Steps, dual, run_async, run_blocking
from motet.client.new_ids import new_queue_id
from motet.client.standing import connection_for_id
from motet.errors import ConnectionError, ExecutionError, InvalidError, RequestSizeError
from motet.model.limits import MAX_ITEM_BYTES
from motet.sdk.call.handle import Handle
from motet.sdk.call.hydration import HydratedById
from motet.sdk.options.checks import check_name
from motet.wire import payload
from motet.wire.by_value import ByValue
from motet.wire.queue_messages import MAX_ITEMS, GetItems, ItemsGot, PutItems, ViewQueue

MAX_CHUNK_BYTES = 16 * 1024 * 1024


class Queue(Handle, HydratedById):
    """First in, first out, in each of any number of partitions; 5,000 items of up to 1 MiB in each.

    Handles are values: pass one to a function, or name it with `from_name` on both sides. Items live in memory, as long
    as the server: with `app.run()`, as long as an app runs in the process.
    """

    def __init__(self, queue_id: str) -> None:
        self._queue_id = queue_id

    @staticmethod
    def from_name(name: str, *, create_if_missing: bool = False, environment_name: str | None = None) -> Queue:
        """The queue of this name; it is there from its first use on."""
        if not isinstance(name, str) or not name:
            raise InvalidError(f"a queue's name must be a string, and not empty; got {name!r}")
        return Queue(f"qu-name-{check_name('the name of a queue', name)}")

    @staticmethod
    def ephemeral() -> EphemeralQueue:
        """`with motet.Queue.ephemeral() as queue:`: a new queue, emptied at the end of the block. Also `async with`."""
        return EphemeralQueue()

    @property
    def object_id(self) -> str:
        """`qu-...`"""
        return self._queue_id

    @dual
    def put(
        self, v: Any, block: bool = True, timeout: float | None = None, *, partition: str | None = None
    ) -> Steps[None]:
        """Add an item. Waits for room, at most `timeout` seconds; raises `queue.Full` without `block` or in the end.

        Whatever it raises, also because its task was cancelled, the item is not in the queue.
        """
        yield from self._put([v], block, timeout, partition)

    @dual
    def put_many(
        self, vs: list[Any], block: bool = True, timeout: float | None = None, *, partition: str | None = None
    ) -> Steps[None]:
        """Add items in order, all or none if they are at most 5,000 and 16 MiB; otherwise as `put`. More go in piece by
        piece, and `queue.Full` says how many are in."""
        yield from self._put(vs, block, timeout, partition)

    def _put(self, values: list[Any], block: bool, timeout: float | None, partition: str | None) -> Steps[None]:
        name = _partition_name(partition)
        connection, by_value = yield from self._on()
        items = [_encoded(value, by_value) for value in values]
        if len(items) > MAX_ITEMS and not block:
            raise queue.Full(f"{len(items)} items are more than the {MAX_ITEMS} that a partition can hold")
        timeout = _checked(timeout) if block else None
        deadline = None if timeout is None else time.monotonic() + timeout
        done = 0
        for chunk in _chunks(items):
            request = PutItems(self._queue_id, name, chunk, block)
            remaining = None if deadline is None else max(0.0, deadline - time.monotonic())
            count = yield from connection.exchange(request, remaining, lambda reply: (reply.count, reply.count))
            if count < len(chunk):
                raise queue.Full(*([f"{done} of {len(items)} items were put"] if done else []))
            done += count

    @dual
    def get(self, block: bool = True, timeout: float | None = None, *, partition: str | None = None) -> Steps[Any]:
        """Take the next item. Waits for one, raising `queue.Empty` after `timeout` seconds; None without `block`.

        Whatever it raises, also because its task was cancelled or its container ended, the item is still in the queue.
        """
        items = yield from self._get(1, block, timeout, partition)
        return items[0] if items else None

    @dual
    def get_many(
        self, n_values: int, block: bool = True, timeout: float | None = None, *, partition: str | None = None
    ) -> Steps[list[Any]]:
        """Take up to `n_values` items, as many as there are; waits for the first as `get` does."""
        return (yield from self._get(n_values, block, timeout, partition))

    def _get(self, count: int, block: bool, timeout: float | None, partition: str | None) -> Steps[list[Any]]:
        if count < 1:
            raise InvalidError(f"`n_values` must be at least 1, got {count}")
        request = GetItems(self._queue_id, _partition_name(partition), count, block)
        connection, _ = yield from self._on()
        values = yield from connection.exchange(request, _checked(timeout) if block else None, _decoded)
        if block and not values:
            raise queue.Empty
        return values

    @dual
    def len(self, *, partition: str | None = None, total: bool = False) -> Steps[int]:
        """How many items there are in a partition, or in `total`."""
        connection, _ = yield from self._on()
        reply = yield from connection.request(ViewQueue(self._queue_id, None if total else _partition_name(partition)))
        return reply.length  # type: ignore[no-any-return]

    @dual
    def clear(self, *, partition: str | None = None, all: bool = False) -> Steps[None]:
        """Remove the items of a partition, or `all`."""
        yield from self._cleared(None if all else _partition_name(partition))

    def _cleared(self, partition: str | None) -> Steps[None]:
        connection, _ = yield from self._on()
        yield from connection.request(ViewQueue(self._queue_id, partition, clear=True))

    def _on(self) -> Steps[tuple[Connection, ByValue]]:
        return (yield from connection_for_id(f"queue {self._queue_id}"))

    def __repr__(self) -> str:
        return f"Queue({self._queue_id!r})"


def _encoded(value: Any, by_value: ByValue) -> bytes:
    data = payload.dumps(value, "a queue's item", by_value=by_value)
    if len(data) > MAX_ITEM_BYTES:
        raise RequestSizeError(f"a queue's item may be 1 MiB when pickled; this one is {len(data) / 2**20:.1f} MiB")
    return data


def _checked(timeout: float | None) -> float | None:
    if timeout is not None and timeout < 0:
        raise InvalidError(f"`timeout` must not be negative, got {timeout}")
    return timeout


def _chunks(items: list[bytes]) -> Iterator[list[bytes]]:
    """What can go in together."""
    chunk: list[bytes] = []
    size = 0
    for item in items:
        size += len(item)
        if chunk and (len(chunk) == MAX_ITEMS or size > MAX_CHUNK_BYTES):
            yield chunk
            chunk, size = [], len(item)
        chunk.append(item)
    if chunk:
        yield chunk


def _decoded(reply: ItemsGot) -> tuple[list[Any], int]:
    """The values, and how many they are. One that cannot be made here stays in the queue, and those after it."""
    values: list[Any] = []
    for item in reply.items:
        try:
            values.append(payload.loads(item, "a queue's item"))
        except Exception:
            if not values:
                raise
            break
    return values, len(values)


def _partition_name(partition: str | None) -> str:
    return check_name("the name of a partition", partition) if partition else ""


class EphemeralQueue:
    """The context manager that `Queue.ephemeral()` gives."""

    def __init__(self) -> None:
        self._queue = Queue(new_queue_id())
        self._process = os.getpid()

    def __enter__(self) -> Queue:
        return self._queue

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        run_blocking(self._empty())

    async def __aenter__(self) -> Queue:
        return self._queue

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await run_async(self._empty())

    def _empty(self) -> Steps[None]:
        if self._process != os.getpid():
            return  # a forked process leaves the block, too: the queue is its parent's
        # Where no app runs any more, nothing is left of the queue; that is no news to a program that has its own error.
        with contextlib.suppress(ExecutionError, ConnectionError):
            yield from self._queue._cleared(None)
