"""The port where a server's metrics are served, if it has one for them."""

from __future__ import annotations

import socket
from collections.abc import Collection
from typing import Any

from motet.errors import ServiceError
from motet.server.http.config import WebConfig
from motet.server.http.listener import Listener, listening_socket
from motet.server.http.own_names import OwnNames
from motet.server.metrics.config import MetricsConfig
from motet.server.metrics.metrics import Metrics


class MetricsEndpoint:
    """Answers scrapes on the server's loop, from `open` to `close`."""

    def __init__(self, config: MetricsConfig, metrics: Metrics, names: Collection[str] = ()) -> None:
        """`names`: by which it is asked for, beside the usual ones."""
        self._config = config
        self._names = OwnNames((config.host, *names))
        self._metrics = metrics
        self._listener: Listener | None = None

    def open(self) -> str:
        """Listen, and count from now on. The URL to scrape. Raises `ServiceError`."""
        self._listener = Listener(
            WebConfig(),
            _AskedByName(load_app(self._metrics), self._names),
            user="metrics",
            extra="metrics",
            websockets=False,
        )
        url = self._listener.add(self._socket())
        self._metrics.begin()
        return f"{url}/metrics"

    async def close(self) -> None:
        """Stop listening. Idempotent."""
        if self._listener is not None:
            await self._listener.close()

    def _socket(self) -> socket.socket:
        host, port = self._config.host, self._config.port
        try:
            return listening_socket(host, port)
        except OSError as error:
            raise ServiceError(
                f"cannot serve metrics on {host}:{port}: {error}. Set MOTET_METRICS_PORT to a free port, or to 0 for any, and "
                "MOTET_METRICS_HOST to an address of this machine."
            ) from error


def load_app(metrics: Metrics, extra: str = "metrics") -> Any:
    """The app that answers scrapes. Raises `ServiceError` if a package is missing that `extra` brings."""
    # Late: only servers that are scraped need it.
    try:
        from motet.server.metrics.prometheus import metrics_app
    except ImportError as error:
        raise ServiceError(f"metrics need more packages: pip install 'motet[{extra}]' ({error})") from error
    return _AtMetrics(metrics_app(metrics))


class _AskedByName:
    """Refuses whoever asks an app by a name that is not the server's: a page in a browser of this machine, to which the name of
    its own site was made to lead here."""

    def __init__(self, app: Any, names: OwnNames) -> None:
        self._app = app
        self._names = names

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1") if scope["type"] == "http" else ""
        if scope["type"] != "http" or self._names.knows(host):
            await self._app(scope, receive, send)
            return
        text = (
            f"this server is not known as {host!r}: ask it by an address, as localhost, or by a name in MOTET_NAMES\n"
        )
        await send({"type": "http.response.start", "status": 421, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": text.encode()})


class _AtMetrics:
    """Has an app asked where scrapers expect it, and nowhere else."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] == "/metrics" and scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 404, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"metrics are at /metrics\n"})
