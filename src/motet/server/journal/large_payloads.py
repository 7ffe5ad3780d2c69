"""Large arguments and results of spawned calls: kept as blobs before the journal names them, and read again when needed.

All that waits for a disk or a network is done on threads; what is here is on the server's loop.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from motet.errors import Error, NotFoundError, ResourceExhaustedError, ServiceError
from motet.server.clients.spawned import SpawnedInputs
from motet.server.driver import logger
from motet.server.journal.arguments_ahead import ArgumentsAhead
from motet.store.blob_places import THRESHOLD, BlobPlaces
from motet.store.blob_reference import MARKER, BlobName, StoredPayload, What, digest_of, may_name

T = TypeVar("T")

WRITERS = READERS = 4
WRITING_BYTES = 512 * 2**20
"""Of arguments that are being written at once, at most; beyond that spawns are refused."""
AHEAD_BYTES = 64 * 2**20
"""Of arguments that are in memory before they are delivered."""
RECENT_BYTES = 32 * 2**20
"""Of results that were written or read last: whoever waits for one need not wait for it to be read."""
READ_SECONDS = 60.0
"""For so long it is tried to read a blob that is there, as far as is known."""
RETRY_FIRST, RETRY_MOST = 0.5, 5.0
PROBE_FIRST, PROBE_MOST = 5.0, 60.0
"""Seconds after which it is tried whether blobs can be kept again, while nobody has any to be kept."""

Found = Callable[[Any], None]


class LargePayloads:
    """Of one server, whose journal has this `term`. `threshold`: bytes; what is larger is kept as a blob."""

    def __init__(self, places: BlobPlaces, term: int, threshold: int = THRESHOLD) -> None:
        self.problem = ""
        """Why no blob can be kept now; "": it can."""
        self.places = places
        self.term = term
        self._loop = asyncio.get_running_loop()
        self._threshold = threshold
        self._numbers = itertools.count(1)
        self._ahead = ArgumentsAhead(AHEAD_BYTES)
        self._recent: OrderedDict[StoredPayload, bytes] = OrderedDict()
        self._recent_size = 0
        self._writing = 0
        self._of_calls: dict[str, int] = {}
        """Of how many writes calls have payloads that are being written."""
        self._waiting: dict[str, deque[Callable[[], None]]] = {}
        self._pinned: dict[int, float] = {}
        """Numbers of blobs that the journal may not name yet, and when they were begun."""
        self.on_first: Callable[[], None] = lambda: None
        """Called when there are arguments to be delivered that are not with their input, for the first time."""
        self._is_closed = self._is_probing = False
        self._writers = ThreadPoolExecutor(WRITERS, "motet-blobs-writer")
        self._readers = ThreadPoolExecutor(READERS, "motet-blobs-reader")

    # --- keeping ------------------------------------------------------------------------------------------------------

    def is_large(self, payload: bytes) -> bool:
        """Whether it is to be a blob, as far as blobs can be kept."""
        return len(payload) > self._threshold or payload.startswith(MARKER)

    def large_among(self, spawns: Iterable[tuple[int, SpawnedInputs]]) -> set[int]:
        """The numbers of those that have large arguments: as a rule, of many small ones none."""
        threshold, large = self._threshold, set[int]()
        for number, spawn in spawns:
            for new in spawn.event.inputs:
                if len(new.payload) > threshold or new.payload.startswith(MARKER):
                    large.add(number)
        return large

    def takes(self, call_id: str) -> bool:
        """Whether payloads of this call can be kept as blobs."""
        return self.places.is_any and may_name(call_id)

    def keep_arguments(
        self, call_id: str, large: Sequence[tuple[int, bytes]], then: Callable[[list[StoredPayload] | Error], None]
    ) -> None:
        """Keep these, by index; all or nothing. The first that wait are held in memory until they are delivered."""
        size = sum(len(payload) for _, payload in large)
        if self._writing and self._writing + size > WRITING_BYTES:
            then(
                ResourceExhaustedError(
                    f"{self._writing} bytes of large arguments are being written, and {size} more are too many: "
                    f"{WRITING_BYTES} may be at once. Try again in 5 s.",
                    5.0,
                    "blobs",
                )
            )
            return

        def kept(stored: list[StoredPayload] | Error) -> None:
            if not isinstance(stored, Error):
                self._begin()
                for each, (_, payload) in zip(stored, large, strict=True):
                    self._ahead.add(each, payload)
            then(stored)

        self._keep(call_id, "a", large, kept)

    def keep_result(self, call_id: str, index: int, payload: bytes, then: Callable[[StoredPayload], None]) -> None:
        """Keep this one, however long it cannot be. It is not swept before `settle` is said of it."""

        def kept(stored: list[StoredPayload] | Error, delay: float = RETRY_FIRST) -> None:
            if not isinstance(stored, Error):
                self._remember(stored[0], payload)
                then(stored[0])
            elif not self._is_closed:
                again = partial(kept, delay=min(2 * delay, RETRY_MOST))
                self._loop.call_later(delay, self._keep, call_id, "r", [(index, payload)], again)

        self._keep(call_id, "r", [(index, payload)], kept)

    def _begin(self) -> None:
        begin, self.on_first = self.on_first, lambda: None
        begin()

    def _keep(
        self,
        call_id: str,
        what: What,
        large: Sequence[tuple[int, bytes]],
        then: Callable[[list[StoredPayload] | Error], None],
    ) -> None:
        size = sum(len(payload) for _, payload in large)
        found: list[StoredPayload | None] = [None] * len(large)
        errors: list[Error] = []
        left = len(large)
        self._writing += size
        self._of_calls[call_id] = self._of_calls.get(call_id, 0) + 1

        def one(place: int, what_came: StoredPayload | Error) -> None:
            nonlocal left
            left -= 1
            if isinstance(what_came, Error):
                errors.append(what_came)
            else:
                found[place] = what_came
            if not left:
                self._writing -= size
                kept = [each for each in found if each is not None]
                if errors:
                    self.drop(kept)
                self._tell_problem(errors[0] if errors else None)
                then(errors[0] if errors else kept)
                self._written(call_id)

        for place, (index, payload) in enumerate(large):
            number = next(self._numbers)
            self._pinned[number] = self._loop.time()
            self._do(self._writers, partial(self._put, call_id, what, number, index, payload), partial(one, place))

    def _put(self, call_id: str, what: What, number: int, index: int, payload: bytes) -> StoredPayload:
        digest = digest_of(payload)
        return self.places.put(BlobName(self.places.area, call_id, self.term, number, what, index, digest), payload)

    def _tell_problem(self, error: Error | None) -> None:
        if error is not None and not self.problem:
            logger.error("large arguments and results cannot be kept now: %s", error)
        elif error is None and self.problem:
            logger.warning("large arguments and results are kept again")
        self.problem = "" if error is None else f"large arguments and results are refused: {error}"
        if error is not None and not self._is_probing:
            self._is_probing = True
            self._loop.call_later(PROBE_FIRST, self._probe, PROBE_FIRST)

    def _probe(self, delay: float) -> None:
        """Whether blobs can be kept again: the next large payload may come tomorrow, and an operator looks now."""

        def tried(found: Error | None) -> None:
            if found is None:
                self._is_probing = False
                self._tell_problem(None)
            else:
                delay_then = min(2 * delay, PROBE_MOST)
                self._loop.call_later(delay_then, self._probe, delay_then)

        if self.problem and not self._is_closed:
            self._do(self._writers, self.places.probe, tried)
        else:
            self._is_probing = False

    def settle(self, stored: StoredPayload) -> None:
        """The journal names it, or never will."""
        if (name := stored.name) is not None and name.term == self.term:
            self._pinned.pop(name.number, None)

    def may_be_named(self, name: BlobName, age: float) -> bool:
        """Whether the journal may come to name it: it was written, or was begun to be, less than `age` seconds ago; or it is
        pinned. Thread-safe."""
        if name.term != self.term:
            return name.term > self.term
        begun = self._pinned.get(name.number)
        return begun is not None and (name.what == "r" or begun > self._loop.time() - age)

    def when_written(self, call_id: str, then: Callable[[], None]) -> None:
        """Call this when nothing of a call is being written, which may be now."""
        if call_id in self._of_calls:
            self._waiting.setdefault(call_id, deque()).append(then)
        else:
            then()

    def _written(self, call_id: str) -> None:
        self._of_calls[call_id] -= 1
        if not self._of_calls[call_id]:
            del self._of_calls[call_id]
            for then in self._waiting.pop(call_id, ()):
                then()
        self._fetch_ahead()

    # --- reading ------------------------------------------------------------------------------------------------------

    def wait_for(self, stored: StoredPayload) -> None:
        """Arguments of an earlier server, which are to be delivered some time."""
        self._begin()
        self._ahead.add(stored)
        self._fetch_ahead()

    def arguments(self, stored: StoredPayload, then: Callable[[bytes | Error], None]) -> None:
        """To be delivered now. `then` is called at once if they are in memory."""
        data = self._ahead.take(stored)
        self._fetch_ahead()
        if data is not None:
            then(data)
        else:
            self._read(stored, then, self._loop.time() + READ_SECONDS)

    def read_once(self, stored: StoredPayload, then: Callable[[bytes | Error], None]) -> None:
        """For who asks, and can ask again: it is not tried for long."""
        self._do(self._readers, partial(self.places.get, stored), then)

    def result(self, stored: StoredPayload, then: Callable[[bytes | Error], None]) -> None:
        """For who asks. `then` is called at once if it is in memory."""
        if (data := self._recent.get(stored)) is not None:
            then(data)
            return

        def read(found: bytes | Error) -> None:
            if isinstance(found, bytes):
                self._remember(stored, found)
            then(found)

        self._read(stored, read, self._loop.time() + READ_SECONDS)

    def _read(
        self, stored: StoredPayload, then: Callable[[bytes | Error], None], until: float, delay: float = RETRY_FIRST
    ) -> None:
        def read(found: bytes | Error) -> None:
            if not isinstance(found, ServiceError) or self._loop.time() + delay > until or self._is_closed:
                then(found)
            else:
                logger.warning("a large payload is to be read once more: %s", found)
                self._loop.call_later(delay, self._read, stored, then, until, min(2 * delay, RETRY_MOST))

        self._do(self._readers, partial(self.places.get, stored), read)

    def _fetch_ahead(self) -> None:
        while (stored := self._ahead.next()) is not None:
            self._do(self._readers, partial(self.places.get, stored), partial(self._fetched, stored))

    def _fetched(self, stored: StoredPayload, found: bytes | Error) -> None:
        self._ahead.arrived(stored, None if isinstance(found, Error) else found)
        if not isinstance(found, Error):
            self._fetch_ahead()

    def _remember(self, stored: StoredPayload, data: bytes) -> None:
        if len(data) <= RECENT_BYTES and stored not in self._recent:
            self._recent[stored] = data
            self._recent_size += len(data)
            while self._recent_size > RECENT_BYTES:
                self._recent_size -= len(self._recent.popitem(last=False)[1])

    def leave(self, stored: StoredPayload) -> None:
        """These arguments are delivered no more, and stay where they are."""
        self.settle(stored)
        self._ahead.take(stored)
        self._fetch_ahead()

    # --- letting go ---------------------------------------------------------------------------------------------------

    def drop(self, stored: Sequence[StoredPayload]) -> None:
        """These are not needed any more. What cannot go now is swept later."""

        def gone(found: object) -> None:
            if isinstance(found, Error):
                logger.info("a blob that is not needed is removed later: %s", found)

        for each in stored:
            self.settle(each)
            self._ahead.take(each)
            self._do(self._writers, partial(self.places.delete, each), gone)
        self._fetch_ahead()

    async def erase(self, call_ids: Sequence[str]) -> None:
        """Nothing of these calls is to be left. Raises `ServiceError`."""
        done: asyncio.Future[Error | None] = self._loop.create_future()
        for stored in [each for each in self._recent if each.name is not None and each.name.call_id in call_ids]:
            self._recent_size -= len(self._recent.pop(stored))

        def erase() -> None:
            for call_id in filter(may_name, call_ids):
                self.places.erase_call(call_id)

        self._do(self._writers, erase, lambda found: None if done.done() else done.set_result(found))
        if (error := await done) is not None:
            raise ServiceError(
                f"calls are erased, and large arguments or results of theirs are left: {error}"
            ) from error

    # --- threads ------------------------------------------------------------------------------------------------------

    def _do(self, threads: ThreadPoolExecutor, work: Callable[[], T], then: Callable[[T | Error], None]) -> None:
        if self._is_closed:
            then(ServiceError("this server has ended, and keeps nothing any more"))
            return
        done = self._loop.run_in_executor(threads, _told, work)
        done.add_done_callback(lambda it: None if it.cancelled() else then(it.result()))

    def close(self) -> None:
        """What is on its way is not waited for. Idempotent."""
        self._is_closed = True
        self._writers.shutdown(wait=False, cancel_futures=True)
        self._readers.shutdown(wait=False, cancel_futures=True)


def _told(work: Callable[[], T]) -> T | Error:
    try:
        return work()
    except (NotFoundError, ServiceError) as error:
        return error
    except Exception as error:
        logger.error("a blob store failed", exc_info=error)
        return ServiceError(f"{type(error).__name__}: {error}")
