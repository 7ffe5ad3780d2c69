"""Spans of what inputs waited for: their queue, and the start of their container."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from motet.client import tracing
from motet.core.commands import Command, RecordInputs
from motet.core.events import Event
from motet.model.ids import input_id
from motet.records.inputs import InputRecord
from motet.records.pools import ContainerRecord
from motet.records.timeline import COLD_START, Phase, Span, Timeline, timeline
from motet.server import facts
from motet.server.driver import Driver
from motet.server.metrics.tally import Name

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Tracer

WAITING: tuple[Phase, ...] = ("queued", *COLD_START, "slot")


class QueueSpans:
    """An observer. Made when an input ends that is part of a trace: one for each wait for an attempt, with one in it for each
    part of its container's start. `names` says how functions are called, `containers` knows those that live."""

    def __init__(
        self,
        driver: Driver,
        names: Callable[[str], Name | None],
        containers: Mapping[str, ContainerRecord],
    ) -> None:
        self._driver = driver
        self._names = names
        self._containers = containers
        self._follows = False

    def told(self, fact: facts.Fact) -> None:
        """See `Driver.listen`. After the first input that is part of a trace it follows turns, if this program makes spans."""
        if isinstance(fact, facts.InputTraced) and not self._follows:
            name = self._names(fact.function_id)
            if name is not None and tracing.tracer(name[0]) is not None:
                self._follows = True
                self._driver.follow(self.turned)

    def turned(self, events: Sequence[Event], commands: Sequence[Command], now: float) -> None:
        """See `Driver.follow`."""
        for command in commands:
            if type(command) is RecordInputs:
                self._inputs_ended(command)

    def _inputs_ended(self, command: RecordInputs) -> None:
        traced = [record for record in command.inputs if record.trace]
        name = self._names(command.function_id) if traced else None
        tracer = None if name is None else tracing.tracer(name[0])
        if tracer is None or name is None:
            return
        for record in traced:
            attributes = {
                "motet.app": name[0],
                "motet.function": name[1],
                "motet.call_id": record.call_id,
                "motet.input_id": input_id(record.call_id, record.index),
            }
            self._tell(tracer, record, f"queue {name[1]}", attributes)

    def _tell(self, tracer: Tracer, record: InputRecord, name: str, attributes: dict[str, str]) -> None:
        context = tracing.context_of(record.trace)
        for number, wait in enumerate(waits(self._timeline(record)), 1):
            numbered: dict[str, str | int] = {
                **attributes,
                "motet.wait": number,
                "motet.container_id": wait[0].container_id,
            }
            within = _add(tracer, name, wait[0].began, wait[-1].ended, numbered, context)
            for span in wait:
                if span.phase in COLD_START:
                    _add(tracer, span.phase, span.began, span.ended, {}, within)

    def _timeline(self, record: InputRecord) -> Timeline:
        return timeline(record.later(self._driver.clock.offset), self._containers)


def waits(of: Timeline) -> list[list[Span]]:
    """What an input waited for before each of its attempts, and at the end if it never came to another one."""
    before = [[span for span in attempt.spans if span.phase in WAITING] for attempt in of.attempts]
    return [wait for wait in (*before, list(of.rest)) if wait]


def _add(
    tracer: Tracer, name: str, began: float, ended: float, attributes: Mapping[str, str | int], context: Context
) -> Context:
    """A span that is over; the context of those within it."""
    from opentelemetry.trace import set_span_in_context

    span = tracer.start_span(name, context, attributes=attributes, start_time=_nanoseconds(began))
    span.end(_nanoseconds(ended))
    return set_span_in_context(span, context)


def _nanoseconds(moment: float) -> int:
    return round(moment * 1e9)
