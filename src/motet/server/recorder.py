"""Remembers what happens on a server: gathers it on the loop's thread, keeps it on a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from motet.core.commands import ReportDecision
from motet.errors import Error
from motet.model.input_chunk import INPUTS_PER_CHUNK, GrowingChunk
from motet.model.record_batch import RecordBatch
from motet.model.records import (
    AppRecord,
    CallRecord,
    ContainerRecord,
    DecisionRecord,
    FunctionRecord,
    InputRecord,
    LogBatch,
    LogSource,
    SampleRecord,
    StallRecord,
)
from motet.model.successes import Successes
from motet.server.driver import clock_of, logger
from motet.server.wall_clock import WallClock
from motet.store.records import RecordReader, RecordStore

FLUSH_INTERVAL = 0.2
"""Seconds that records are gathered for: one transaction for all of them."""
MAX_WAITING_LINES = 300_000
"""Lines that may wait for the disk; more are left out, and a line says how many."""
FORGET_INTERVAL = 600.0

Listener = Callable[[RecordBatch], None]


OpenStore = Callable[[], AbstractContextManager[RecordStore]]
"""Opens the store and closes it; entered on the recorder's thread. Raises `ServiceError` or `OSError`."""


class Recorder:
    """Takes what happened, with moments of the loop's clock, and puts it into a store with wall-clock ones.

    All methods are called on the loop's thread. What is taken before `open` is kept by it. A store that cannot be opened or
    written is reported once; the server goes on without.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, open_store: OpenStore, keep_for: float) -> None:
        self._loop = loop
        self._open_store = open_store
        self._keep_for = keep_for
        self._wall_clock = WallClock(clock_of(loop))
        self._offset = self._wall_clock.offset
        """As of the last batch: what is gathered in a fraction of a second is dated by one."""
        self._batch = RecordBatch()
        self._empty = True
        self._succeeded: dict[tuple[str, str], GrowingChunk] = {}
        """By function and call, until they are enough for a chunk."""
        self._containers: dict[str, ContainerRecord] = {}
        self._apps: dict[str, AppRecord] = {}
        self._waiting_lines = 0
        self._left_out: dict[str, int] = {}
        """Lines by function."""
        self._timer: asyncio.TimerHandle | None = None
        self._listeners: dict[int, Listener] = {}
        self._listener_numbers = 0
        self._queue: queue.SimpleQueue[RecordBatch | asyncio.Future[None] | None] = queue.SimpleQueue()
        self.store: RecordReader | None = None
        """Once it is open."""
        self._thread = threading.Thread(target=self._keep_all, name="motet-recorder", daemon=True)
        self._closed = loop.create_future()

    def open(self) -> None:
        """Open the store, beside what else happens."""
        self._thread.start()

    def wall(self, moment: float) -> float:
        """A moment of the loop's clock on the wall clock."""
        return moment + self._wall_clock.offset

    # --- apps and functions -----------------------------------------------------------------------------------------

    def app_started(self, app_id: str, name: str) -> None:
        """An app runs from now on."""
        record = self._apps[app_id] = AppRecord(app_id, name, time.time())
        self._changed().apps.append(record)

    def app_stopped(self, app_id: str) -> None:
        """Its last container is gone."""
        record = self._apps.pop(app_id, None)
        if record is not None:
            self._changed().apps.append(AppRecord(app_id, record.name, record.started_at, time.time()))

    def function_added(self, record: FunctionRecord) -> None:
        """A function can be called from now on."""
        self._changed().functions.append(record)

    # --- calls and inputs ---------------------------------------------------------------------------------------------

    def calls_made(self, calls: list[CallRecord]) -> None:
        """New calls; moments of the loop's clock."""
        self._changed().calls += calls

    def inputs_ended(self, function_id: str, inputs: list[InputRecord]) -> None:
        """Inputs that ended; moments of the loop's clock."""
        self._changed().inputs.setdefault(function_id, []).extend(inputs)

    def inputs_succeeded(self, function_id: str, inputs: Successes) -> None:
        """Inputs that ended as most do; moments of the loop's clock."""
        batch = self._changed()
        key = function_id, inputs.call_id
        growing = self._succeeded.get(key)
        if growing is None:
            growing = self._succeeded[key] = GrowingChunk(*key)
        growing.add(inputs)
        if growing.count >= INPUTS_PER_CHUNK:
            batch.chunks.append(self._succeeded.pop(key).chunk())

    def stalled(self, container_id: str, call_id: str, index: int, began: float, ended: float, what: str) -> None:
        """An input held up its neighbours; moments of the loop's clock."""
        stall = StallRecord(container_id, call_id, index, self.wall(began), self.wall(ended), what)
        self._changed().stalls.append(stall)

    # --- containers ---------------------------------------------------------------------------------------------------

    def container_started(self, container_id: str, function_id: str, waited: float, reason: str) -> None:
        """The backend was told to start one, which had been wanted for so many seconds."""
        now = time.time()
        record = ContainerRecord(container_id, function_id, now - waited, now, reason)
        self._put(record)

    def container_connected(self, container_id: str) -> None:
        """Its process runs and has said hello."""
        if (record := self._containers.get(container_id)) is not None:
            record.connected_at = time.time()
            self._put(record)

    def container_ready(self, container_id: str, entering: float) -> None:
        """It takes inputs; the last `entering` seconds were spent in its hooks."""
        if (record := self._containers.get(container_id)) is not None:
            record.ready_at = time.time()
            record.loaded_at = max(record.ready_at - entering, record.connected_at or record.started_at)
            self._put(record)

    def container_stopped(self, container_id: str, reason: str) -> None:
        """It is told to end."""
        if (record := self._containers.get(container_id)) is not None:
            record.end = reason
            self._put(record)

    def container_ended(self, container_id: str, description: str) -> None:
        """It is gone."""
        if (record := self._containers.pop(container_id, None)) is not None:
            record.ended_at = time.time()
            record.end = f"{record.end}; {description}" if record.end else description
            self._changed().containers.append(record)

    @property
    def containers(self) -> Mapping[str, ContainerRecord]:
        """Those that have not ended, by id."""
        return self._containers

    def _put(self, record: ContainerRecord) -> None:
        self._containers[record.container_id] = record
        containers = self._changed().containers
        if not any(each is record for each in containers[-20:]):
            containers.append(record)

    # --- lines, decisions, samples --------------------------------------------------------------------------------------

    def lines_written(
        self,
        function_id: str,
        container_id: str,
        source: LogSource,
        lines: list[str],
        *,
        call_id: str = "",
        index: int = -1,
        at: float = 0.0,
    ) -> None:
        """Lines of an input, or of a container as a whole; `at` on the wall clock, 0 for now."""
        if self._waiting_lines > MAX_WAITING_LINES:
            self._left_out[function_id] = self._left_out.get(function_id, 0) + len(lines)
            return
        self._waiting_lines += len(lines)
        batch = LogBatch(at or time.time(), function_id, container_id, call_id, index, source, lines)
        self._changed().logs.append(batch)

    def decided(self, decision: ReportDecision) -> None:
        """A pool is to have another size from now on."""
        self._changed().decisions.append(
            DecisionRecord(
                time.time(),
                decision.function_id,
                decision.desired,
                decision.live,
                decision.starting,
                decision.waiting_inputs,
                decision.running_inputs,
                decision.reason,
            )
        )

    def sampled(self, samples: list[SampleRecord]) -> None:
        """Pools at this moment; wall-clock."""
        if samples:
            self._changed().samples += samples

    # --- the way to the store -------------------------------------------------------------------------------------------

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """See `Observed.subscribe`."""
        self._listener_numbers += 1
        number = self._listener_numbers
        self._listeners[number] = listener
        return lambda: self._listeners.pop(number, None) and None

    def _changed(self) -> RecordBatch:
        if self._timer is None:
            self._timer = self._loop.call_later(FLUSH_INTERVAL, self._hand_over)
        self._empty = False
        return self._batch

    def _hand_over(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._offset = self._wall_clock.offset
        if not self._empty:
            batch, self._batch, self._empty = self._batch, RecordBatch(), True
            for (function_id, _), growing in self._succeeded.items():
                if (few := growing.records()) is not None:
                    batch.inputs.setdefault(function_id, []).extend(few)
                else:
                    batch.chunks.append(growing.chunk())
            self._succeeded.clear()
            # Its containers go on changing here while the other thread writes them.
            batch.containers = [_copy(record) for record in batch.containers]
            self._queue.put(batch)

    async def flush(self) -> None:
        """Return when all that was taken until now is kept, or cannot be."""
        self._hand_over()
        done = self._loop.create_future()
        self._queue.put(done)
        await done

    async def close(self) -> None:
        """Return when everything is kept, and the store is closed."""
        self._hand_over()
        self._queue.put(None)
        if self._thread.is_alive():
            await self._closed

    # --- on the recorder's thread ---------------------------------------------------------------------------------------

    def _keep_all(self) -> None:
        with contextlib.ExitStack() as exits:
            self._keep_until_closed(self._opened(exits))
            self.store = None
        self._loop.call_soon_threadsafe(_settle, self._closed)

    def _keep_until_closed(self, store: RecordStore | None) -> None:
        self.store = store
        forget_at = time.monotonic() + FORGET_INTERVAL
        while (work := self._queue.get()) is not None:
            if isinstance(work, asyncio.Future):
                self._loop.call_soon_threadsafe(_settle, work)
                continue
            store = self._keep(work, store)
            if store is not None and time.monotonic() > forget_at:
                forget_at = time.monotonic() + FORGET_INTERVAL
                store.forget(time.time() - self._keep_for)

    def _opened(self, exits: contextlib.ExitStack) -> RecordStore | None:
        try:
            return exits.enter_context(self._open_store())
        except (Error, OSError) as error:
            logger.warning("nothing of this run is kept: %s", error)
            return None

    def _keep(self, batch: RecordBatch, store: RecordStore | None) -> RecordStore | None:
        count = sum(len(each.lines) for each in batch.logs)
        if batch.calls:
            batch.calls = [self._call_on_wall(call) for call in batch.calls]
        batch.clock = self._offset
        try:
            if store is not None:
                store.add(batch)
        except Error as error:
            logger.warning("nothing more of this run is kept: %s", error)
            store = self.store = None
        self._loop.call_soon_threadsafe(self._kept, batch, count)
        return store

    def _call_on_wall(self, call: CallRecord) -> CallRecord:
        at = call.submitted_at + self._offset
        return CallRecord(call.call_id, call.function_id, call.kind, call.method, at, call.parent_input_id)

    # --- back on the loop -------------------------------------------------------------------------------------------------

    def _kept(self, batch: RecordBatch, lines: int) -> None:
        self._waiting_lines -= lines
        if self._left_out and self._waiting_lines < MAX_WAITING_LINES // 2:
            left_out, self._left_out = self._left_out, {}
            for function_id, count in left_out.items():
                text = f"{count:,} lines are not kept: they came faster than they could be written"
                self.lines_written(function_id, "", "system", [text])
        for listener in list(self._listeners.values()):
            listener(batch)


def _settle(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)


def _copy(record: ContainerRecord) -> ContainerRecord:
    return ContainerRecord(
        record.container_id,
        record.function_id,
        record.wanted_at,
        record.started_at,
        record.reason,
        record.connected_at,
        record.loaded_at,
        record.ready_at,
        record.ended_at,
        record.end,
    )
