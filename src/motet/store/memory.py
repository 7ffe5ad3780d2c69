"""Call records in memory: they live as long as the server, and as there is room for them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from motet.errors import NotFoundError, OutputExpiredError
from motet.model.outcome import InputEnd

MAX_BYTES = 1024 * 1024 * 1024
"""Of all outcomes that are kept: the oldest go for newer ones."""
OUTCOME_BYTES = 200
"""What an outcome takes beside its payload, about."""


class _Record:
    __slots__ = ("app_id", "expired", "function_id", "num_inputs", "outcomes")

    def __init__(self, app_id: str, function_id: str) -> None:
        self.app_id = app_id
        self.function_id = function_id
        self.num_inputs = 0
        self.expired = 0
        self.outcomes: dict[int, InputEnd | None] = {}
        """By index. None: it was kept, and is gone."""


class MemoryCallStore:
    """The store of the embedded server. See `CallStore` for what each method promises.

    Outcomes take `most_bytes` at most, the newest one in any case.
    """

    def __init__(self, most_bytes: int = MAX_BYTES) -> None:
        self._records: dict[str, _Record] = {}
        self._most_bytes = most_bytes
        self._kept: deque[tuple[_Record, str, int]] = deque()
        """Which outcomes there are, the oldest first; also those of calls that were forgotten."""
        self._bytes = 0

    def add_inputs(self, app_id: str, function_id: str, call_id: str, count: int) -> None:
        record = self._records.get(call_id)
        if record is None:
            record = self._records[call_id] = _Record(app_id, function_id)
        record.num_inputs += count

    def save_outcomes(self, call_id: str, ended: list[InputEnd]) -> list[str]:
        gone: list[str] = []
        record = self._records.get(call_id)
        if record is not None:
            for each in ended:
                if each.index not in record.outcomes:
                    record.outcomes[each.index] = each
                    self._kept.append((record, call_id, each.index))
                    self._bytes += OUTCOME_BYTES + len(each.payload)
            while self._bytes > self._most_bytes and len(self._kept) > 1:
                oldest = self._kept.popleft()
                if self._expire(*oldest):
                    gone.append(oldest[1])
        return gone

    def _expire(self, record: _Record, call_id: str, index: int) -> bool:
        """Whether that was the last of its call."""
        ended = record.outcomes.get(index)
        if ended is None:  # its call was forgotten
            return False
        self._bytes -= OUTCOME_BYTES + len(ended.payload)
        record.outcomes[index] = None
        record.expired += 1
        if record.expired == record.num_inputs and self._records.get(call_id) is record:
            del self._records[call_id]
            return True
        return False

    def outcomes(self, call_id: str, index: int, limit: int) -> list[InputEnd]:
        record = self._find(call_id)
        if not 0 <= index < record.num_inputs:
            raise NotFoundError(f"{call_id} has no input {index}: it has {record.num_inputs}")
        if record.outcomes.get(index, self) is None:
            raise OutputExpiredError(
                f"the result of input {index} of {call_id} is gone: results of spawned calls that take more than "
                f"{self._most_bytes / 2**20:.0f} MiB together are dropped, the oldest first"
            )
        found: list[InputEnd] = []
        while len(found) < limit and (ended := record.outcomes.get(index + len(found))) is not None:
            found.append(ended)
        return found

    def num_inputs(self, call_id: str) -> tuple[int, str]:
        record = self._find(call_id)
        return record.num_inputs, record.function_id

    def forget_app(self, app_id: str) -> list[str]:
        gone = [call_id for call_id, record in self._records.items() if record.app_id == app_id]
        return self.forget_calls(gone)

    def forget_calls(self, call_ids: Sequence[str]) -> list[str]:
        gone = [call_id for call_id in dict.fromkeys(call_ids) if call_id in self._records]
        for call_id in gone:
            outcomes = self._records.pop(call_id).outcomes
            self._bytes -= sum(OUTCOME_BYTES + len(ended.payload) for ended in outcomes.values() if ended is not None)
            outcomes.clear()
        if gone:
            self._kept = deque(kept for kept in self._kept if kept[0].outcomes)
        return gone

    def _find(self, call_id: str) -> _Record:
        record = self._records.get(call_id)
        if record is None:
            raise NotFoundError(f"no spawned call {call_id} is kept on this server (any more)")
        return record
