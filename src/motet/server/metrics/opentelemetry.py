"""A server's numbers for OpenTelemetry, where the program or its environment wants them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from motet.client.tracing import EXPORT_TIMEOUT, export_timeout, exporter_class, is_asked_for, resource_attributes
from motet.model.version import VERSION
from motet.server import facts
from motet.server.metrics.catalogue import METRICS, Metric
from motet.server.metrics.metrics import Metrics

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, Meter, Observation

PATIENCE = 2.0
"""Seconds that the loop has to answer an exporter."""

Values = list[tuple[tuple[str, ...], float]]


class MeteredServer:
    """Has the meter provider's exporters read a server's numbers, from the first app to `close`."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        self._provider: Any = None

    def told(self, fact: facts.Fact) -> None:
        """See `Driver.listen`. When an app starts: look whether somebody wants them, and count from then on."""
        if isinstance(fact, facts.AppStarted) and self._provider is None:
            self._begin(fact.name)

    def _begin(self, service: str) -> None:
        provider = _provider(service)
        if provider is None:
            return
        self._provider = provider
        self._metrics.begin()
        meter: Meter = provider.get_meter("motet", VERSION)
        for metric in METRICS:
            self._register(meter, metric)

    async def close(self) -> None:
        """Send the last numbers; nothing is read afterwards."""
        provider, self._provider = self._provider, None
        if provider is not None and hasattr(provider, "force_flush"):
            # On a thread: the exporter's callbacks wait for this loop.
            await asyncio.to_thread(provider.force_flush, EXPORT_TIMEOUT * 1000)
        self._loop = None  # type: ignore[assignment]

    def _register(self, meter: Meter, metric: Metric) -> None:
        name, unit = instrument_of(metric)
        make = meter.create_observable_gauge if metric.kind == "gauge" else meter.create_observable_counter
        make(name, [self._observing(metric)], unit, metric.meaning)

    def _observing(self, metric: Metric) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observe(options: CallbackOptions) -> Iterable[Observation]:
            from opentelemetry.metrics import Observation

            labels = [f"motet.{label}" for label in metric.labels]
            return [Observation(value, dict(zip(labels, values, strict=True))) for values, value in self._read(metric)]

        return observe

    def _read(self, metric: Metric) -> Values:
        """The values now; from an exporter's thread."""
        answer: Future[Values] = Future()

        def read() -> None:
            answer.set_result(self._values(metric))

        try:
            self._loop.call_soon_threadsafe(read)
            return answer.result(PATIENCE)
        except (AttributeError, RuntimeError, TimeoutError):  # the server is at its end
            return []

    def _values(self, metric: Metric) -> Values:
        if metric.kind == "gauge":
            return [*self._metrics.gauges().values.get(metric, [])]
        if metric.kind == "counter":
            return [*self._metrics.counters().values.get(metric, [])]
        return [(labels, it.sum) for labels, it in self._metrics.histograms().values.get(metric, [])]


def instrument_of(metric: Metric) -> tuple[str, str]:
    """A metric's name and unit by OpenTelemetry's conventions. Of a histogram there is the sum: instruments that are
    observed have no buckets.

    >>> from motet.server.metrics.catalogue import QUEUED, WAITING
    >>> instrument_of(WAITING), instrument_of(QUEUED)
    (('motet.inputs.waiting', '1'), ('motet.input.queue.time', 's'))
    """
    name = metric.name.replace("_", ".")
    return (f"{name.removesuffix('.seconds')}.time", "s") if metric.kind == "histogram" else (name, "1")


def _provider(service: str) -> Any:
    """The program's meter provider; one that sends where the environment says if it has none; None if nobody wants one."""
    asked = is_asked_for("metrics")
    if not (asked or "opentelemetry.metrics" in sys.modules):
        return None
    try:
        from opentelemetry import metrics
        from opentelemetry.sdk.metrics import MeterProvider
    except ImportError:
        return None
    if isinstance(metrics.get_meter_provider(), MeterProvider):
        return metrics.get_meter_provider()
    return _made(service) if asked else None


def _made(service: str) -> Any:
    try:
        from opentelemetry import metrics
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
        from opentelemetry.sdk.resources import Resource

        make = exporter_class("metrics")
    except ImportError:
        return None
    reader = PeriodicExportingMetricReader(make(timeout=export_timeout("metrics")))
    provider = MeterProvider([reader], Resource.create(resource_attributes(service)))
    metrics.set_meter_provider(provider)
    return provider
