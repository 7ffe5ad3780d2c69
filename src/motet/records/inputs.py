"""Inputs that have ended."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from motet.model.attempt import AttemptRecord
from motet.model.outcome import OutcomeKind


class InputRecord(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An input that has ended: when it came, what it went through, how it ended. `failure` is encoded, or empty.

    Most have one attempt, so the last one lies flat in here, without a `container_id` if there was none; see `attempts`.
    `trace`: the `traceparent` of its call, for whoever hears of it at once; it is not kept.
    """

    call_id: str
    index: int
    submitted_at: float
    ended_at: float
    kind: OutcomeKind
    container_id: str = ""
    delivered_at: float = 0.0
    attempt_ended_at: float = 0.0
    attempt_kind: OutcomeKind = OutcomeKind.SUCCESS
    began: float = 0.0
    finished: float = 0.0
    failure: bytes = b""
    earlier: tuple[AttemptRecord, ...] = ()
    trace: str = ""

    @property
    def attempts(self) -> tuple[AttemptRecord, ...]:
        """All of them, in order."""
        if not self.container_id:
            return self.earlier
        last = AttemptRecord(
            self.container_id, self.delivered_at, self.attempt_ended_at, self.attempt_kind, self.began, self.finished
        )
        return (*self.earlier, last)

    @classmethod
    def of(
        cls,
        call_id: str,
        index: int,
        submitted_at: float,
        ended_at: float,
        kind: OutcomeKind,
        attempts: Sequence[AttemptRecord],
        failure: bytes = b"",
    ) -> InputRecord:
        """The record of an input that went through these attempts."""
        if not attempts:
            return cls(call_id, index, submitted_at, ended_at, kind, failure=failure)
        *earlier, last = attempts
        return cls(
            call_id,
            index,
            submitted_at,
            ended_at,
            kind,
            last.container_id,
            last.delivered_at,
            last.ended_at,
            last.kind,
            last.began,
            last.finished,
            failure,
            tuple(earlier),
        )

    def later(self, seconds: float) -> InputRecord:
        """The same with all its moments moved."""
        return InputRecord.of(
            self.call_id,
            self.index,
            self.submitted_at + seconds,
            self.ended_at + seconds,
            self.kind,
            [attempt.later(seconds) for attempt in self.attempts],
            self.failure,
        )
