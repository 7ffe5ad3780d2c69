"""Traces of OpenTelemetry: whether the program wants any, and the span of a call. Where it wants none, nothing is imported."""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from motet.model.outcome import InputEnd, OutcomeKind
from motet.wire import report

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer

EXPORT_TIMEOUT = 3.0
"""Seconds that a collector has to take what is sent, if the environment does not say. A program, and each container, waits
that long at its end for one that does not answer."""

Signal = Literal["traces", "metrics"]

_lock = threading.Lock()
_looked = False
_tracer: Tracer | None = None

Way = Literal["call", "stream", "map", "spawn"]


def tracer(service: str) -> Tracer | None:
    """What makes Motet's spans; None while the program has no tracer provider.

    If it has none when this is first called, and the environment names where spans are to go, it gets one; its spans are
    those of `service` if the environment does not say otherwise.
    """
    global _looked, _tracer
    if _tracer is not None:
        return _tracer
    if not _looked:
        with _lock:
            if not _looked:
                _provide(service)
                _looked = True
    if "opentelemetry.trace" not in sys.modules:
        return None
    from opentelemetry import trace

    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider | trace.NoOpTracerProvider):
        _tracer = trace.get_tracer("motet")
    return _tracer


def _provide(service: str) -> None:
    if not is_asked_for("traces"):
        return
    try:
        from opentelemetry import trace
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        make = exporter_class("traces")
    except ImportError:
        return  # such variables are often set for all programs of a machine: they are no wish for traces of this one
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        provider = TracerProvider(resource=Resource.create(resource_attributes(service)))
        provider.add_span_processor(BatchSpanProcessor(make(timeout=export_timeout("traces"))))
        trace.set_tracer_provider(provider)  # at the process's end it sends what it has


def is_asked_for(signal: Signal) -> bool:
    """Whether the environment names where spans or numbers are to go, and does not forbid it."""
    env = os.environ
    if env.get("OTEL_SDK_DISABLED", "").lower() == "true" or env.get(f"OTEL_{signal.upper()}_EXPORTER") == "none":
        return False
    return bool(_variable(signal, "ENDPOINT"))


def exporter_class(signal: Signal) -> Any:
    """What sends them by OTLP. Raises `ImportError` without its package."""
    kind = "grpc" if _variable(signal, "PROTOCOL") == "grpc" else "http"
    module, name = ("trace", "Span") if signal == "traces" else ("metric", "Metric")
    found = importlib.import_module(f"opentelemetry.exporter.otlp.proto.{kind}.{module}_exporter")
    return getattr(found, f"OTLP{name}Exporter")


def export_timeout(signal: Signal) -> float | None:
    """Seconds for it to send what it has; None if the environment says."""
    return None if _variable(signal, "TIMEOUT") else EXPORT_TIMEOUT


def _variable(signal: Signal, name: str) -> str | None:
    env = os.environ
    return env.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_{name}") or env.get(f"OTEL_EXPORTER_OTLP_{name}")


def resource_attributes(service: str) -> dict[str, str]:
    """What tells this process from others, beside what the environment says."""
    given = os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    named = os.environ.get("OTEL_SERVICE_NAME") or "service.name=" in given
    attributes = {} if named else {"service.name": service}
    if container_id := os.environ.get("MOTET_CONTAINER_ID"):
        attributes["service.instance.id"] = container_id
    elif "service.instance.id=" not in given:
        attributes["service.instance.id"] = _instance_id()  # older releases of OpenTelemetry add none themselves
    return attributes


@functools.cache
def _instance_id() -> str:
    return os.urandom(16).hex()


# --- from process to process ------------------------------------------------------------------------------------------


def header_of(span: Span) -> str:
    """A span as the `traceparent` of W3C, for those who continue its trace."""
    from opentelemetry.trace import set_span_in_context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier, set_span_in_context(span))
    return carrier.get("traceparent", "")


def context_of(header: str) -> Context:
    """The context of a `traceparent`; an empty one if it is none."""
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract({"traceparent": header}, Context())


def set_outcome(span: Span, kind: OutcomeKind, payload: bytes) -> None:
    """Say on a span how an input or an attempt ended; a failure with its traceback."""
    from opentelemetry.trace import Status, StatusCode

    span.set_attribute("motet.outcome", kind.name.lower())
    if kind is OutcomeKind.SUCCESS or not span.is_recording():
        return
    found = report.read(payload)
    span.add_event(
        "exception",
        {
            "exception.type": found.type_name,
            "exception.message": found.message,
            "exception.stacktrace": found.traceback,
        },
    )
    span.set_status(Status(StatusCode.ERROR, f"{found.type_name}: {found.message}"))


# --- a call -----------------------------------------------------------------------------------------------------------


class CallSpan:
    """The span of one call, from its making to its end for the caller. `header`: what its inputs continue."""

    __slots__ = ("_span", "header")

    def __init__(self, span: Span) -> None:
        self._span = span
        self.header = header_of(span)

    def end(self, ended: InputEnd | Exception | None = None) -> None:
        """The caller is through with it, with this outcome if it had one. Idempotent."""
        if not self._span.is_recording():
            return
        if isinstance(ended, Exception):
            self._span.record_exception(ended)
        elif ended is not None:
            set_outcome(self._span, ended.kind, ended.payload)
        self._span.end()


def begin(way: Way, app: str, function: str, call_id: str = "") -> CallSpan | None:
    """The span of a call that is about to be made, within whatever span is current; None where no one wants traces."""
    source = tracer(app)
    if source is None:
        return None
    from opentelemetry.trace import SpanKind

    attributes = {"motet.app": app, "motet.function": function}
    if call_id:
        attributes["motet.call_id"] = call_id
    kind = SpanKind.PRODUCER if way == "spawn" else SpanKind.CLIENT
    return CallSpan(source.start_span(f"{way} {function}", kind=kind, attributes=attributes))


@contextlib.contextmanager
def span_of(traced: CallSpan | None) -> Iterator[str]:
    """Ends the span of a call that nobody waits for when its inputs have been accepted; gives their `header`."""
    try:
        yield header(traced)
    finally:
        if traced is not None:
            error = sys.exception() if sys.version_info >= (3, 11) else None
            traced.end(error if isinstance(error, Exception) else None)


def header(traced: CallSpan | None) -> str:
    """What goes with a call's inputs."""
    return "" if traced is None else traced.header
