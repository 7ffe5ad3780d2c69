"""A server's numbers as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector, make_asgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from motet.model.version import VERSION
from motet.server.metrics.catalogue import METRICS, Metric
from motet.server.metrics.metrics import Metrics


class ServerCollector(Collector):
    """Reads a server's numbers when it is scraped."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def describe(self) -> list[Family]:
        """Without looking: the server may not have started."""
        return [_family(metric) for metric in METRICS]

    def collect(self) -> Iterator[Family]:
        """All families, those without a value too."""
        build = GaugeMetricFamily("motet_build_info", "The version of Motet that runs; always 1", labels=["version"])
        build.add_metric([VERSION], 1)
        yield build
        values = {**self._metrics.gauges().values, **self._metrics.counters().values}
        histograms = self._metrics.histograms().values
        for metric in METRICS:
            family = _family(metric)
            for labels, value in values.get(metric, ()):
                family.add_metric(labels, value)
            for labels, histogram in histograms.get(metric, ()):
                buckets = [("+Inf" if bound == inf else str(bound), n) for bound, n in histogram.cumulative()]
                family.add_metric(labels, buckets, histogram.sum)
            yield family


def _family(metric: Metric) -> Any:
    match metric.kind:
        case "gauge":
            return GaugeMetricFamily(metric.name, metric.meaning, labels=metric.labels, unit=metric.unit)
        case "counter":
            return CounterMetricFamily(metric.name, metric.meaning, labels=metric.labels, unit=metric.unit)
        case "histogram":
            return HistogramMetricFamily(metric.name, metric.meaning, labels=metric.labels, unit=metric.unit)


def registry_of(metrics: Metrics) -> CollectorRegistry:
    """What is exported: the server's numbers, and those of its process (CPU, memory, open files)."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(ServerCollector(metrics))
    ProcessCollector(registry=registry)
    return registry


def metrics_app(metrics: Metrics) -> Any:
    """An ASGI app that answers every request with all numbers, as text of Prometheus or OpenMetrics. To run on the
    server's loop."""
    return make_asgi_app(registry_of(metrics))
