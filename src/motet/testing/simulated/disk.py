"""The disk of a simulated world: keeps a journal over the deaths of servers, is full or broken, and may lie about syncs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from motet.errors import ServiceError
from motet.model.outcome import InputEnd
from motet.server.deployments.unkept import MemoryDeployments
from motet.store.journal import Entry, Journal, JournalUnclear, KeptApp, KeptCall, UnfinishedPart
from motet.store.journal_memory import JournalMemory, MemoryJournal


class SimulatedDisk:
    """What servers open one after the other."""

    drops_syncs = False
    """What it says is kept lies in its cache, and is gone when its machine is: for a test of what comes of that."""

    def __init__(self) -> None:
        self.problem = ""
        """Why nothing can be written now."""
        self.unclear = 0
        """Of so many commits to come nobody hears that they are there: as when a database is gone just then."""
        self._memory = JournalMemory()
        self._written: list[Sequence[Entry]] = []
        self._synced = 0
        self.term = 0
        """Of the server that opened it last."""
        self.deployments = MemoryDeployments()
        """What has been deployed: no fault loses that."""

    def open(self) -> SimulatedJournal:
        """For the next server."""
        journal = SimulatedJournal(self, MemoryJournal(self._memory))
        self.term = journal.term
        return journal

    def close(self) -> None:
        """The world is over."""

    def lose_power(self) -> None:
        """What was not synced is gone."""
        if self._synced == len(self._written):
            return
        del self._written[self._synced :]
        memory = JournalMemory()
        memory.term = self._memory.term - 1
        replaying = MemoryJournal(memory)
        for entries in self._written:
            replaying.keep(entries)
        self._memory = memory

    def write(self, keep: Callable[[], None], entries: Sequence[Entry]) -> None:
        """Have `keep` do it, and see that it stays."""
        if self.problem:
            raise ServiceError(f"the journal cannot be written: {self.problem}")
        keep()
        self._written.append(entries)
        if not self.drops_syncs:
            self._synced = len(self._written)
        if self.unclear:
            self.unclear -= 1
            raise JournalUnclear(
                "the connection to the journal broke during a commit: nobody knows whether that is there"
            )


class SimulatedJournal:
    """See `Journal`: another one, on this disk."""

    def __init__(self, disk: SimulatedDisk, inner: Journal) -> None:
        self._disk = disk
        self._inner = inner
        self.is_cut_off = False
        """Its server alone does not reach it: others do."""

    @property
    def _reached(self) -> Journal:
        if self.is_cut_off:
            raise ServiceError("the database does not answer")
        return self._inner

    @property
    def term(self) -> int:
        """See `Journal`."""
        return self._inner.term

    def keep(self, entries: Sequence[Entry]) -> None:
        """See `Journal`."""
        self._disk.write(lambda: self._reached.keep(entries), entries)

    def unfinished(self, most: int = 1000) -> Iterator[UnfinishedPart]:
        """See `Journal`."""
        return self._reached.unfinished(most)

    def payloads(self, inputs: Sequence[tuple[str, int]]) -> list[bytes]:
        """See `Journal`."""
        return self._reached.payloads(inputs)

    def kept(self, call_id: str) -> KeptCall:
        """See `Journal`."""
        return self._reached.kept(call_id)

    def call(self, call_id: str) -> tuple[KeptCall, int]:
        """See `Journal`."""
        return self._reached.call(call_id)

    def known(self, call_id: str, indices: Collection[int]) -> dict[int, bool]:
        """See `Journal`."""
        return self._reached.known(call_id, indices)

    def outcomes(self, call_id: str, index: int, limit: int) -> list[InputEnd]:
        """See `Journal`."""
        return self._reached.outcomes(call_id, index, limit)

    def by_key(self, key: bytes) -> KeptCall | None:
        """See `Journal`."""
        return self._reached.by_key(key)

    def apps(self) -> list[KeptApp]:
        """See `Journal`."""
        return self._reached.apps()

    def expire(self, before: float, most: int = 1000) -> int:
        """See `Journal`."""
        return self._reached.expire(before, most)

    def check(self) -> list[str]:
        """See `Journal`."""
        return self._reached.check()

    def close(self) -> None:
        """See `Journal`."""
        self._inner.close()
