"""Where an input's time went: spans from its submission to its end, without gaps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from motet.model.attempt import AttemptRecord
from motet.model.current_attempt import Why
from motet.model.outcome import OutcomeKind
from motet.records.facts import StallRecord
from motet.records.inputs import InputRecord
from motet.records.pools import ContainerRecord

Phase = Literal[
    "queued", "placing", "starting", "loading", "entering", "delayed", "slot", "sending", "running", "blocked"
]

COLD_START: tuple[Phase, ...] = ("placing", "starting", "loading", "entering")

MEANINGS: dict[Phase, str] = {
    "queued": "no container was on its way for it yet",
    "placing": "its container was wanted, and had not been started",
    "starting": "its container's process started",
    "loading": "its container imported the user's code",
    "entering": "its container ran enter hooks",
    "delayed": "it had failed, and waited to be tried again",
    "slot": "its container was ready, and had no free slot",
    "sending": "it, or its result, was on the way between server and container",
    "running": "the user's code ran",
    "blocked": "another input in its container held the event loop or the GIL",
}


class Span(msgspec.Struct, frozen=True):
    """A part of an input's time. `attempt` counts from 1; `by`: the input that blocked it."""

    phase: Phase
    began: float
    ended: float
    attempt: int
    container_id: str = ""
    by: str = ""

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.began


class AttemptBar(msgspec.Struct, frozen=True):
    """One attempt, with the wait before it, and why it was made."""

    number: int
    container_id: str
    kind: OutcomeKind
    spans: tuple[Span, ...]
    why: Why = "first"


class Timeline(msgspec.Struct, frozen=True):
    """All of an input's spans, in order: each begins where the one before it ended. Retries and redeliveries are attempts
    of their own; what came after the last attempt is in `rest`."""

    began: float
    ended: float
    attempts: tuple[AttemptBar, ...]
    rest: tuple[Span, ...] = ()

    @property
    def spans(self) -> tuple[Span, ...]:
        """Those of all attempts."""
        return (*(span for attempt in self.attempts for span in attempt.spans), *self.rest)

    def seconds(self) -> dict[Phase, float]:
        """Each phase's share; their sum is the whole time."""
        shares: dict[Phase, float] = {}
        for span in self.spans:
            shares[span.phase] = shares.get(span.phase, 0.0) + span.seconds
        return shares


def timeline(
    record: InputRecord, containers: Mapping[str, ContainerRecord], stalls: Sequence[StallRecord] = ()
) -> Timeline:
    """The timeline of an input that has ended, or of what it has been through so far.

    `containers`: those of its attempts, by id, as far as they are known; `stalls`: those in them. Clocks of server and
    container differ by a little: moments that would run backwards are taken for equal.
    """
    cursor = record.submitted_at
    why: Why = "first"
    bars = []
    for number, attempt in enumerate(record.attempts, 1):
        cutter = _Cutter(cursor, record.ended_at, number, attempt.container_id)
        _wait(cutter, attempt, containers.get(attempt.container_id), "delayed" if why == "retry" else "slot")
        others = [it for it in stalls if (it.call_id, it.index) != (record.call_id, record.index)]
        _run(cutter, attempt, others)
        cursor = cutter.cursor
        bars.append(AttemptBar(number, attempt.container_id, attempt.kind, tuple(cutter.spans), why))
        why = "retry" if attempt.kind in (OutcomeKind.FAILURE, OutcomeKind.TIMED_OUT) else "redelivered"
    last = _Cutter(cursor, record.ended_at, len(bars), "")
    last.until(record.ended_at, "queued")
    return Timeline(record.submitted_at, max(record.submitted_at, record.ended_at), tuple(bars), tuple(last.spans))


class _Cutter:
    """Cuts time into spans from left to right."""

    def __init__(self, cursor: float, end: float, attempt: int, container_id: str) -> None:
        self.cursor = cursor
        self.spans: list[Span] = []
        self._end = end
        self._attempt = attempt
        self._container_id = container_id

    def until(self, moment: float | None, phase: Phase, by: str = "") -> None:
        """What has not been cut yet, up to this moment, was this phase; None: it never came, or nobody knows."""
        if moment is None:
            return
        moment = min(moment, self._end)
        if moment > self.cursor:
            self.spans.append(Span(phase, self.cursor, moment, self._attempt, self._container_id, by))
            self.cursor = moment


def _wait(cutter: _Cutter, attempt: AttemptRecord, container: ContainerRecord | None, rest: Phase) -> None:
    delivered = attempt.delivered_at
    # Only a container that was not ready yet when the wait began has kept it waiting by its start.
    if container is not None and container.ready_at is not None and container.ready_at > cutter.cursor:
        cutter.until(min(container.wanted_at, delivered), "queued")
        cutter.until(min(container.started_at, delivered), "placing")
        for moment, phase in zip(
            (container.connected_at, container.loaded_at, container.ready_at), COLD_START[1:], strict=True
        ):
            cutter.until(None if moment is None else min(moment, delivered), phase)
    cutter.until(delivered, rest)


def _run(cutter: _Cutter, attempt: AttemptRecord, stalls: Iterable[StallRecord]) -> None:
    if not attempt.began:  # it never told
        cutter.until(attempt.ended_at, "running")
        return
    cutter.until(attempt.began, "sending")
    for stall in sorted(stalls, key=lambda it: it.began):
        if stall.container_id == attempt.container_id and stall.ended > cutter.cursor:
            cutter.until(min(stall.began, attempt.finished), "running")
            cutter.until(min(stall.ended, attempt.finished), "blocked", f"in-{stall.call_id[3:]}-{stall.index}")
    cutter.until(attempt.finished, "running")
    cutter.until(attempt.ended_at, "sending")
