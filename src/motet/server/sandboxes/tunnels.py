"""Tunnels to ports of sandboxes: they speak TLS in place of the program there, and end with the sandbox."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from motet.server.sandboxes.known_sandbox import KnownSandbox
from motet.server.self_made import self_made_certificate
from motet.wire import sandbox_messages as m

HOST = "127.0.0.1"
MOST_CONNECTIONS = 256
"""Beyond that, connections are closed."""
PATIENCE = 10.0
"""Seconds for the port to take a connection, and for a client to shake hands."""
_CHUNK = 64 * 1024


class Tunnels:
    """Those of a server. Its certificate is made when it is first needed, and goes with the server. `now` is the wall clock;
    `most`: connections through the tunnels of one sandbox at once."""

    def __init__(self, now: Callable[[], float], most: int = MOST_CONNECTIONS) -> None:
        self._now = now
        self._most = most
        self._certificate = ""
        self._contexts: dict[bool, ssl.SSLContext] = {}
        """By whether they are for HTTP/2."""
        self._making = asyncio.Lock()
        self._open: dict[str, asyncio.Task[dict[int, int]]] = {}

    async def prepare(self) -> None:
        """Have a certificate. Raises `ServiceError` where none can be made."""
        async with self._making:
            if not self._certificate:
                self._certificate, self._contexts = await asyncio.to_thread(_made, self._now())

    async def open(self, sandbox: KnownSandbox) -> m.TunnelsOpened:
        """Where its ports are reached over TLS. Idempotent. Raises `ServiceError`."""
        await self.prepare()
        opening = self._open.get(sandbox.sandbox_id)
        if sandbox.ended:
            return m.TunnelsOpened({}, self._certificate)
        if opening is None:
            opening = self._open[sandbox.sandbox_id] = asyncio.get_running_loop().create_task(self._listen(sandbox))
        return m.TunnelsOpened(await asyncio.shield(opening), self._certificate)

    async def _listen(self, sandbox: KnownSandbox) -> dict[int, int]:
        found, spec, connections, servers = {}, sandbox.note.spec, _Connections(self._most), list[asyncio.Server]()

        def close() -> None:
            self._open.pop(sandbox.sandbox_id, None)
            for server in servers:
                server.close()
            connections.close()

        sandbox.at_end.append(close)
        for port in (*spec.encrypted_ports, *spec.h2_ports):
            server = await asyncio.start_server(
                partial(connections.accepted, port),
                HOST,
                0,
                ssl=self._contexts[port in spec.h2_ports],
                ssl_handshake_timeout=PATIENCE,
                limit=_CHUNK,
            )
            servers.append(server)
            found[port] = server.sockets[0].getsockname()[1]
        if sandbox.ended:  # meanwhile
            close()
        return found


class _Connections:
    """Through the tunnels of one sandbox."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._relays: set[asyncio.Task[None]] = set()
        self._is_closed = False

    async def accepted(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One more: what one end sends goes to the other, as fast as that takes it."""
        relay = asyncio.current_task()
        assert relay is not None
        if self._is_closed or len(self._relays) >= self._most:
            writer.transport.abort()
            return
        self._relays.add(relay)
        inner: asyncio.StreamWriter | None = None
        try:
            async with asyncio.timeout(PATIENCE):
                inner_reader, inner = await asyncio.open_connection(HOST, port, limit=_CHUNK)
            async with asyncio.TaskGroup() as both:
                both.create_task(_copy(reader, inner))
                both.create_task(_copy(inner_reader, writer))
        except (OSError, TimeoutError, ExceptionGroup):  # nothing listens there, or one end is gone: so is the other
            pass
        except asyncio.CancelledError:  # the sandbox is over
            writer.transport.abort()
        finally:
            self._relays.discard(relay)
            for each in (writer, inner):
                if each is not None:
                    each.close()

    def close(self) -> None:
        """End them all."""
        self._is_closed = True
        for relay in list(self._relays):
            relay.cancel()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
    with contextlib.suppress(OSError):
        if writer.can_write_eof():
            writer.write_eof()
        else:  # TLS does not end in one direction alone
            writer.close()


def _made(now: float) -> tuple[str, dict[bool, ssl.SSLContext]]:
    with tempfile.TemporaryDirectory(prefix="motet-") as directory:
        certificate, key = self_made_certificate(Path(directory), "localhost", now)
        contexts = {}
        for is_http2 in (False, True):
            context = contexts[is_http2] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.load_cert_chain(certificate, key)
            context.set_alpn_protocols(["h2"] if is_http2 else ["http/1.1"])
        return certificate.read_text(), contexts
