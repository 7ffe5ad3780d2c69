"""Remembers what happens on a server: gathers it on the loop's thread, keeps it on a thread of its own."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping

from motet.core.commands import ReportDecision
from motet.errors import ServiceError
from motet.records.batch import RecordBatch
from motet.records.calls import CallRecord
from motet.records.input_chunk import INPUTS_PER_CHUNK, GrowingChunk
from motet.records.inputs import InputRecord
from motet.records.logs import LogBatch, LogSource
from motet.records.lost import LostRecords
from motet.records.pools import AppRecord, ContainerRecord, DecisionRecord, FunctionRecord, SampleRecord, StallRecord
from motet.records.successes import Successes
from motet.server.driver import clock_of, logger
from motet.server.record_keeper import OpenStore, RecordKeeper, Work
from motet.server.wall_clock import WallClock
from motet.store.records import RecordReader, RecordStore

FLUSH_INTERVAL = 0.2
"""Seconds that records are gathered for: one transaction for all of them."""
FLUSH_TIMEOUT = 10.0
"""Seconds that a disk may take for what happened until now; whoever asks for records is told then that it does not answer."""
CLOSE_TIMEOUT = 20.0
MAX_WAITING_LINES = 300_000
"""Lines that may wait for the disk; more are left out, and a line says how many."""
MAX_WAITING_BYTES = 128 * 1024 * 1024
"""Of all that waits for the disk, about; more is left out."""
SUCCESS_BYTES = 40
RECORD_BYTES = 300
"""Of a record, about, beside its texts."""

Listener = Callable[[RecordBatch], None]


class Recorder:
    """Takes what happened, with moments of the loop's clock, and puts it into a store with wall-clock ones.

    All methods are called on the loop's thread. What is taken before `open` is kept by it. What cannot be kept is counted,
    and told; the server goes on without. `tidy` is called now and then on the thread that writes.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        open_store: OpenStore,
        keep_for: float,
        tidy: Callable[[], object] = lambda: None,
    ) -> None:
        self._loop = loop
        self._tidy_others = tidy
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
        self._waiting_bytes = 0
        self._bytes = 0
        """About, of what is gathered now."""
        self._sizes: deque[tuple[int, int]] = deque()
        """Lines and bytes of the batches that wait for the disk."""
        self._lost = LostRecords()
        self._timer: asyncio.TimerHandle | None = None
        self._listeners: dict[int, Listener] = {}
        self._listener_numbers = 0
        self._queue: queue.SimpleQueue[Work] = queue.SimpleQueue()
        self._flush: asyncio.Future[None] | None = None
        """Done when all that is in the queue is kept."""
        self._keeper = RecordKeeper(loop, self._queue, open_store, self._tidy, self._kept)
        self._thread = threading.Thread(target=self._keeper.run, name="motet-recorder", daemon=True)

    def open(self) -> None:
        """Open the store, beside what else happens."""
        self._thread.start()

    @property
    def store(self) -> RecordReader | None:
        """Once it is open."""
        return self._keeper.store

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
        if self._has_room(len(calls)):
            self._changed().calls += calls

    def inputs_ended(self, function_id: str, inputs: list[InputRecord]) -> None:
        """Inputs that ended; moments of the loop's clock."""
        if self._too_many_wait():
            self._lost.inputs[function_id] += len(inputs)
            return
        self._bytes += sum(RECORD_BYTES + len(it.failure) for it in inputs)
        self._changed().inputs.setdefault(function_id, []).extend(inputs)

    def inputs_succeeded(self, function_id: str, inputs: Successes) -> None:
        """Inputs that ended as most do; moments of the loop's clock."""
        if self._too_many_wait():
            self._lost.inputs[function_id] += len(inputs)
            return
        self._bytes += len(inputs) * SUCCESS_BYTES
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
        if self._has_room():
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
            if self._has_room():
                self._changed().containers.append(record)

    @property
    def containers(self) -> Mapping[str, ContainerRecord]:
        """Those that have not ended, by id."""
        return self._containers

    def _put(self, record: ContainerRecord) -> None:
        self._containers[record.container_id] = record
        if not self._has_room():
            return
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
        if self._too_many_wait():
            self._lost.lines[function_id] += len(lines)
            return
        self._waiting_lines += len(lines)
        self._bytes += RECORD_BYTES + sum(map(len, lines))
        batch = LogBatch(at or time.time(), function_id, container_id, call_id, index, source, lines)
        self._changed().logs.append(batch)

    def decided(self, decision: ReportDecision) -> None:
        """A pool is to have another size from now on."""
        if not self._has_room():
            return
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
        if samples and self._has_room(len(samples)):
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
            batch.clock = self._offset
            self._put_into_store(batch)

    def _put_into_store(self, batch: RecordBatch) -> None:
        lines = sum(len(each.lines) for each in batch.logs)
        self._sizes.append((lines, self._bytes))
        self._waiting_bytes += self._bytes
        self._bytes = 0
        self._flush = None
        self._queue.put(batch)

    def _tidy(self, store: RecordStore) -> None:
        """On the thread that writes: what is too old goes, of this run and of others."""
        store.forget(time.time() - self._keep_for)
        self._tidy_others()

    async def flush(self) -> None:
        """Return when all that was taken until now is kept, or cannot be. Raises `ServiceError` if the disk does not answer."""
        self._hand_over()
        if self._keeper.closed.done():
            return
        done = self._flush
        if done is None:
            done = self._flush = self._loop.create_future()
            self._queue.put(done)
        await asyncio.wait({done}, timeout=FLUSH_TIMEOUT)
        if not done.done():
            raise ServiceError(
                f"what happened last could not be put into the records within {FLUSH_TIMEOUT:g} s: does their disk answer?"
            )

    async def close(self) -> None:
        """Return when everything is kept, and the store is closed, or the disk does not answer."""
        self._hand_over()
        self._queue.put(None)
        if self._thread.is_alive():
            await asyncio.wait({self._keeper.closed}, timeout=CLOSE_TIMEOUT)
            if not self._keeper.closed.done():
                logger.warning("the last records are lost: their disk did not take them within %g s", CLOSE_TIMEOUT)

    def _too_many_wait(self) -> bool:
        return self._waiting_lines > MAX_WAITING_LINES or self._waiting_bytes + self._bytes > MAX_WAITING_BYTES

    def _has_room(self, count: int = 1) -> bool:
        """For so many more records of the small kinds; they are counted in any case."""
        if self._too_many_wait():
            self._lost.others += count
            return False
        self._bytes += count * RECORD_BYTES
        return True

    def _kept(self, batch: RecordBatch, lost: LostRecords) -> None:
        lines, size = self._sizes.popleft()
        self._waiting_lines -= lines
        self._waiting_bytes -= size
        if lost.total:
            self._say(lost, "could not be kept")
        if self._lost.total and self._waiting_lines < MAX_WAITING_LINES // 2:
            lost, self._lost = self._lost, LostRecords()
            self._say(lost, "are not kept: they came faster than they could be written")
            logger.warning("%s of this run are not kept: they came faster than they could be written", lost)
        for listener in list(self._listeners.values()):
            try:
                listener(batch)
            except Exception:
                logger.exception("somebody who follows the records of this run failed")

    def _say(self, lost: LostRecords, how: str) -> None:
        for function_id, what in lost.by_function():
            self.lines_written(function_id, "", "system", [f"{what} {how}"])


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
