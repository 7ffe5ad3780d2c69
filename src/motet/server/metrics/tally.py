"""What has happened to the inputs and containers of each function, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from operator import sub
from typing import Any

from motet.core import commands as c
from motet.core.events import Event
from motet.model.attempt import AttemptRecord
from motet.model.outcome import OutcomeKind
from motet.records.inputs import InputRecord
from motet.records.successes import Successes
from motet.server import facts
from motet.server.metrics.histogram import Histogram

WAITING_INPUTS = 512
"""Inputs that are counted at once."""

KEPT_AFTER_END = 20
"""Functions that are gone, and whose names are kept for what may still be told of them."""

Name = tuple[str, str]
"""An app's name and a function's: all functions that bear them are one here, also variants, and apps that ran before."""


class Counts:
    """The counts of one name."""

    __slots__ = ("container_ends", "container_starts", "ended", "execution", "latency", "queued", "retries", "start")

    def __init__(self) -> None:
        self.ended: Counter[OutcomeKind] = Counter(dict.fromkeys(OutcomeKind, 0))
        self.retries: Counter[OutcomeKind] = Counter()
        """Attempts that were followed by another one, by how they ended."""
        self.queued = Histogram()
        self.execution = Histogram()
        self.latency = Histogram()
        self.container_starts = 0
        self.start = Histogram()
        self.container_ends: Counter[str] = Counter({"stopped": 0, "failed": 0, "died": 0})

    def add_successes(self, inputs: Successes) -> None:
        """These inputs succeeded at their first attempt."""
        self.ended[OutcomeKind.SUCCESS] += len(inputs)
        self.queued.add(list(map(sub, inputs.delivered_at, inputs.submitted_at)))
        spans = zip(inputs.began, inputs.finished, inputs.delivered_at, inputs.ended_at, strict=True)
        self.execution.add([last - first if first else end - at for first, last, at, end in spans])
        self.latency.add(list(map(sub, inputs.ended_at, inputs.submitted_at)))

    def add(self, records: list[InputRecord]) -> None:
        """These inputs ended."""
        self.ended.update(it.kind for it in records)
        self.latency.add([it.ended_at - it.submitted_at for it in records])
        attempts = [(it, it.attempts) for it in records if it.attempts]
        self.queued.add([tried[0].delivered_at - it.submitted_at for it, tried in attempts])
        self.execution.add([_execution(tried[-1]) for _, tried in attempts])
        self.retries.update(attempt.kind for _, tried in attempts for attempt in tried[:-1])


def _execution(attempt: AttemptRecord) -> float:
    """What the container says; it does not if it died, or the attempt was given up."""
    return attempt.finished - attempt.began if attempt.began else attempt.ended_at - attempt.delivered_at


class Tally:
    """An observer: takes what turns tell, and counts when it is asked or enough has come."""

    def __init__(self) -> None:
        self._names: dict[str, Name] = {}
        self._gone: list[str] = []
        self._counts: dict[Name, Counts] = {}
        self._succeeded: dict[str, Successes] = {}
        self._counters: dict[type[c.Command], Callable[[Any], None]] = {
            c.RecordInputs: self._inputs_ended,
            c.RecordSuccesses: self._inputs_succeeded,
            c.StartContainer: self._container_ordered,
            c.RecordStart: self._container_started,
            c.RecordEnd: self._container_ended,
        }

    def turned(self, events: Sequence[Event], commands: Sequence[c.Command], now: float) -> None:
        """See `Driver.follow`."""
        for command in commands:
            if (count := self._counters.get(type(command))) is not None:
                count(command)

    def told(self, fact: facts.Fact) -> None:
        """See `Driver.listen`. Names are noted whether or not somebody counts."""
        match fact:
            case facts.FunctionDeclared(has_pool=True):
                self._names[fact.record.function_id] = (fact.app_name, fact.record.name)
            case facts.FunctionGone():
                self._function_gone(fact.function_id)

    def _function_gone(self, function_id: str) -> None:
        """What it has counted stays."""
        self._gone.append(function_id)  # inputs that are refused because it is gone may be told of after this
        if len(self._gone) > KEPT_AFTER_END:
            self._forget(self._gone[: KEPT_AFTER_END // 2])
            del self._gone[: KEPT_AFTER_END // 2]

    def name(self, function_id: str) -> Name | None:
        """What a function goes by; None if there is none."""
        return self._names.get(function_id)

    def _inputs_ended(self, command: c.RecordInputs) -> None:
        if (counts := self._of(command.function_id)) is not None:
            counts.add(command.inputs)

    def _inputs_succeeded(self, command: c.RecordSuccesses) -> None:
        succeeded = self._succeeded.get(command.function_id)
        if succeeded is None:
            self._succeeded[command.function_id] = command.inputs.copy()  # others are told of it, too: it is not grown
        else:
            succeeded.extend(command.inputs)
            if len(succeeded) > WAITING_INPUTS:
                self._settle(command.function_id)

    def _container_ordered(self, command: c.StartContainer) -> None:
        if (counts := self._of(command.function_id)) is not None:
            counts.container_starts += 1

    def _container_started(self, command: c.RecordStart) -> None:
        if (counts := self._of(command.function_id)) is not None:
            counts.start.add([command.seconds])

    def _container_ended(self, command: c.RecordEnd) -> None:
        if (counts := self._of(command.function_id)) is not None:
            counts.container_ends[command.how] += 1

    def counts(self) -> dict[Name, Counts]:
        """All until now, of every name that a function has had."""
        for function_id in list(self._succeeded):
            self._settle(function_id)
        for function_id in self._names:
            self._of(function_id)
        self._forget(self._gone)
        self._gone.clear()
        return self._counts

    def _forget(self, function_ids: list[str]) -> None:
        for function_id in function_ids:
            if function_id in self._succeeded:
                self._settle(function_id)
            self._of(function_id)  # its name stays, with what was counted
            self._names.pop(function_id, None)

    def _settle(self, function_id: str) -> None:
        succeeded = self._succeeded.pop(function_id)
        if (counts := self._of(function_id)) is not None:
            counts.add_successes(succeeded)

    def _of(self, function_id: str) -> Counts | None:
        """None if there was never such a function: whoever called it was told so."""
        name = self._names.get(function_id)
        if name is None:
            return None
        counts = self._counts.get(name)
        if counts is None:
            counts = self._counts[name] = Counts()
        return counts
