"""Where a server listens on its own machine: sockets for its containers, and for those who reach it from other processes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from pathlib import Path

from motet.client.socket_path import socket_path
from motet.errors import ServiceError
from motet.server.port.port import Port

Protocol = Callable[[], asyncio.BaseProtocol]

LOOPBACK = "127.0.0.1"


class Entrances:
    """The sockets that a server listens on. `make` makes what takes a new connection."""

    def __init__(self, make: Protocol) -> None:
        self._make = make
        self._servers: list[asyncio.Server | Port] = []
        self._paths: list[tuple[Path, int]] = []
        """Each with the number of its file: another server may have taken the path over."""

    async def open(self, listen: str, path: Callable[[], Path]) -> str:
        """Listen in one of these ways: "unix" (at `path`), "tcp" or "nowhere"; the address. Raises `ServiceError`."""
        if listen == "tcp":
            return await self.open_tcp()
        if listen == "unix":
            return await self.open_unix(path())
        if listen != "nowhere":
            raise ServiceError(f"cannot listen on {listen!r}: MOTET_LISTEN must be 'unix' or 'tcp'")
        return ""

    async def open_unix(self, path: Path) -> str:
        """Listen at this path, where a server that was killed may have left its socket; the address. Raises `ServiceError`."""
        try:
            bound, number = _bound(path)
            self._servers.append(await asyncio.get_running_loop().create_unix_server(self._make, sock=bound))
        except OSError as error:
            raise ServiceError(f"cannot listen on the socket {path}: {error}") from error
        self._paths.append((path, number))
        return f"unix:{path}"

    async def open_tcp(self) -> str:
        """Listen on a free port of this machine alone; the address. Raises `ServiceError`."""
        try:
            server = await asyncio.get_running_loop().create_server(self._make, LOOPBACK, 0)
        except OSError as error:
            raise ServiceError(f"cannot listen on {LOOPBACK}: {error.strerror or error}") from error
        self._servers.append(server)
        return "tcp:{}:{}".format(*server.sockets[0].getsockname())

    def open_port(self, port: Port) -> Port:
        """Have a port listen, until `close`. Raises `ServiceError`."""
        port.open()
        self._servers.append(port)
        return port

    def close(self) -> None:
        """Let nobody in any more. Idempotent."""
        for server in self._servers:
            server.close()
        self._servers.clear()
        for path, number in self._paths:
            with contextlib.suppress(OSError):
                if path.stat().st_ino == number:
                    path.unlink()
        self._paths.clear()


def _bound(path: Path) -> tuple[socket.socket, int]:
    """A socket at this path that only this user can reach, and the number of its file."""
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)
        with socket_path(str(path)) as short:
            bound.bind(short)
        path.chmod(0o600)
        return bound, path.stat().st_ino
    except BaseException:
        bound.close()
        raise
