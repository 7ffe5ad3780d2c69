"""Large arguments of inputs that failed: kept so that these can be run again, within a bound, then the oldest go."""

from __future__ import annotations

from collections.abc import Iterable

from motet.model.outcome import OutcomeKind
from motet.store.blob_reference import StoredPayload

FAILED = frozenset((OutcomeKind.FAILURE, OutcomeKind.TIMED_OUT, OutcomeKind.LOST))
"""How inputs end that can be run again."""


class FailedArguments:
    """Which there are, and which go: it decides, and deletes nothing itself. `most`: bytes; 0: none are kept.

    The journal says for how long they are needed: as long as the outcome of their input is kept. Of those that a server before
    this one has left, the first sweep tells.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._held: dict[StoredPayload, None] = {}
        """The oldest first."""
        self.size = 0

    def add(self, stored: StoredPayload) -> list[StoredPayload]:
        """Its input has failed. Those that go for it."""
        if stored not in self._held:
            self._held[stored] = None
            self.size += stored.size
        return self._too_much()

    def found(self, older: Iterable[StoredPayload]) -> list[StoredPayload]:
        """A sweep has found these, the oldest first. Those that go."""
        others = self._held
        self._held = dict.fromkeys(each for each in older if each not in others)
        self._held.update(others)
        self.size = sum(each.size for each in self._held)
        return self._too_much()

    def gone(self, names: Iterable[str]) -> None:
        """The blobs with these names are not there any more."""
        gone = set(names)
        self._remove([each for each in self._held if str(each.name) in gone])

    def forget_calls(self, call_ids: Iterable[str]) -> None:
        """Nothing is left of these calls."""
        gone = set(call_ids)
        self._remove([each for each in self._held if each.name is not None and each.name.call_id in gone])

    def give_up(self) -> list[StoredPayload]:
        """All of them, which go."""
        gone = list(self._held)
        self._remove(gone)
        return gone

    def _too_much(self) -> list[StoredPayload]:
        gone: list[StoredPayload] = []
        left = self.size
        for each in self._held:
            if left <= self.most:
                break
            gone.append(each)
            left -= each.size
        self._remove(gone)
        return gone

    def _remove(self, gone: Iterable[StoredPayload]) -> None:
        for each in gone:
            del self._held[each]
            self.size -= each.size
