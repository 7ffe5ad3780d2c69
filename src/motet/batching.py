"""Continuous batching for functions behind `@motet.concurrent`: one batch per step, of whatever inputs are in flight."""

from motet.sdk.batch_in_flight import Answer, BatcherStats, Failed, Last, Member, More
from motet.sdk.batch_scheduler import BatchLimits, BatchScheduler, MemberPlace
from motet.sdk.continuous_batcher import ContinuousBatcher
from motet.sdk.member_stream import MemberStream

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
