"""Continuous batching for functions behind `@motet.concurrent`: one batch per step, of whatever inputs are in flight."""

from motet.batching.continuous_batcher import ContinuousBatcher
from motet.batching.in_flight import Answer, BatcherStats, Failed, Last, Member, More
from motet.batching.member_stream import MemberStream
from motet.batching.scheduler import BatchLimits, BatchScheduler, MemberPlace

__all__ = [
    "Answer",
    "BatchLimits",
    "BatchScheduler",
    "BatcherStats",
    "ContinuousBatcher",
    "Failed",
    "Last",
    "Member",
    "MemberPlace",
    "MemberStream",
    "More",
]
