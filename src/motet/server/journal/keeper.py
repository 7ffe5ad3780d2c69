"""Puts what happens into a journal, on a thread of its own: what comes while one commit is under way is kept by the next."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import msgspec

from motet.errors import Error, ServiceError
from motet.server.driver import logger
from motet.server.journal.set_clock import SetClock
from motet.store.journal import Entry, InputsAdded, InputsEnded, Journal, JournalFenced

T = TypeVar("T")

MOST_ROWS = 5_000
"""What one commit keeps at most, about: a few hundred milliseconds of work, on a slow machine."""
MOST_BYTES = 32 * 1024 * 1024
"""Of arguments and results in one commit, about: others wait for it, and PostgreSQL takes no message of a gigabyte."""
RETRY_INTERVAL = 0.5
"""Seconds between two attempts to keep what must be kept, and could not be."""
ANSWER_TIMEOUT = 60.0
"""Seconds within which a question is answered: a disk that hangs does not say so."""
HANG_TIMEOUT = 10.0
"""Seconds after which a commit that has not come back is taken to hang: who could wait with what it says is told so."""
EXPIRE_INTERVAL = 60.0
EXPIRE_AT_ONCE = 200
"""Old inputs that go between two commits."""
READERS = 2

Kept = Callable[[Error | None], None]
"""Is told on the loop that something is kept, or why it is not."""
Told = list[tuple[Callable[[Any], None], Any]]


class _Keeping(msgspec.Struct):
    """Entries to keep, all or nothing; or a question to ask once all before it is kept. `is_owed`: it follows from what was
    kept before, and is tried until it is kept."""

    entries: Sequence[Entry]
    then: Callable[[Any], None]
    question: Callable[[Journal], Any] | None = None
    is_owed: bool = False
    since: float = 0.0
    """When it was said, on the loop's clock."""
    rows: int = 0
    size: int = 0
    """How many rows it has, about, and how many bytes of arguments and results."""


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
        self.hang = ""
        """That the commit under way has not come back; "": it is not known to hang."""
        self.failure = ""
        """Why the last commit failed; "": it did not."""
        self.on_told: Callable[[], None] = lambda: None
        """Called when all are told of what one commit has kept: what they want done can be done for all of them together."""
        self._journal = journal
        self._loop = loop
        self._wall = wall
        self._clock = SetClock(loop.time, wall)
        self._on_fenced = on_fenced
        self._queue: deque[_Keeping] = deque()
        self._owed: list[_Keeping] = []
        """What must be kept, and could not be until now; the oldest first. While a commit is under way it is the thread's."""
        self._is_busy = self._is_fenced = False
        self._oldest: float | None = None
        """While a commit is under way: when the oldest of what it has, or is owed, was said."""
        self._closing: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._writer = ThreadPoolExecutor(1, "motet-journal")
        self._readers = ThreadPoolExecutor(READERS, "motet-journal-reader")

    # --- on the loop --------------------------------------------------------------------------------------------------

    @property
    def term(self) -> int:
        """Which opening of its journal this is."""
        return self._journal.term

    @property
    def lag(self) -> float:
        """For how many seconds the oldest of what was said waits to be kept, or answered; 0 if nothing does."""
        oldest = self._oldest if self._is_busy else _oldest(self._owed, self._queue)
        return 0.0 if oldest is None else self._loop.time() - oldest

    @property
    def problem(self) -> str:
        """Why nothing can be kept now; "": it can, as far as is known."""
        return self.hang or self.failure

    def keep(self, entries: Sequence[Entry], then: Kept) -> None:
        """Keep all of this or nothing; `then` is told when it would survive a crash, or why it is not kept."""
        self._add(_Keeping(entries, then))

    def owe(self, entries: Sequence[Entry], then: Kept = lambda error: None) -> None:
        """Keep what follows from what was accepted, however long the disk does not take it. `then` hears an error only if this
        server may keep nothing any more."""
        self._add(_Keeping(entries, then, is_owed=True))

    def ask(self, question: Callable[[Journal], T], then: Callable[[T | Error], None]) -> None:
        """Ask when all that was said before is kept. `then` hears an error if that takes too long."""
        self._add(_Keeping((), self._in_time(then), question))

    def look(self, question: Callable[[Journal], T], then: Callable[[T | Error], None]) -> None:
        """Ask now, beside what is being kept. `then` hears an error if that takes too long."""
        if self._is_closed:
            then(ServiceError("this server has ended, and answers nothing any more"))
            return
        tell = self._in_time(then)
        found = self._loop.run_in_executor(self._readers, self._answer, question)
        found.add_done_callback(lambda it: None if it.cancelled() else tell(it.result()))

    def _in_time(self, then: Callable[[Any], None]) -> Callable[[Any], None]:
        """The same, which is told once: what comes first of an answer and its deadline."""
        is_told = False

        def tell(what: Any) -> None:
            nonlocal is_told
            if not is_told:
                is_told = True
                deadline.cancel()
                then(what)

        deadline = self._loop.call_later(ANSWER_TIMEOUT, lambda: tell(_no_answer()))
        return tell

    def expire_now_and_then(self) -> None:
        """Let go of what is too old, in steps: others must not wait for it."""

        def gone(count: int | Error) -> None:
            if isinstance(count, Error):
                logger.warning("old spawned calls could not be let go: %s", count)
            if self._closing is None:
                wait = 0.0 if isinstance(count, int) and count else EXPIRE_INTERVAL
                self._loop.call_later(wait, self.expire_now_and_then)

        if self._clock.is_doubtful:
            gone(0)
            return
        before = self._wall() - self.retention
        self.ask(lambda journal: journal.expire(before, EXPIRE_AT_ONCE), gone)

    async def close(self) -> None:
        """Keep what is on its way, and end. Idempotent."""
        if self._closing is None:
            self._closing = self._loop.create_future()
            if not self._is_busy:
                self._begin()
        await asyncio.shield(self._closing)

    @property
    def _is_closed(self) -> bool:
        return self._closing is not None and self._closing.done()

    def _add(self, work: _Keeping) -> None:
        if self._is_closed:
            work.then(ServiceError("this server has ended, and keeps nothing any more"))
            return
        if self.hang and _can_be_refused(work):
            work.then(ServiceError(self.hang))
            return
        work.since = self._loop.time()
        work.rows, work.size = _extent(work.entries)
        self._queue.append(work)
        if not self._is_busy:
            self._begin()

    def _begin(self) -> None:
        """Have the thread keep what has come, and what is owed."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        group: list[_Keeping] = []
        rows = size = 0
        while self._queue and rows < MOST_ROWS and size < MOST_BYTES:
            work = self._queue.popleft()
            group.append(work)
            rows, size = rows + work.rows, size + work.size
        self._oldest = _oldest(self._owed, group)
        self._is_busy = True
        self._watch = self._loop.call_later(HANG_TIMEOUT, self._hangs)
        self._loop.run_in_executor(self._writer, self._work, group).add_done_callback(self._done)

    def _hangs(self) -> None:
        """What the commit has may be kept or not: it is waited for. What comes after it is refused, and so has not happened."""
        self.hang = (
            f"cannot keep spawned calls: the disk or database has not answered for {HANG_TIMEOUT:g} s. Nothing has changed; "
            "what runs goes on. Try again later"
        )
        logger.error("spawned calls are refused from now on, until they can be kept again: %s", self.hang)
        refused = [work for work in self._queue if _can_be_refused(work)]
        self._queue = deque(work for work in self._queue if not _can_be_refused(work))
        for work in refused:
            work.then(ServiceError(self.hang))

    def _done(self, turn: asyncio.Future[Told]) -> None:
        self._is_busy = False
        if self._watch is not None:
            self._watch.cancel()
        if self.hang:
            self.hang = ""
            logger.warning("the disk or database answers again")
        if self._queue:  # first: the disk has work while this loop tells of what was kept
            self._begin()
        if not turn.cancelled():
            for then, what in turn.result():
                then(what)
            self.on_told()
        if self._is_busy:  # what was told has led to more
            return
        if self._queue:
            self._begin()
        elif self._closing is not None:
            self._end()
        elif self._owed or (self.failure and not self._is_fenced):
            self._timer = self._loop.call_later(RETRY_INTERVAL, self._begin)

    def _end(self) -> None:
        for work in self._owed:
            logger.error(
                "what happened is not kept, and happens again: %d entries: %s", len(work.entries), self.failure
            )
        self._owed.clear()
        self._readers.shutdown()
        self._writer.shutdown()
        self._journal.close()
        if self._closing is not None and not self._closing.done():
            self._closing.set_result(None)

    # --- on the thread ------------------------------------------------------------------------------------------------

    def _work(self, group: list[_Keeping]) -> Told:
        """Keep what is to be kept, answer what is asked then; what there is to tell."""
        writes = [work for work in group if work.question is None]
        told: Told = []
        if writes or self._owed:
            told = self._write_all([*self._owed, *writes])
        elif self.failure and not self._is_fenced:  # nobody wants anything kept: whether it could be is to be known
            error = self._try([])
            if error is None:
                self._works()
            elif isinstance(error, JournalFenced):
                told = self._cannot([], error)
        return told + [(work.then, self._answer(work.question)) for work in group if work.question is not None]

    def _write_all(self, group: list[_Keeping]) -> Told:
        """In as many commits as it takes: what is owed may have become more than fits into one."""
        self._owed = []
        return self._write_parts(_parts(group))[0]

    def _write_parts(self, parts: Iterable[list[_Keeping]]) -> tuple[Told, ServiceError | None]:
        """One commit for each, in this order, up to the first that cannot be written: nothing overtakes what is owed."""
        told: Told = []
        failed: ServiceError | None = None
        for part in parts:
            if failed is not None:
                told += self._cannot(part, failed)
            else:
                more, failed = self._write(part)
                told += more
        return told, failed

    def _write(self, group: list[_Keeping]) -> tuple[Told, ServiceError | None]:
        error = self._try(group)
        if error is None:
            self._works()
            return [(work.then, None) for work in group], None
        if isinstance(error, ServiceError):
            return self._cannot(group, error), error
        if len(group) > 1:  # one of them is at fault
            return self._write_parts([work] for work in group)
        (work,) = group
        if work.is_owed:
            logger.error("%s is not kept: %s", type(work.entries[0]).__name__, error)
        return [(work.then, error)], None

    def _try(self, group: list[_Keeping]) -> Error | None:
        try:
            self._journal.keep([entry for work in group for entry in work.entries])
        except Error as error:
            return error
        except Exception as error:
            logger.error("the journal failed", exc_info=error)
            return Error(f"{type(error).__name__}: {error}")
        return None

    def _cannot(self, group: list[_Keeping], error: ServiceError) -> Told:
        told: Told = []
        if isinstance(error, JournalFenced):
            if not self._is_fenced:
                self._is_fenced = True
                logger.critical("this server ends: %s", error)
                told.append((lambda _: self._on_fenced(), None))
            refused = group
        else:
            self._owed += [work for work in group if work.is_owed]
            refused = [work for work in group if not work.is_owed]
        if not self.failure:
            self.failure = str(error)
            logger.error("spawned calls are refused from now on, until they can be kept again: %s", error)
        return told + [(work.then, error) for work in refused]

    def _works(self) -> None:
        if self.failure:
            self.failure = ""
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


def _can_be_refused(work: _Keeping) -> bool:
    """Nothing has come of it yet, and nobody is owed it."""
    return work.question is None and not work.is_owed


def _extent(entries: Sequence[Entry]) -> tuple[int, int]:
    """How many rows these have, about, and how many bytes of arguments and results."""
    rows, size = 1 + len(entries), 0
    for entry in entries:
        # In loops, without a generator for each: most entries have one input.
        if isinstance(entry, InputsAdded):
            rows += len(entry.inputs)
            for new in entry.inputs:
                size += len(new.payload)
        elif isinstance(entry, InputsEnded):
            rows += len(entry.ended)
            for end in entry.ended:
                size += len(end.payload)
    return rows, size


def _parts(group: list[_Keeping]) -> Iterator[list[_Keeping]]:
    """The same in the same order, cut so that each part is what one commit keeps at most."""
    part: list[_Keeping] = []
    rows = size = 0
    for work in group:
        if part and (rows + work.rows > MOST_ROWS or size + work.size > MOST_BYTES):
            yield part
            part, rows, size = [], 0, 0
        part.append(work)
        rows, size = rows + work.rows, size + work.size
    if part:
        yield part


def _no_answer() -> ServiceError:
    return ServiceError(
        f"the journal of spawned calls has not answered for {ANSWER_TIMEOUT:g} s: its disk or database hangs, or has too much "
        "to do. What was accepted is not lost by that: ask again later. `motet server status` says how far it is"
    )


def _oldest(*lines: Sequence[_Keeping]) -> float | None:
    """When the first of all that stand in these lines was said."""
    return min((line[0].since for line in lines if line), default=None)
