"""From a host to its server: connections over TLS (plain TCP on one machine), for the agent and each of its containers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from pathlib import Path

from motet.client.addresses import endpoint
from motet.client.certificate import checked_fingerprints, is_same_fingerprint, key_fingerprint
from motet.client.socket_path import socket_path
from motet.client.tls import context_for
from motet.errors import ConnectionError

DIAL_TIMEOUT = 10.0
"""Seconds in which a connection has to come about, TLS included."""

MOST_RELAYED = 10_000
"""Connections of containers at the same time: each has two, and one for each process of its own that makes calls."""

KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
"""Seconds, and a number: after 25 s without a word of the server's machine, a connection with nothing to say ends, too."""

_CHUNK_BYTES = 256 * 1024

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class ServerLine:
    """Where the server is: an address of `tls:`, `tcp:` or `insecure-tcp:`, and the fingerprint of its key if it is known by
    that."""

    def __init__(self, address: str, fingerprint: str = "") -> None:
        self.address = address
        self._fingerprint = fingerprint
        self._to = endpoint(address)
        if self._to.websocket_path:
            raise ConnectionError(f"a host joins over tls:HOST:PORT, and not by a WebSocket ({address})")

    async def dial(self) -> Streams:
        """A connection. Raises `ConnectionError`, which says what is wrong."""
        try:
            async with asyncio.timeout(DIAL_TIMEOUT):
                reader, writer = await asyncio.open_connection(
                    self._to.host,
                    self._to.port,
                    ssl=context_for(self._fingerprint) if self._to.tls else None,
                    server_hostname=self._to.host if self._to.tls else None,
                )
        except TimeoutError:
            raise ConnectionError(f"no connection to the server at {self.address} within {DIAL_TIMEOUT:g} s") from None
        except (OSError, ssl.SSLError) as error:
            raise ConnectionError(f"no connection to the server at {self.address}: {error}") from error
        try:
            _tune(writer.get_extra_info("socket"))
            self._check_key(writer)
        except BaseException:
            writer.close()
            raise
        return reader, writer

    def _check_key(self, writer: asyncio.StreamWriter) -> None:
        if not self._fingerprint or not self._to.tls:
            return
        certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        found = key_fingerprint(certificate) if certificate else "none"
        expected = checked_fingerprints(self._fingerprint, "fingerprint")
        if not any(is_same_fingerprint(found, each) for each in expected):
            raise ConnectionError(
                f"no connection to the server at {self.address}: its key has the fingerprint {found}, and not "
                f"{' or '.join(expected)}"
            )


def _tune(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class Relay:
    """A socket at `path` that containers of this host take for their server's: each connection goes on over one of its own."""

    def __init__(self, line: ServerLine, path: Path) -> None:
        self.address = f"unix:{path}"
        self._line = line
        self._path = path
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Listen."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with socket_path(str(self._path)) as short:
            sock.bind(short)
        os.chmod(self._path, 0o600)
        self._server = await asyncio.start_unix_server(self._connected, sock=sock)

    async def close(self) -> None:
        """No more connections, and those that are open end. Idempotent."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._open) >= MOST_RELAYED:
            writer.close()
            return
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        try:
            there_reader, there_writer = await self._line.dial()
        except (ConnectionError, asyncio.CancelledError):
            writer.close()
            return
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(reader, there_writer, group))
                group.create_task(_pump(there_reader, writer, group))
        except* (OSError, ssl.SSLError, _Over):
            pass
        except* asyncio.CancelledError:
            pass
        finally:
            writer.close()
            there_writer.close()


class _Over(Exception):
    """One end is gone: so is the other."""


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, group: asyncio.TaskGroup) -> None:
    while data := await reader.read(_CHUNK_BYTES):
        writer.write(data)
        await writer.drain()
    with contextlib.suppress(OSError):
        await writer.drain()
    raise _Over
