"""The span of each attempt: current while the user's code runs, so that its own spans and its calls lie within."""

from __future__ import annotations

from typing import TYPE_CHECKING

from motet.client import tracing
from motet.context.container import current_container_id
from motet.model.function import FunctionSpec
from motet.model.ids import input_id
from motet.model.outcome import AttemptEnd, Delivery
from motet.runtime.attempts.attempt import RunningAttempt
from motet.runtime.attempts.batch import BatchDelivery, BatchEnd
from motet.runtime.web.request import WebRequest

if TYPE_CHECKING:
    from opentelemetry.trace import Link, Span, Tracer


class AttemptSpans:
    """Makes them. Looks once whether anybody wants them, when the user's code has been imported and entered."""

    def __init__(self, tracer: Tracer, spec: FunctionSpec) -> None:
        self._tracer = tracer
        self._app = spec.app_name
        self._function = spec.name

    @classmethod
    def wanted(cls, spec: FunctionSpec) -> AttemptSpans | None:
        """None where the container has no tracer provider."""
        tracer = tracing.tracer(spec.app_name)
        return None if tracer is None else cls(tracer, spec)

    def begin(self, attempt: RunningAttempt) -> Span:
        """An attempt begins. Its span is current from now on in this context, which is to be the attempt's own; if it is a web
        request, the app's spans lie within, too."""
        from opentelemetry.context import attach
        from opentelemetry.trace import SpanKind, set_span_in_context

        delivery = attempt.delivery
        name = f"{self._function}.{delivery.method}" if delivery.method else self._function
        members = delivery.members if isinstance(delivery, BatchDelivery) else [delivery]
        span = self._tracer.start_span(
            f"run {name}",
            context=tracing.context_of(delivery.trace),
            kind=SpanKind.CONSUMER,
            links=[_link(member) for member in members[1:] if member.trace],
            attributes={
                "motet.app": self._app,
                "motet.function": name,
                "motet.call_id": delivery.call_id,
                "motet.input_id": input_id(delivery.call_id, delivery.index),
                "motet.container_id": current_container_id() or "",
                "motet.attempt": delivery.attempt,
                **({"motet.batch_size": len(members)} if isinstance(delivery, BatchDelivery) else {}),
            },
        )
        attach(set_span_in_context(span))
        if isinstance(attempt.window, WebRequest):
            attempt.window.trace = tracing.header_of(span)
        return span

    def end(self, span: Span, end: AttemptEnd) -> None:
        """It has ended so. A batch as its first member did."""
        first = end.members[0] if isinstance(end, BatchEnd) else end
        tracing.set_outcome(span, first.kind, first.payload)
        span.end()


def _link(member: Delivery) -> Link:
    from opentelemetry.trace import Link, get_current_span

    return Link(get_current_span(tracing.context_of(member.trace)).get_span_context())
