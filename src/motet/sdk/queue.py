"""`motet.Queue`: a queue that functions in different containers share."""

from __future__ import annotations

import builtins
import queue
from types import TracebackType
from typing import Any

from motet.client.connection import Connection
from motet.client.dual import Steps, dual
from motet.errors import InvalidError, RequestSizeError
from motet.sdk import running
from motet.sdk.checks import check_name
from motet.sdk.new_ids import new_queue_id
from motet.wire import payload
from motet.wire.messages import GetItems, PutItems, ViewQueue

MAX_ITEM_BYTES = 1024 * 1024


class Queue:
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
        """Add an item. Waits for room, at most `timeout` seconds; raises `queue.Full` without `block` or in the end."""
        yield from self._put([v], block, timeout, partition)

    @dual
    def put_many(
        self, vs: list[Any], block: bool = True, timeout: float | None = None, *, partition: str | None = None
    ) -> Steps[None]:
        """Add items in order; otherwise as `put`."""
        yield from self._put(vs, block, timeout, partition)

    def _put(self, values: list[Any], block: bool, timeout: float | None, partition: str | None) -> Steps[None]:
        items = [self._encoded(value) for value in values]
        request = PutItems(self._queue_id, partition or "", items, block)
        try:
            reply = yield from self._on().request(request, timeout if block else None)
        except builtins.TimeoutError:
            raise queue.Full from None
        if reply.count < len(items):
            raise queue.Full

    @dual
    def get(self, block: bool = True, timeout: float | None = None, *, partition: str | None = None) -> Steps[Any]:
        """Take the next item. Waits for one, raising `queue.Empty` after `timeout` seconds; None without `block`."""
        items = yield from self._get(1, block, timeout, partition)
        return items[0] if items else None

    @dual
    def get_many(
        self, n_values: int, block: bool = True, timeout: float | None = None, *, partition: str | None = None
    ) -> Steps[list[Any]]:
        """Take up to `n_values` items, as many as there are; waits for the first as `get` does."""
        return (yield from self._get(n_values, block, timeout, partition))

    def _get(self, count: int, block: bool, timeout: float | None, partition: str | None) -> Steps[list[Any]]:
        request = GetItems(self._queue_id, partition or "", count, block)
        try:
            reply = yield from self._on().request(request, timeout if block else None)
        except builtins.TimeoutError:
            raise queue.Empty from None
        return [payload.loads(item, "a queue's item") for item in reply.items]

    @dual
    def len(self, *, partition: str | None = None, total: bool = False) -> Steps[int]:
        """How many items there are in a partition, or in `total`."""
        reply = yield from self._on().request(ViewQueue(self._queue_id, None if total else partition or ""))
        return reply.length  # type: ignore[no-any-return]

    @dual
    def clear(self, *, partition: str | None = None, all: bool = False) -> Steps[None]:
        """Remove the items of a partition, or `all`."""
        yield from self._on().request(ViewQueue(self._queue_id, None if all else partition or "", clear=True))

    def _encoded(self, value: Any) -> bytes:
        data = payload.dumps(value, "a queue's item", by_value=self._running().by_value)
        if len(data) > MAX_ITEM_BYTES:
            raise RequestSizeError(f"a queue's item may be 1 MiB when pickled; this one is {len(data) / 2**20:.1f} MiB")
        return data

    def _on(self) -> Connection:
        return self._running().connection

    def _running(self) -> running.RunningApp:
        return running.any_running(f"queue {self._queue_id}")

    def __repr__(self) -> str:
        return f"Queue({self._queue_id!r})"


class EphemeralQueue:
    """The context manager that `Queue.ephemeral()` gives."""

    def __init__(self) -> None:
        self._queue = Queue(new_queue_id())

    def __enter__(self) -> Queue:
        return self._queue

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._queue.clear(all=True)

    async def __aenter__(self) -> Queue:
        return self._queue

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self._queue.clear.aio(all=True)
