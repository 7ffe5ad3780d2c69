"""Numbers over time for charts: few enough points to draw, whatever the span."""

from __future__ import annotations

from motet.records.facts import SampleRecord
from motet.records.queries import InputQuery
from motet.server.dashboard.shown import Json
from motet.store.records import RecordReader

MAX_POINTS = 600
BUCKETS = 60
INPUTS_PER_BUCKET = 100
"""Latencies are those of so many inputs of each bucket, the last that ended in it: an estimate whose cost does not grow."""


def thinned(samples: list[SampleRecord], since: float, until: float) -> list[SampleRecord]:
    """At most `MAX_POINTS` samples: each stands for a span of time, with its highest queue and its last totals."""
    if len(samples) <= MAX_POINTS:
        return samples
    width = max(until - since, 1e-9) / MAX_POINTS
    kept: dict[int, SampleRecord] = {}
    for sample in samples:
        bucket = int((sample.at - since) / width)
        before = kept.get(bucket)
        kept[bucket] = sample if before is None else _merged(before, sample)
    return list(kept.values())


def _merged(before: SampleRecord, after: SampleRecord) -> SampleRecord:
    return SampleRecord(
        after.at,
        after.function_id,
        max(before.waiting_inputs, after.waiting_inputs),
        max(before.running_inputs, after.running_inputs),
        after.succeeded_inputs,
        after.failed_inputs,
        after.cancelled_inputs,
        after.ready_containers,
        max(before.starting_containers, after.starting_containers),
        after.other_containers,
    )


def latencies(
    records: RecordReader, function_id: str, since: float, until: float, buckets: int = BUCKETS
) -> list[Json]:
    """Median and 95th percentile of the seconds from submission to end, for each part of a span in which inputs ended."""
    width = (until - since) / buckets
    found = []
    for number in range(buckets):
        begin = since + number * width
        query = InputQuery(function=function_id, since=begin, until=begin + width, limit=INPUTS_PER_BUCKET)
        times = sorted(record.ended_at - record.submitted_at for record in records.inputs(query))
        if times:
            found.append({"at": begin + width / 2, "p50": quantile(times, 0.5), "p95": quantile(times, 0.95)})
    return found


def quantile(ordered: list[float], share: float) -> float:
    """The value below which this share of the others lies.

    >>> quantile([1.0, 2.0, 3.0, 4.0], 0.5)
    2.0
    """
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]
