"""Puts what a recorder hands over into a store, on a thread of its own: whatever the store does, the thread goes on."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from motet.errors import Error
from motet.records.batch import RecordBatch
from motet.records.calls import CallRecord
from motet.records.lost import LostRecords
from motet.server.driver import logger
from motet.store.records import RecordReader, RecordStore

FORGET_INTERVAL = 600.0
MAX_PARTS = 64
"""Pieces in which a batch that fails is tried at most, to lose no more than what makes it fail."""

OpenStore = Callable[[], AbstractContextManager[RecordStore]]
"""Opens the store and closes it; entered on the keeper's thread."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """Calls of which nothing is to be left; `done` is told of how many there was something."""

    call_ids: tuple[str, ...]
    done: asyncio.Future[int]


Work = RecordBatch | Erasure | asyncio.Future[None] | None
"""What to put into the store, or to erase there; what to settle when that was done; or the end."""


class RecordKeeper:
    """Keeps the batches of a queue in order. `on_kept` is called on the loop's thread, with what was lost until then.

    A store that cannot be opened is reported once, and one that cannot be written once until it can again. A record that no
    store takes is lost without its neighbours. `tidy` is called now and then.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        work: queue.SimpleQueue[Work],
        open_store: OpenStore,
        tidy: Callable[[RecordStore], object],
        on_kept: Callable[[RecordBatch, LostRecords], None],
    ) -> None:
        self._loop = loop
        self._queue = work
        self._open_store = open_store
        self._tidy = tidy
        self._on_kept = on_kept
        self.problem = ""
        """Why nothing is kept now; "": it is. Other threads may read it."""
        self._lost = LostRecords()
        """Since something was kept."""
        self.store: RecordReader | None = None
        """Once it is open."""
        self.closed: asyncio.Future[None] = loop.create_future()

    def run(self) -> None:
        """All of it, on a thread of its own; `closed` is done afterwards."""
        try:
            with contextlib.ExitStack() as exits:
                self._work(self._opened(exits))
                self.store = None
        except Exception:
            logger.exception("the records of this run could not be closed")
        if self._lost.total:
            logger.warning("%s of this run are not kept", self._lost)
        self._tell(_settle, self.closed)

    def _opened(self, exits: contextlib.ExitStack) -> RecordStore | None:
        try:
            store = exits.enter_context(self._open_store())
        except Exception as error:
            self.problem = _why(error)
            logger.warning("nothing of this run is kept: %s", self.problem)
            return None
        self.store = store
        return store

    def _work(self, store: RecordStore | None) -> None:
        tidy_at = time.monotonic() + FORGET_INTERVAL
        while (work := self._queue.get()) is not None:
            if isinstance(work, asyncio.Future):
                self._tell(_settle, work)
                continue
            if isinstance(work, Erasure):
                self._tell(_erased, work.done, self._erase(work, store))
                continue
            lost = LostRecords() if store is None else self._keep(work, store)
            self._tell(self._on_kept, work, lost)
            if store is not None and time.monotonic() > tidy_at:
                tidy_at = time.monotonic() + FORGET_INTERVAL
                self._tidied(store)

    def _keep(self, batch: RecordBatch, store: RecordStore) -> LostRecords:
        """Put it into the store. What was lost until now, as soon as that can be told there: when something was kept."""
        if batch.calls:
            batch.calls = [_call_on_wall(call, batch.clock) for call in batch.calls]
        refused, parts, tried, works, problem = LostRecords(), [batch], 0, False, ""
        while parts:
            part = parts.pop()
            tried += 1
            try:
                store.add(part)
                works = True
            except Error as error:
                self._cannot_write(part, error)
            except Exception as error:
                problem = _why(error)
                if tried < MAX_PARTS and (halves := part.halves()) is not None:
                    parts += reversed(halves)
                else:
                    refused.add(part)
        if problem:
            logger.warning("%s cannot be kept: %s", refused, problem)
            self._lost.update(refused)
        return self._works() if works else LostRecords()

    def _cannot_write(self, part: RecordBatch, error: Error) -> None:
        self._lost.add(part)
        if not self.problem:
            self.problem = str(error)
            logger.warning("nothing of this run is kept from now on, until it can be written again: %s", error)

    def _works(self) -> LostRecords:
        lost = self._lost
        if lost.total:
            self._lost = LostRecords()
        if self.problem:
            self.problem = ""
            logger.warning("what happens in this run is kept again; %s are lost", lost)
        return lost

    def _erase(self, work: Erasure, store: RecordStore | None) -> int | Error:
        try:
            return 0 if store is None else store.erase_calls(work.call_ids)
        except Error as error:
            return error

    def _tidied(self, store: RecordStore) -> None:
        try:
            self._tidy(store)
        except Exception as error:
            logger.warning("old records could not be deleted: %s", _why(error))

    def _tell(self, call: Callable[..., object], *args: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits
            self._loop.call_soon_threadsafe(call, *args)


def _call_on_wall(call: CallRecord, clock: float) -> CallRecord:
    return CallRecord(
        call.call_id, call.function_id, call.kind, call.method, call.submitted_at + clock, call.parent_input_id
    )


def _why(error: Exception) -> str:
    return str(error) if isinstance(error, Error) else f"{type(error).__name__}: {error}"


def _erased(done: asyncio.Future[int], found: int | Error) -> None:
    if done.done():
        return
    if isinstance(found, Error):
        done.set_exception(found)
    else:
        done.set_result(found)


def _settle(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)
