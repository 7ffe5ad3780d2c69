"""The dashboard of a server, from its opening to its end."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Collection

from motet.errors import ServiceError
from motet.server.access.audit import Audit
from motet.server.access.door import Principal
from motet.server.dashboard.config import DEFAULT_PORT, DashboardConfig
from motet.server.dashboard.logins import OWNER, Logins
from motet.server.http.config import WebConfig
from motet.server.http.listener import Listener, listening_socket
from motet.server.http.own_names import OwnNames
from motet.server.metrics.endpoint import load_app
from motet.server.metrics.metrics import Metrics
from motet.server.operations import Operations


class Dashboard:
    """Serves pages about one server, on that server's loop."""

    def __init__(
        self,
        config: DashboardConfig,
        operations: Operations,
        metrics: Metrics | None = None,
        *,
        logins: Logins | None = None,
        names: Collection[str] = (),
        audit: Audit | None = None,
    ) -> None:
        """`logins`: who is let in; `names`: by which it is asked for, beside the usual ones; `audit`: is told of commands."""
        self._config = config
        self._operations = operations
        self._metrics = metrics
        self._listener: Listener | None = None
        self._url: str | None = None
        self._logins = logins or Logins(time.monotonic)
        self._names = OwnNames((config.host, *names))
        self._audit = audit
        self._end_streams: Callable[[], None] = lambda: None

    def open(self) -> str:
        """Listen; idempotent. Its URL, without a slash at the end. Raises `ServiceError`."""
        if self._url is None:
            app = self._app()
            self._listener = Listener(WebConfig(), app, user="dashboards", extra="dashboard", websockets=False)
            self._url = self._listener.add(self._socket())
        return self._url

    def invite(self, principal: Principal | None) -> tuple[str, str]:
        """Its URL, as `open` gives it, and a code that lets one browser in there within a minute, as this principal (None: as
        the user whose server it is). Raises `ServiceError`."""
        return self.open(), self._logins.new_code(principal or OWNER)

    async def close(self) -> None:
        """Stop listening. Idempotent."""
        self._end_streams()
        if self._listener is not None:
            await self._listener.close()

    def _app(self) -> object:
        # Late: only servers with a dashboard need it.
        try:
            from motet.server.dashboard.app import dashboard_app
        except ImportError as error:
            raise ServiceError(f"dashboards need more packages: pip install 'motet[dashboard]' ({error})") from error
        from motet.server.dashboard.api import Api
        from motet.server.dashboard.events import Watchers

        api = Api(self._operations)
        metrics = None
        if self._metrics is not None:
            metrics = load_app(self._metrics, extra="dashboard")
            self._metrics.begin()
        watchers = Watchers(api)
        # Streams never end by themselves, and the listener waits for them.
        self._end_streams = watchers.close
        return dashboard_app(api, watchers, self._names, self._logins, metrics, self._audit)

    def _socket(self) -> socket.socket:
        host, port = self._config.host, self._config.port
        try:
            if port is not None:
                return listening_socket(host, port)
            try:
                return listening_socket(host, DEFAULT_PORT)
            except OSError:
                return listening_socket(host, 0)
        except OSError as error:
            raise ServiceError(
                f"cannot serve the dashboard on {host}:{DEFAULT_PORT if port is None else port}: {error}. Set "
                "MOTET_DASHBOARD_PORT to a free port, or to 0 for any, and MOTET_DASHBOARD_HOST to an address of this machine."
            ) from error
