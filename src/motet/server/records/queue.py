"""Records on their way to the disk: gathered on the loop's thread for a moment, handed to the keeper, bounded all the while."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence

import msgspec

from motet.errors import ServiceError
from motet.records.arguments import ArgumentsRecord, DefinitionRecord
from motet.records.batch import RecordBatch
from motet.records.calls import CallRecord
from motet.records.facts import FactRecord
from motet.records.input_chunk import INPUTS_PER_CHUNK, GrowingChunk
from motet.records.inputs import InputRecord
from motet.records.logs import LogBatch
from motet.records.lost import LostRecords
from motet.records.pools import AppRecord, ContainerRecord, FunctionRecord
from motet.records.successes import Successes
from motet.server.clock import Clock
from motet.server.driver import logger
from motet.server.records.keeper import Erasure, OpenStore, RecordKeeper, Work
from motet.store.blob_reference import MARKER, StoredPayload
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


class RecordQueue:
    """Takes records, and has them kept, several times a second while some come.

    All methods are called on the loop's thread. What is taken before `open` is kept by it. What cannot be kept is counted,
    and told; the server goes on without. `tidy` is called now and then on the thread that writes. `keep_arguments`: so many
    bytes of a failed input's arguments are kept at most.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        open_store: OpenStore,
        keep_for: float,
        tidy: Callable[[], object] = lambda: None,
        keep_arguments: int = 0,
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._keep_for = keep_for
        self._tidy_others = tidy
        self._keep_arguments = keep_arguments
        self._batch = RecordBatch()
        self._containers: dict[str, ContainerRecord] = {}
        """Those that have changed since the last batch, by id."""
        self._succeeded: dict[tuple[str, str], GrowingChunk] = {}
        """By function and call, until they are enough for a chunk."""
        self._waiting_lines = 0
        self._waiting_bytes = 0
        self._bytes = 0
        """About, of what is gathered now."""
        self._sizes: deque[tuple[int, int]] = deque()
        """Lines and bytes of the batches that wait for the disk."""
        self._lost = LostRecords()
        self._timer: asyncio.TimerHandle | None = None
        """Set while something is gathered."""
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
    def problem(self) -> str:
        """Why nothing is kept; "": it is."""
        return self._keeper.problem

    @property
    def store(self) -> RecordReader | None:
        """Once it is open."""
        return self._keeper.store

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Have `listener` called with every batch, right after it was kept; call what this returns to stop that."""
        self._listener_numbers += 1
        number = self._listener_numbers
        self._listeners[number] = listener
        return lambda: self._listeners.pop(number, None) and None

    # --- what is to be kept -----------------------------------------------------------------------------------------

    def add_app(self, record: AppRecord) -> None:
        self._gathered().apps.append(record)

    def add_function(self, record: FunctionRecord) -> None:
        self._gathered().functions.append(record)

    def add_calls(self, calls: list[CallRecord]) -> None:
        """Moments are of the server's clock."""
        if self._has_room(len(calls)):
            self._gathered().calls += calls

    def add_inputs(self, function_id: str, inputs: list[InputRecord]) -> None:
        """Inputs that ended; moments are of the server's clock."""
        if self._too_many_wait():
            self._lost.inputs[function_id] += len(inputs)
            return
        self._bytes += sum(RECORD_BYTES + len(it.failure) for it in inputs)
        self._gathered().inputs.setdefault(function_id, []).extend(inputs)

    def add_successes(self, function_id: str, inputs: Successes) -> None:
        """Inputs that ended as most do; moments are of the server's clock."""
        if self._too_many_wait():
            self._lost.inputs[function_id] += len(inputs)
            return
        self._bytes += len(inputs) * SUCCESS_BYTES
        batch = self._gathered()
        key = function_id, inputs.call_id
        growing = self._succeeded.get(key)
        if growing is None:
            growing = self._succeeded[key] = GrowingChunk(*key)
        growing.add(inputs)
        if growing.count >= INPUTS_PER_CHUNK:
            batch.chunks.append(self._succeeded.pop(key).chunk())

    def add_arguments(self, arguments: list[ArgumentsRecord], definitions: list[DefinitionRecord]) -> None:
        """Of inputs that failed; moments are of the server's clock. Those that are too large are left out. Of those that
        are blobs the reference is kept."""
        fitting = [each for each in arguments if self._fits(each.payload)]
        if fitting and self._has_room(len(fitting)):
            self._bytes += sum(len(each.payload) for each in fitting)
            batch = self._gathered()
            batch.arguments += fitting
            batch.definitions += definitions

    def _fits(self, payload: bytes) -> bool:
        if isinstance(payload, StoredPayload):
            return bool(self._keep_arguments and payload)  # without bytes they are in the journal, and were never read
        # What a client makes up never refers to anything.
        return len(payload) <= self._keep_arguments and not payload.startswith(MARKER)

    def add_container(self, record: ContainerRecord) -> None:
        """As it is when it is handed over; it may go on changing."""
        if record.container_id in self._containers or self._has_room():
            self._gathered()
            self._containers[record.container_id] = record

    def add_lines(self, lines: LogBatch) -> None:
        """Lines of an input, or of a container as a whole."""
        if self._too_many_wait():
            self._lost.lines[lines.function_id] += len(lines.lines)
            return
        self._waiting_lines += len(lines.lines)
        self._bytes += RECORD_BYTES + sum(map(len, lines.lines))
        self._gathered().logs.append(lines)

    def add_fact(self, record: FactRecord) -> None:
        """It is kept as it is."""
        if self._has_room():
            self._gathered().facts.append(record)

    # --- the way to the store -----------------------------------------------------------------------------------------

    def _gathered(self) -> RecordBatch:
        if self._timer is None:
            self._timer = self._loop.call_later(FLUSH_INTERVAL, self._hand_over)
        return self._batch

    def _hand_over(self) -> None:
        if self._timer is None:
            return
        self._timer.cancel()
        self._timer = None
        batch, self._batch = self._batch, RecordBatch()  # the other thread owns that one from here on
        for (function_id, _), growing in self._succeeded.items():
            if (few := growing.records()) is not None:
                batch.inputs.setdefault(function_id, []).extend(few)
            else:
                batch.chunks.append(growing.chunk())
        self._succeeded.clear()
        # Copies: they go on changing here while the other thread writes them.
        batch.containers = [msgspec.structs.replace(record) for record in self._containers.values()]
        self._containers.clear()
        batch.clock = self._clock.offset  # what is gathered in a fraction of a second is dated by one
        self._sizes.append((sum(len(each.lines) for each in batch.logs), self._bytes))
        self._waiting_bytes += self._bytes
        self._bytes = 0
        self._flush = None  # what waits for the batches before this one says nothing of it
        self._queue.put(batch)

    def _tidy(self, store: RecordStore) -> None:
        """On the thread that writes: what is too old goes, of this run and of others."""
        store.forget(self._clock.wall_now() - self._keep_for)
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

    async def erase(self, call_ids: Sequence[str]) -> int:
        """Have nothing left of calls; of how many there was something. Raises `ServiceError`."""
        self._hand_over()
        if self._keeper.closed.done():
            return 0
        work = Erasure(tuple(call_ids), self._loop.create_future())
        self._queue.put(work)
        return await work.done

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
            # When half of it is through: said at once, the notice would be lost with the next lines.
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
            self.add_lines(LogBatch(self._clock.wall_now(), function_id, "", "", -1, "system", [f"{what} {how}"]))


class NoRecords:
    """In place of a queue where nothing is kept."""

    store: RecordReader | None = None
    problem = ""

    def open(self) -> None:
        """Nothing to open."""

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Nothing is ever kept."""
        return lambda: None

    async def flush(self) -> None:
        """Nothing waits."""

    async def erase(self, call_ids: Sequence[str]) -> int:
        """Nothing is kept of any."""
        return 0

    async def close(self) -> None:
        """Nothing is open."""
