"""Ray Serve on the loopback: no telemetry, no dashboard, no access log."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

import ray
from ray import serve
from ray.serve.schema import LoggingConfig

QUIET = LoggingConfig(log_level="ERROR", enable_access_log=False)


@contextlib.contextmanager
def ray_serve(port: int | None) -> Iterator[None]:
    """Ray with Serve, and with its HTTP proxy if there is a port for it."""
    ray.init(
        address="local",
        include_dashboard=False,
        object_store_memory=256 << 20,
        logging_level="ERROR",
        log_to_driver=False,
    )
    try:
        if port is None:
            serve.start(proxy_location="Disabled", logging_config=QUIET)
        else:
            http = {"host": "127.0.0.1", "port": port}
            serve.start(proxy_location="HeadOnly", http_options=http, logging_config=QUIET)
        yield
    finally:
        serve.shutdown()
        ray.shutdown()
