"""Puts what happens into a journal, on a thread of its own: what comes while one commit is under way is kept by the next."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import msgspec

from motet.errors import Error, ServiceError
from motet.server.driver import logger
from motet.store.journal import Entry, Journal, JournalFenced

T = TypeVar("T")

MOST_ENTRIES = 10_000
"""What one commit keeps at most: a few hundred milliseconds of work, on a slow disk."""
RETRY_INTERVAL = 0.5
"""Seconds between two attempts to keep what must be kept, and could not be."""
EXPIRE_INTERVAL = 60.0
EXPIRE_AT_ONCE = 500
"""Old inputs that go between two commits."""
READERS = 2

Kept = Callable[[Error | None], None]
"""Is told on the loop that something is kept, or why it is not."""


class _Work(msgspec.Struct):
    """Entries to keep, all or nothing; or a question to ask once all before it is kept. `is_owed`: it follows from what was
    kept before, and is tried until it is kept."""

    entries: Sequence[Entry] = ()
    then: Callable[[Any], None] | None = None
    question: Callable[[Journal], Any] | None = None
    is_owed: bool = False


class JournalKeeper:
    """Of one server. Everything is called on its loop, in whose order things are kept. `retention`: seconds for which calls are
    there after they have ended. `on_fenced` is called when another server has the journal."""

    def __init__(
        self,
        journal: Journal,
        loop: asyncio.AbstractEventLoop,
        retention: float,
        on_fenced: Callable[[], None],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.retention = retention
        self.problem = ""
        """Why nothing can be kept now; "": it can."""
        self._journal = journal
        self._loop = loop
        self._wall = wall
        self._on_fenced = on_fenced
        self._queue: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._owed: list[_Work] = []
        """What must be kept, and could not be until now; the oldest first."""
        self._is_ending = False
        self._is_fenced = False
        self._expire_at = time.monotonic()
        self._readers = ThreadPoolExecutor(READERS, "motet-journal-reader")
        self._closed: asyncio.Future[None] = loop.create_future()
        self._thread = threading.Thread(target=self._run, name="motet-journal", daemon=True)
        self._thread.start()

    # --- on the loop --------------------------------------------------------------------------------------------------

    def keep(self, entries: Sequence[Entry], then: Kept) -> None:
        """Keep all of this or nothing; `then` is told when it would survive a crash, or why it is not kept."""
        self._queue.put(_Work(entries, then))

    def owe(self, entries: Sequence[Entry], then: Kept = lambda error: None) -> None:
        """Keep what follows from what was accepted, however long the disk does not take it. `then` hears an error only if this
        server may keep nothing any more."""
        self._queue.put(_Work(entries, then, is_owed=True))

    def ask(self, question: Callable[[Journal], T], then: Callable[[T | Error], None]) -> None:
        """Ask when all that was said before is kept."""
        self._queue.put(_Work((), then, question))

    def look(self, question: Callable[[Journal], T], then: Callable[[T | Error], None]) -> None:
        """Ask now, beside what is being kept."""
        self._readers.submit(lambda: self._tell([(then, self._answer(question))]))

    async def close(self) -> None:
        """Keep what is on its way, and end. Idempotent."""
        if not self._is_ending:
            self._is_ending = True
            self._queue.put(None)
        await asyncio.shield(self._closed)
        self._readers.shutdown(wait=False)

    # --- on the thread ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while self._turn():
                pass
            if self._owed:
                self._write([])
            for work in self._owed:
                logger.error("%d entries of the journal could not be kept: %s", len(work.entries), self.problem)
            self._journal.close()
        except Exception as error:
            logger.critical("the journal has ended: %s", error, exc_info=error)
        self._tell([(_settle, self._closed)])

    def _turn(self) -> bool:
        """Keep what has come, and wait for it if nothing has. Whether there is to be another turn."""
        group, goes_on = self._next_group()
        writes = [work for work in group if work.question is None]
        told = self._write(writes) if writes or self._owed else []
        told += [(work.then, self._answer(work.question)) for work in group if work.question is not None]
        self._tell(told)
        if goes_on and self._queue.empty() and not self._owed:
            self._expire()
        return goes_on

    def _next_group(self) -> tuple[list[_Work], bool]:
        group: list[_Work] = []
        count = 0
        wait: float | None = RETRY_INTERVAL if self._owed else max(0.0, self._expire_at - time.monotonic())
        while count < MOST_ENTRIES:
            try:
                work = self._queue.get(timeout=wait) if wait else self._queue.get_nowait()
            except queue.Empty:
                break
            if work is None:
                return group, False
            wait = None
            group.append(work)
            count += 1 + len(work.entries)
        return group, True

    def _write(self, group: list[_Work]) -> list[tuple[Any, Any]]:
        """Keep what is owed and this; what there is to tell."""
        group, self._owed = [*self._owed, *group], []
        error = self._try(group)
        if error is None:
            self._works()
            return [(work.then, None) for work in group]
        if isinstance(error, ServiceError):
            return self._cannot(group, error)
        if len(group) > 1:  # one of them is at fault
            return [told for work in group for told in self._write([work])]
        (work,) = group
        if work.is_owed:
            logger.error("%s is not kept: %s", work.entries, error)
        return [(work.then, error)]

    def _try(self, group: list[_Work]) -> Error | None:
        try:
            self._journal.keep([entry for work in group for entry in work.entries])
        except Error as error:
            return error
        except Exception as error:
            logger.error("the journal failed", exc_info=error)
            return Error(f"{type(error).__name__}: {error}")
        return None

    def _cannot(self, group: list[_Work], error: ServiceError) -> list[tuple[Any, Any]]:
        if isinstance(error, JournalFenced):
            if not self._is_fenced:
                self._is_fenced = True
                logger.critical("this server ends: %s", error)
                self._tell([(lambda _: self._on_fenced(), None)])
            refused = group
        else:
            self._owed = [work for work in group if work.is_owed]
            refused = [work for work in group if not work.is_owed]
        if not self.problem:
            self.problem = str(error)
            logger.error("spawned calls are refused from now on, until they can be kept again: %s", error)
        return [(work.then, error) for work in refused]

    def _works(self) -> None:
        if self.problem:
            self.problem = ""
            logger.warning("spawned calls are kept again")

    def _answer(self, question: Callable[[Journal], Any] | None) -> Any:
        assert question is not None
        try:
            return question(self._journal)
        except Error as error:
            return error
        except Exception as error:
            logger.error("a question to the journal failed", exc_info=error)
            return Error(f"{type(error).__name__}: {error}")

    def _expire(self) -> None:
        """Let go of some of what is too old; the rest between the next commits."""
        if time.monotonic() < self._expire_at:
            return
        try:
            gone = self._journal.expire(self._wall() - self.retention, EXPIRE_AT_ONCE)
        except Error as error:
            gone = 0
            logger.warning("old spawned calls could not be let go: %s", error)
        self._expire_at = time.monotonic() + (0.0 if gone else EXPIRE_INTERVAL)

    def _tell(self, told: list[tuple[Any, Any]]) -> None:
        """Call these on the loop, each with one argument."""
        if told:
            with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits
                self._loop.call_soon_threadsafe(_tell_all, told)


def _tell_all(told: list[tuple[Any, Any]]) -> None:
    for then, what in told:
        if then is not None:
            then(what)


def _settle(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)
