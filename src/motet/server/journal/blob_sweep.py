"""Blobs that nobody needs any more go: of results that have expired, of calls that were never accepted, of servers that died.
Arguments of inputs that failed are needed as long as the outcome is kept.

A blob is named in a journal by the server that wrote it, and in its term, or never. So of what was written in earlier terms,
the journal's word is final; of what this server has written, it is so once that has been settled. Of later terms nothing is
touched: another server leads.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple, TypeVar

from motet.errors import Error, NotFoundError
from motet.model.outcome import InputEnd
from motet.server.clock import Clock
from motet.server.driver import logger
from motet.server.journal.failed_arguments import FAILED, FailedArguments
from motet.server.journal.keeper import JournalKeeper
from motet.server.journal.large_payloads import LargePayloads
from motet.server.journal.stored_bytes import StoredBytes
from motet.store.blob_reference import BlobName, StoredPayload, as_kept
from motet.store.blobs import BlobFound, BlobStore
from motet.store.journal import Journal

AGE = 3600.0
"""Seconds for which a blob is left, whatever is said of it."""
INTERVAL = 3600.0
FIRST = 60.0
AT_ONCE = 100
"""Blobs about which the journal is asked in one go: others who ask it wait meanwhile."""

T = TypeVar("T")

Found = tuple[BlobStore, BlobFound]


class Swept(NamedTuple):
    """How many blobs went, and their bytes."""

    blobs: int
    size: int


class BlobSweep:
    """Sweeps what is one server's. On its loop; stores are asked on other threads."""

    def __init__(
        self,
        payloads: LargePayloads,
        keeper: JournalKeeper,
        clock: Clock,
        stored: StoredBytes,
        failed: FailedArguments,
    ) -> None:
        self._payloads = payloads
        self._failed = failed
        self._keeper = keeper
        self._clock = clock
        self._stored = stored
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Sweep now and then from now on."""
        if self._payloads.places.is_any:
            self._task = asyncio.get_running_loop().create_task(self._now_and_then())

    async def _now_and_then(self) -> None:
        wait = FIRST
        while True:
            await asyncio.sleep(wait)
            wait = INTERVAL
            try:
                swept = await self.sweep()
            except Error as error:
                logger.warning("large arguments and results that nobody needs could not be removed: %s", error)
            else:
                if swept.blobs:
                    logger.info("%d large arguments and results went that nobody needs: %d bytes", *swept)

    async def sweep(self, age: float = AGE, *, dry_run: bool = False, keeps_failed: bool = True) -> Swept:
        """Let go of what nobody needs, and is older than `age` seconds; what that was. Without `keeps_failed` nobody needs
        arguments of inputs that failed. Raises `ServiceError`."""
        keeps_failed = keeps_failed and self._failed.most > 0
        failed: list[tuple[float, StoredPayload]] = []
        found = self._payloads.places.find()
        count = size = 0
        stays: Counter[int] = Counter()
        while some := await asyncio.to_thread(_next, found, AT_ONCE):
            before = self._clock.wall_now() - age
            old = [(store, each) for store, each in some if each.written_at <= before]
            # First: what is settled after this is in the journal when that is asked, or never will be.
            candidates = {
                each.name: (name, store, each)
                for store, each in old
                if (name := BlobName.read(each.name)) is not None and not self._payloads.may_be_named(name, age)
            }
            names = [name for name, _, _ in candidates.values()]
            needed, of_failed = await self._ask(partial(needed_of, names=names))
            if keeps_failed:
                needed |= of_failed
                failed += [
                    (each.written_at, StoredPayload.of(name, each.size))
                    for name, _, each in candidates.values()
                    if name in of_failed
                ]
            gone = [it for it in candidates.values() if it[0] not in needed]
            if not dry_run:
                await asyncio.to_thread(_delete, [(store, each.name) for _, store, each in gone])
                self._failed.gone(each.name for _, _, each in gone)
            count += len(gone)
            size += sum(each.size for _, _, each in gone)
            left = [each for _, each in some if each.name not in {it.name for _, _, it in gone}]
            stays += await self._ask(partial(sizes_of, found=left))
        self._stored.count(stays)
        if not dry_run:
            self._payloads.drop(self._failed.found([stored for _, stored in sorted(failed, key=lambda it: it[0])]))
        return Swept(count, size)

    async def _ask(self, question: Callable[[Journal], T]) -> T:
        asked: asyncio.Future[T | Error] = asyncio.get_running_loop().create_future()
        self._keeper.look(question, lambda it: None if asked.done() else asked.set_result(it))
        found = await asked
        if isinstance(found, Error):
            raise found
        return found

    def end(self) -> None:
        """Sweep no more. Idempotent."""
        if self._task is not None:
            self._task.cancel()


def needed_of(journal: Journal, names: Iterable[BlobName]) -> tuple[set[BlobName], set[BlobName]]:
    """Those that the journal names: arguments of an input that has not ended, and results that are kept; and arguments of
    inputs that failed, of which the outcome is kept."""
    found: set[BlobName] = set()
    failed: set[BlobName] = set()
    for call_id, of_call in itertools.groupby(sorted(names, key=lambda it: it.call_id), lambda it: it.call_id):
        wanted = list(of_call)
        places = sorted({name.place for name in wanted if name.what == "a"})
        payloads = journal.payloads([(call_id, place) for place in places]) if places else []
        payloads += [end.payload for end in _ended(journal, call_id, {it.place for it in wanted if it.what == "r"})]
        named = {kept.name for each in payloads if isinstance(kept := as_kept(each), StoredPayload)}
        found.update(name for name in wanted if name in named)
        left = {it.place for it in wanted if it.what == "a" and it not in named}
        places_failed = {end.index for end in _ended(journal, call_id, left) if end.kind in FAILED}
        failed.update(it for it in wanted if it.what == "a" and it.place in places_failed)
    return found, failed


def sizes_of(journal: Journal, found: Iterable[BlobFound]) -> Counter[int]:
    """How many bytes of these are each principal's."""
    sizes: Counter[int] = Counter()
    named = [(name.call_id, each.size) for each in found if (name := BlobName.read(each.name)) is not None]
    for call_id, of_call in itertools.groupby(sorted(named), lambda it: it[0]):
        with contextlib.suppress(NotFoundError):
            sizes[journal.kept(call_id).principal] += sum(size for _, size in of_call)
    return sizes


def _ended(journal: Journal, call_id: str, places: set[int]) -> Iterator[InputEnd]:
    for place in sorted(places):
        try:
            yield from journal.outcomes(call_id, place, 1)
        except NotFoundError:
            continue


def _next(found: Iterator[Found], most: int) -> list[Found]:
    return list(itertools.islice(found, most))


def _delete(gone: list[tuple[BlobStore, str]]) -> None:
    for store, of_store in itertools.groupby(gone, lambda it: it[0]):
        store.delete([name for _, name in of_store])
