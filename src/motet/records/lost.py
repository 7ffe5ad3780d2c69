"""What of a run's records could not be kept, for whoever is to be told."""

from __future__ import annotations

from collections import Counter

from motet.records.batch import RecordBatch


class LostRecords:
    """Counts of what is lost: lines and ended inputs by the id of their function, and all else together."""

    __slots__ = ("inputs", "lines", "others")

    def __init__(self) -> None:
        self.inputs: Counter[str] = Counter()
        self.lines: Counter[str] = Counter()
        self.others = 0

    def add(self, batch: RecordBatch) -> None:
        """All of a batch is lost, too."""
        for function_id, records in batch.inputs.items():
            self.inputs[function_id] += len(records)
        for chunk in batch.chunks:
            self.inputs[chunk.function_id] += sum(chunk.summary.kinds.values())
        for lines in batch.logs:
            self.lines[lines.function_id] += len(lines.lines)
        self.others += len(batch.apps) + len(batch.functions) + len(batch.calls)
        self.others += len(batch.containers) + len(batch.facts) + len(batch.arguments)

    def update(self, other: LostRecords) -> None:
        """And all that somebody else has counted."""
        self.inputs.update(other.inputs)
        self.lines.update(other.lines)
        self.others += other.others

    @property
    def total(self) -> int:
        """Of every kind."""
        return self.inputs.total() + self.lines.total() + self.others

    def by_function(self) -> list[tuple[str, str]]:
        """Ids of functions, and in words what of theirs is lost."""
        return [(each, _said(self.lines[each], self.inputs[each])) for each in sorted({*self.inputs, *self.lines})]

    def __str__(self) -> str:
        return _said(self.lines.total(), self.inputs.total(), self.others)


def _said(lines: int, inputs: int, others: int = 0) -> str:
    counts = ((lines, "line"), (inputs, "ended input"), (others, "other record"))
    return " and ".join(f"{count:,} {name}{'s' if count != 1 else ''}" for count, name in counts if count) or "nothing"
