"""Listening for HTTP: uvicorn, on the server's own loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any

from motet.errors import ServiceError
from motet.server.http.config import WebConfig
from motet.server.request_log import logged

HERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Where a listener on all addresses is reached from this machine."""
BACKLOG = 2048
GRACE = 1
"""Seconds that open connections have to come to an end when the server stops."""
STALL_SECONDS = 60.0
"""How long a client may take nothing of what waits for it."""
MAX_WEBSOCKET_BYTES = 16 * 1024 * 1024


class Listener:
    """Has an ASGI app serve requests on any number of sockets, until `close`.

    `user` and `extra`: for whom it is, and the extra with the packages that it needs, for messages. `websockets`: whether it
    takes them, or what makes the class that does.
    """

    def __init__(
        self,
        config: WebConfig,
        app: Any,
        *,
        user: str = "web functions",
        extra: str = "web",
        websockets: bool | Callable[[], Any] = True,
    ) -> None:
        self._config = config
        self._app = logged(app, user)
        self._user = user
        self._extra = extra
        self._websockets = websockets
        self._server: Any = None
        self._task: asyncio.Task[None] | None = None
        self._sockets: dict[int, asyncio.Task[asyncio.Server]] = {}

    def start(self) -> None:
        """Get ready; idempotent. Raises `ServiceError` for packages that are missing and certificates that are none."""
        if self._server is None:
            self._server = self._uvicorn()
            self._task = asyncio.get_running_loop().create_task(self._server.serve(sockets=[]))

    def add(self, listening: socket.socket) -> str:
        """Take what comes in there. The URL, without a slash at its end. Raises `ServiceError` as `start` does."""
        self.start()
        host, port = listening.getsockname()[:2]
        self._sockets[port] = asyncio.get_running_loop().create_task(self._accept(listening))
        host = HERE.get(host, host)
        scheme = "https" if self._config.tls_certificate else "http"
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    def new_protocol(self, state: dict[str, Any]) -> asyncio.Protocol:
        """What takes over a connection that is there already. `state`: what requests on it have in their scope's. Raises
        `ServiceError` as `start` does."""
        self.start()
        return self._protocol(state)

    @property
    def count(self) -> int:
        """Connections that are open."""
        return 0 if self._server is None else len(self._server.server_state.connections)

    def make_room(self) -> bool:
        """End the connection on which nobody has been answered for longest; whether there was one. Who only holds a connection
        open must not keep others out."""
        from motet.server.http.bounded_http import BoundedHttp

        free = [
            each for each in self._server.server_state.connections if isinstance(each, BoundedHttp) and each.is_free
        ]
        if not free:
            return False
        min(free, key=lambda each: each.free_since).transport.close()
        return True

    def _protocol(self, state: dict[str, Any]) -> asyncio.Protocol:
        config, loop = self._server.config, asyncio.get_running_loop()
        made: asyncio.Protocol = config.http_protocol_class(
            config=config, server_state=self._server.server_state, app_state=state, _loop=loop
        )
        return made

    async def _accept(self, listening: socket.socket) -> asyncio.Server:
        return await asyncio.get_running_loop().create_server(
            lambda: self._protocol({}), sock=listening, ssl=self._server.config.ssl, backlog=BACKLOG
        )

    def remove(self, port: int) -> None:
        """Take no more connections there; those that are open go on."""
        self._sockets.pop(port).add_done_callback(lambda task: task.result().close())

    async def close(self) -> None:
        """Stop listening; connections still open are cut off after a moment."""
        for port in list(self._sockets):
            self.remove(port)
        if self._task is not None:
            self._server.should_exit = True
            await self._task
            self._task = None

    def _uvicorn(self) -> Any:
        # Late: only programs with web functions need it.
        try:
            import uvicorn

            from motet.server.http.bounded_http import BoundedHttp
            from motet.server.http.quiet_uvicorn import QuietConfig, Silence

            websockets: Any = "none"
            if callable(self._websockets):
                websockets = self._websockets()
            elif self._websockets:
                from motet.server.http.bounded_websocket import BoundedWebSocket as websockets  # noqa: N813
        except ImportError as error:
            raise ServiceError(
                f"{self._user} need more packages: pip install 'motet[{self._extra}]' ({error})"
            ) from error

        class QuietServer(uvicorn.Server):
            @contextlib.contextmanager
            def capture_signals(self) -> Iterator[None]:
                """Around all that it does. Captures none: Ctrl-C belongs to the program."""
                with Silence():  # also ends with a loop that ends before `close`
                    yield

        config = QuietConfig(
            self._app,
            loop="none",
            http=BoundedHttp,
            ws=websockets,
            ws_per_message_deflate=False,
            ws_max_size=MAX_WEBSOCKET_BYTES,
            lifespan="off",
            server_header=False,
            proxy_headers=False,  # the ingress does it
            ssl_certfile=self._config.tls_certificate,
            ssl_keyfile=self._config.tls_key,
            backlog=BACKLOG,
            timeout_keep_alive=self._config.keep_alive,  # type: ignore[arg-type]  # seconds, for a timer
            timeout_graceful_shutdown=GRACE,
        )
        try:
            config.load()
        except OSError as error:  # those of TLS are among them
            raise ServiceError(
                f"cannot use the TLS certificate {self._config.tls_certificate}"
                f"{f' with the key {self._config.tls_key}' if self._config.tls_key else ''}: {error}"
            ) from error
        return QuietServer(config)


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises `OSError`."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, _, _, address = found[0]
    listening = socket.socket(family, kind)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    listening.setblocking(False)
    bound_stalls(listening)
    return listening


def first_socket(host: str, port: int) -> socket.socket:
    """A socket that listens where web functions are to be reached. Raises `ServiceError`, which says what to do."""
    try:
        return listening_socket(host, port)
    except OSError as error:
        raise ServiceError(
            f"cannot take requests on {host}:{port}: {error}. Set MOTET_WEB_PORT to a free port, or to 0 for any, and "
            "MOTET_WEB_HOST to an address of this machine."
        ) from error


def bound_stalls(listening: socket.socket, seconds: float = STALL_SECONDS) -> None:
    """Have the system break connections from a listening socket off when the client takes nothing for so long."""
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; accepted sockets inherit it
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1000))
