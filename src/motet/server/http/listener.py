"""Listening for HTTP on this machine: uvicorn, on the server's own loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator
from typing import Any

from motet.errors import ServiceError

HOST = "127.0.0.1"
BACKLOG = 2048
GRACE = 1
"""Seconds that open connections have to come to an end when the server stops."""
MAX_WEBSOCKET_BYTES = 16 * 1024 * 1024


class Listener:
    """Has an ASGI app serve requests on 127.0.0.1, from `open` to `close`."""

    def __init__(self, port: int, app: Any) -> None:
        self._port = port
        self._app = app
        self._base: str | None = None
        self._server: Any = None
        self._task: asyncio.Task[None] | None = None

    def open(self) -> str:
        """Listen; idempotent. The URL, without a slash at its end. Raises `ServiceError`."""
        if self._base is None:
            self._server = self._uvicorn()
            listening = _listen(self._port)
            self._task = asyncio.get_running_loop().create_task(self._server.serve(sockets=[listening]))
            self._base = f"http://{HOST}:{listening.getsockname()[1]}"
        return self._base

    async def close(self) -> None:
        """Stop listening; connections still open are cut off after a moment."""
        if self._task is not None:
            self._server.should_exit = True
            await self._task
            self._task = None

    def _uvicorn(self) -> Any:
        # Late: only programs with web functions need it.
        try:
            import uvicorn
        except ImportError as error:
            raise ServiceError(f"web functions need more packages: pip install 'motet[web]' ({error})") from error

        class Server(uvicorn.Server):
            @contextlib.contextmanager
            def capture_signals(self) -> Iterator[None]:
                yield  # Ctrl-C belongs to the program

        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # apps' errors are in their containers' output
        config = uvicorn.Config(
            self._app,
            loop="none",
            ws="websockets-sansio",
            ws_per_message_deflate=False,
            ws_max_size=MAX_WEBSOCKET_BYTES,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            backlog=BACKLOG,
            timeout_graceful_shutdown=GRACE,
        )
        return Server(config)


def _listen(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise ServiceError(
            f"cannot take requests on {HOST}:{port}: {error}. Set MOTET_WEB_PORT to a free port, or to 0 for any."
        ) from error
    listening.setblocking(False)
    return listening
