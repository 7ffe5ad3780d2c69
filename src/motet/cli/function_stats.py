"""What a function's inputs and containers went through, in numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from motet.cli.tables import kind_word
from motet.model.outcome import OutcomeKind
from motet.records.inputs import InputRecord
from motet.records.pools import ContainerRecord


class Percentiles(msgspec.Struct, frozen=True):
    """Of some durations, in seconds; None if there were none."""

    p50: float | None
    p95: float | None
    p99: float | None
    most: float | None

    @classmethod
    def of(cls, durations: Iterable[float]) -> Percentiles:
        """Those of any durations; of n, the p-th is the smallest that p percent of them do not exceed."""
        ordered = sorted(durations)
        if not ordered:
            return cls(None, None, None, None)
        p50, p95, p99 = (ordered[max(0, -(-len(ordered) * share // 100) - 1)] for share in (50, 95, 99))
        return cls(p50, p95, p99, ordered[-1])


class RecordedStats(msgspec.Struct, frozen=True):
    """`inputs`: how many ended in each way. `waits`: from submission to the first delivery; `runs`: the user's code, last
    attempt; `totals`: from submission to the end. `cold_starts`: of containers, from the wish for one to its readiness."""

    inputs: dict[str, int]
    retried: int
    redelivered: int
    waits: Percentiles
    runs: Percentiles
    totals: Percentiles
    containers_started: int
    containers_ended: int
    cold_starts: Percentiles


def function_stats(inputs: Sequence[InputRecord], containers: Sequence[ContainerRecord]) -> RecordedStats:
    """The numbers for these ended inputs and these containers."""
    earlier = [attempt.kind for record in inputs for attempt in record.attempts[:-1]]
    lost = sum(kind is OutcomeKind.LOST for kind in earlier)
    return RecordedStats(
        inputs={kind_word(kind): number for kind in OutcomeKind if (number := sum(it.kind is kind for it in inputs))},
        retried=len(earlier) - lost,
        redelivered=lost,
        waits=Percentiles.of(queuing(record) for record in inputs if record.attempts),
        runs=Percentiles.of(taken for record in inputs if (taken := execution(record)) is not None),
        totals=Percentiles.of(record.ended_at - record.submitted_at for record in inputs),
        containers_started=len(containers),
        containers_ended=sum(each.ended_at is not None for each in containers),
        cold_starts=Percentiles.of(each.ready_at - each.wanted_at for each in containers if each.ready_at is not None),
    )


def queuing(record: InputRecord) -> float:
    """Seconds until it was first delivered, or ended."""
    attempts = record.attempts
    return max(0.0, (attempts[0].delivered_at if attempts else record.ended_at) - record.submitted_at)


def execution(record: InputRecord) -> float | None:
    """Seconds that the user's code ran in its last attempt; None if it never did."""
    if not record.attempts:
        return None
    last = record.attempts[-1]
    return max(0.0, last.finished - last.began if last.began else last.ended_at - last.delivered_at)


def stats_json(stats: RecordedStats) -> dict[str, Any]:
    """As plain values."""
    plain: dict[str, Any] = msgspec.to_builtins(stats)
    return plain
