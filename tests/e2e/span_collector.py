"""Takes spans as a collector of OpenTelemetry does, over HTTP on this machine."""

from __future__ import annotations

import contextlib
import gzip
import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Taken:
    """A span, and what its process says of itself."""

    span: Any
    process: dict[str, str]

    @property
    def name(self) -> str:
        return str(self.span.name)

    @property
    def attributes(self) -> dict[str, Any]:
        return {it.key: getattr(it.value, it.value.WhichOneof("value")) for it in self.span.attributes}


class Collector:
    """What has come until now."""

    def __init__(self) -> None:
        self.spans: list[Taken] = []
        self.metrics: dict[str, list[Any]] = {}
        """The newest points by name."""
        self.url = ""

    def take(self, path: str, body: bytes) -> None:
        if path == "/v1/traces":
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                process = {it.key: it.value.string_value for it in resource.resource.attributes}
                self.spans += [Taken(span, process) for scope in resource.scope_spans for span in scope.spans]
        else:
            for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                for metric in (metric for scope in resource.scope_metrics for metric in scope.metrics):
                    self.metrics[metric.name] = list(getattr(metric, metric.WhichOneof("data")).data_points)

    def the(self, name: str) -> Taken:
        """The one span of this name."""
        (found,) = [it for it in self.spans if it.name == name]
        return found

    def within(self, outer: Taken) -> list[str]:
        """The names of the spans that lie right in one."""
        return sorted(it.name for it in self.spans if it.span.parent_span_id == outer.span.span_id)


@contextlib.contextmanager
def collecting() -> Iterator[Collector]:
    """A collector that takes what is sent to its `url`."""
    collector = Collector()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            collector.take(self.path, gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Says nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        collector.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()
