"""Call records in memory: they live as long as the server."""

from __future__ import annotations

from motet.errors import NotFoundError
from motet.model.outcome import Ended


class _Record:
    __slots__ = ("app_id", "function_id", "num_inputs", "outcomes")

    def __init__(self, app_id: str, function_id: str) -> None:
        self.app_id = app_id
        self.function_id = function_id
        self.num_inputs = 0
        self.outcomes: dict[int, Ended] = {}


class MemoryCallStore:
    """The store of the embedded server. See `CallStore` for what each method promises."""

    def __init__(self) -> None:
        self._records: dict[str, _Record] = {}

    def add_inputs(self, app_id: str, function_id: str, call_id: str, count: int) -> None:
        record = self._records.get(call_id)
        if record is None:
            record = self._records[call_id] = _Record(app_id, function_id)
        record.num_inputs += count

    def save_outcomes(self, call_id: str, ended: list[Ended]) -> None:
        record = self._records.get(call_id)
        if record is not None:
            for each in ended:
                record.outcomes.setdefault(each.index, each)

    def outcomes(self, call_id: str, index: int, limit: int) -> list[Ended]:
        record = self._find(call_id)
        if not 0 <= index < record.num_inputs:
            raise NotFoundError(f"{call_id} has no input {index}: it has {record.num_inputs}")
        found: list[Ended] = []
        while len(found) < limit and (ended := record.outcomes.get(index + len(found))) is not None:
            found.append(ended)
        return found

    def num_inputs(self, call_id: str) -> tuple[int, str]:
        record = self._find(call_id)
        return record.num_inputs, record.function_id

    def forget_app(self, app_id: str) -> list[str]:
        gone = [call_id for call_id, record in self._records.items() if record.app_id == app_id]
        for call_id in gone:
            del self._records[call_id]
        return gone

    def _find(self, call_id: str) -> _Record:
        record = self._records.get(call_id)
        if record is None:
            raise NotFoundError(f"no spawned call {call_id} is kept on this server")
        return record
