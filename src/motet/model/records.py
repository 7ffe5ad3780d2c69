"""What is kept of calls, inputs, containers and what they wrote, for whoever looks later.

All moments are wall-clock seconds since the epoch once they are in a store. Until then those that the engine notes are
on its own clock (see `server/records/`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from motet.model.outcome import CallKind, OutcomeKind

LogSource = Literal["stdout", "stderr", "system"]


class AttemptRecord(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One delivery of an input to a container.

    `began` and `finished` are the container's own account of the user's code's time, 0 if it gave none: what lies
    between delivery and beginning, and between finishing and end, was spent on the way. `kind` LOST: the container died or
    was taken, and the input was delivered again.
    """

    container_id: str
    delivered_at: float
    ended_at: float
    kind: OutcomeKind
    began: float = 0.0
    finished: float = 0.0

    def later(self, seconds: float) -> AttemptRecord:
        """The same with all its moments moved."""
        return AttemptRecord(
            self.container_id,
            self.delivered_at + seconds,
            self.ended_at + seconds,
            self.kind,
            self.began + seconds if self.began else 0.0,
            self.finished + seconds if self.finished else 0.0,
        )


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


class CallRecord(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A call, when its first inputs came. `parent_input_id`: the input whose code made it."""

    call_id: str
    function_id: str
    kind: CallKind
    method: str
    submitted_at: float
    parent_input_id: str | None = None


class AppRecord(msgspec.Struct, frozen=True):
    """An app that ran on a server; `ended_at` is None while it does, or if its server was killed."""

    app_id: str
    name: str
    started_at: float
    ended_at: float | None = None


class FunctionRecord(msgspec.Struct, frozen=True):
    """A function of an app, with the settings it began with. `variant_of`: the id of the function it was varied from."""

    function_id: str
    app_id: str
    name: str
    max_inputs: int
    target_inputs: int | Literal["auto"]
    variant_of: str | None = None


class ContainerRecord(msgspec.Struct):
    """A container's life so far; a phase that it has not reached is None. Its cold start in phases:

    placing from `wanted_at` to `started_at`, starting until `connected_at`, loading (import) until `loaded_at`, entering
    (hooks) until `ready_at`.
    """

    container_id: str
    function_id: str
    wanted_at: float
    started_at: float
    reason: str = ""
    connected_at: float | None = None
    loaded_at: float | None = None
    ready_at: float | None = None
    ended_at: float | None = None
    end: str = ""


class StallRecord(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An input kept the others in its container from running: it held the event loop or the GIL."""

    container_id: str
    call_id: str
    index: int
    began: float
    ended: float
    what: str = ""


class LogBatch(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Lines that came together. `call_id` is empty (and `index` -1) where no one input can have written them."""

    at: float
    function_id: str
    container_id: str
    call_id: str
    index: int
    source: LogSource
    lines: list[str]


class LogLine(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One line somebody wrote, as it is found again. `position` orders lines of a server; it is what `after` takes."""

    position: int
    at: float
    app_id: str
    function_id: str
    function_name: str
    container_id: str
    call_id: str
    index: int
    source: LogSource
    text: str


class DecisionRecord(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Why a pool was to have `desired` containers: what there was then, and the policy's reason with its numbers."""

    at: float
    function_id: str
    desired: int
    live: int
    starting: int
    waiting_inputs: int
    running_inputs: int
    reason: str


class SampleRecord(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A pool at one moment, for charts: totals count from the function's beginning."""

    at: float
    function_id: str
    waiting_inputs: int
    running_inputs: int
    succeeded_inputs: int
    failed_inputs: int
    cancelled_inputs: int
    ready_containers: int
    starting_containers: int
    other_containers: int


class CallSummary(msgspec.Struct, frozen=True):
    """A call and how many of its inputs ended how. Inputs that have not ended are not counted here."""

    call: CallRecord
    app_id: str
    function_name: str
    ended_at: float
    succeeded: int
    failed: int
    cancelled: int
    timed_out: int
    lost: int

    @property
    def ended_inputs(self) -> int:
        """All inputs that have ended, however."""
        return self.succeeded + self.failed + self.cancelled + self.timed_out + self.lost
