"""Inputs that succeeded at their first attempt, as nearly all do, told of together."""

from __future__ import annotations

import msgspec

from motet.model.outcome import OutcomeKind
from motet.records.inputs import InputRecord


class Successes(msgspec.Struct, array_like=True, gc=False):
    """Inputs of one call: a list for each thing that an `InputRecord` has, at a third of the time that records take."""

    call_id: str
    indices: list[int]
    submitted_at: list[float]
    ended_at: list[float]
    container_ids: list[str]
    delivered_at: list[float]
    began: list[float]
    finished: list[float]

    def __len__(self) -> int:
        return len(self.indices)

    def copy(self) -> Successes:
        """One that may be extended without changing this."""
        return Successes(
            self.call_id,
            self.indices.copy(),
            self.submitted_at.copy(),
            self.ended_at.copy(),
            self.container_ids.copy(),
            self.delivered_at.copy(),
            self.began.copy(),
            self.finished.copy(),
        )

    def extend(self, more: Successes) -> None:
        """Add others, which may be of another call where it does not matter of which they are."""
        self.indices += more.indices
        self.submitted_at += more.submitted_at
        self.ended_at += more.ended_at
        self.container_ids += more.container_ids
        self.delivered_at += more.delivered_at
        self.began += more.began
        self.finished += more.finished

    def shortened(self, containers: set[str], first: float, last: float) -> Successes:
        """The same, with one container or end for all where there is but one: fit to be stored, and for `records`."""
        return Successes(
            self.call_id,
            self.indices,
            self.submitted_at,
            [first] if first == last else self.ended_at,
            list(containers) if len(containers) == 1 else self.container_ids,
            self.delivered_at,
            self.began,
            self.finished,
        )

    def records(self) -> list[InputRecord]:
        """One for each."""
        call_id, kind, count = self.call_id, OutcomeKind.SUCCESS, len(self)
        columns = zip(
            self.indices,
            self.submitted_at,
            self.ended_at * count if len(self.ended_at) == 1 else self.ended_at,
            self.container_ids * count if len(self.container_ids) == 1 else self.container_ids,
            self.delivered_at,
            self.began,
            self.finished,
            strict=True,
        )
        return [
            InputRecord(call_id, index, submitted, ended, kind, container, delivered, ended, kind, began, finished)
            for index, submitted, ended, container, delivered, began, finished in columns
        ]
