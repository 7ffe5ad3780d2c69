"""The port: listens, speaks TLS if it is to, and hands connections on by what they begin with."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

from motet.client.streams import keep_alive
from motet.errors import ServiceError
from motet.server.driver import logger
from motet.server.peers import HELLO_TIMEOUT, Strangers
from motet.server.port.config import PortConfig
from motet.server.port.first_bytes import COUNT, LINGER, is_tls, refusal
from motet.server.port.server_tls import LOOK_INTERVAL, ServerTls

BACKLOG = 1024
AT_ONCE = 100
"""Connections that are taken in one turn of the loop."""
CLOSING_TIMEOUT = 5.0
"""Seconds that the other end has to say goodbye in TLS."""
FULL_PAUSE = 1.0
"""Seconds to wait when the process can have no more files."""
TELL_INTERVAL = 10.0
"""Seconds between two lines about connections that came to nothing."""
UNACKNOWLEDGED = 300.0
"""Seconds that what was sent may be unacknowledged, or not taken, until a machine counts as gone."""

_NO_MORE_FILES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Port:
    """One of a server. `make` makes what takes a connection. Raises `ServiceError`."""

    def __init__(
        self,
        config: PortConfig,
        strangers: Strangers,
        make: Callable[[], asyncio.BaseProtocol],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._strangers = strangers
        self._make = make
        self.address = ""
        """Once it is open."""
        self._listening: socket.socket | None = None
        self._pause: asyncio.TimerHandle | None = None
        self._newcomers: set[asyncio.Task[None]] = set()
        self._look: asyncio.TimerHandle | None = None
        self._failures = 0
        self._told_at = float("-inf")
        self.tls = ServerTls(config, now) if config.speaks_tls else None
        """Its certificate, if it speaks TLS."""

    def open(self) -> str:
        """Listen; the address. Raises `ServiceError`."""
        self._listening = _listening_socket(self._config.host, self._config.port)
        asyncio.get_running_loop().add_reader(self._listening, self._accept)
        if self.tls is not None:
            self._look_later()
        port = self._listening.getsockname()[1]
        host = f"[{self._config.host}]" if ":" in self._config.host else self._config.host
        kind = "tls" if self.tls is not None else "insecure-tcp" if self._config.insecure else "tcp"
        self.address = f"{kind}:{host}:{port}"
        return self.address

    def close(self) -> None:
        """Let nobody in any more. Idempotent."""
        for timer in (self._look, self._pause):
            if timer is not None:
                timer.cancel()
        for task in self._newcomers:
            task.cancel()
        if self._listening is not None:
            asyncio.get_running_loop().remove_reader(self._listening)
            self._listening.close()
            self._listening = None

    # --- one after the other ------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        """Somebody waits to come in, or several do."""
        loop, listening = asyncio.get_running_loop(), self._listening
        for _ in range(AT_ONCE):
            if listening is None:
                return
            try:
                sock, address = listening.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _NO_MORE_FILES:
                    logger.warning("nobody else can come in for now: %s", error)
                    loop.remove_reader(listening)
                    self._pause = loop.call_later(FULL_PAUSE, loop.add_reader, listening, self._accept)
                    return
                continue  # it was gone before it was here
            sock.setblocking(False)
            newcomer = Newcomer(sock)
            self._strangers.add(newcomer)
            newcomer.task = loop.create_task(self._let_in(sock, newcomer, f"{address[0]}:{address[1]}"))
            self._newcomers.add(newcomer.task)
            newcomer.task.add_done_callback(self._newcomers.discard)

    async def _let_in(self, sock: socket.socket, newcomer: Newcomer, who: str) -> None:
        """From a socket to a connection that is somebody's, or none."""
        try:
            async with asyncio.timeout(HELLO_TIMEOUT):
                with contextlib.suppress(OSError):
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self.tls is None:
                    await self._connect(newcomer, sock)
                    return
                first = await _peek(sock)
                if is_tls(first):
                    await self._connect(
                        newcomer,
                        sock,
                        ssl=self.tls.context,
                        ssl_handshake_timeout=HELLO_TIMEOUT,
                        ssl_shutdown_timeout=CLOSING_TIMEOUT,
                    )
                    return
                if first:
                    self._failed(who, "it does not speak TLS")
                    await _refuse(sock, refusal(first, "this port speaks TLS: use tls:HOST:PORT, wss:// or https://"))
        except TimeoutError:
            self._failed(who, "it took too long to say anything, or to agree on TLS")
        except ssl.SSLError as error:
            self._failed(who, f"no TLS came about: {error.reason or error}")
        except OSError as error:
            self._failed(who, f"it is gone: {error}")
        finally:
            self._strangers.remove(newcomer)
            newcomer.close()

    async def _connect(self, newcomer: Newcomer, sock: socket.socket, **tls: Any) -> None:
        newcomer.hand_over()
        try:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: self._known(newcomer), sock, **tls)
        except BaseException:
            # Cancelled just after it was told that it is connected, it is not told that it is closed.
            if newcomer.protocol is not None:
                newcomer.protocol.connection_lost(None)
            raise

    def _known(self, newcomer: Newcomer) -> asyncio.BaseProtocol:
        """It is a stranger under another name from here on."""
        self._strangers.remove(newcomer)
        newcomer.protocol = self._make()
        return newcomer.protocol

    def _failed(self, who: str, why: str) -> None:
        """One line now and then: anybody can make it come to this, any number of times."""
        self._failures += 1
        now = time.monotonic()
        if now - self._told_at >= TELL_INTERVAL:
            more = f" ({self._failures - 1} more before)" if self._failures > 1 else ""
            logger.warning("a connection from %s came to nothing: %s%s", who, why, more)
            self._told_at, self._failures = now, 0

    def _look_later(self) -> None:
        self._look = asyncio.get_running_loop().call_later(LOOK_INTERVAL, self._look_at_certificate)

    def _look_at_certificate(self) -> None:
        assert self.tls is not None
        self.tls.refresh()
        self._look_later()


class Newcomer:
    """Somebody who has connected, and not said in which language it speaks."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket: socket.socket | None = sock
        self.task: asyncio.Task[None] | None = None
        self.protocol: asyncio.BaseProtocol | None = None

    def hand_over(self) -> None:
        """From now on the event loop closes the socket."""
        self._socket = None

    def abort(self) -> None:
        """End the connection without a word."""
        if self.task is not None:
            self.task.cancel()

    def close(self) -> None:
        """Close the socket, if nobody else does."""
        if self._socket is not None:
            self._socket.close()


async def _peek(sock: socket.socket) -> bytes:
    """What it sends first, which stays to be read; b"" if that is nothing. Waits until it is enough to know by."""
    loop = asyncio.get_running_loop()
    readable = loop.create_future()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, COUNT)

    def settle() -> None:
        if not readable.done():
            readable.set_result(None)

    loop.add_reader(sock, settle)
    try:
        await readable
    finally:
        loop.remove_reader(sock)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
    return sock.recv(COUNT, socket.MSG_PEEK)


async def _refuse(sock: socket.socket, words: bytes) -> None:
    loop = asyncio.get_running_loop()
    await loop.sock_recv(sock, 64 * 1024)  # closed with something unread, a connection takes the refusal with it
    await loop.sock_sendall(sock, words)
    sock.shutdown(socket.SHUT_WR)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER):
            while await loop.sock_recv(sock, 64 * 1024):
                pass


def _listening_socket(host: str, port: int) -> socket.socket:
    """Raises `ServiceError`, which says what to do."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
            0
        ]
        listening = socket.socket(family, kind)
    except OSError as error:
        raise ServiceError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        keep_alive(listening)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; accepted sockets inherit it
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(UNACKNOWLEDGED * 1000))
        listening.bind(address)
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        taken = "; another program has that port: end it, or choose another with --port (0: any)"
        raise ServiceError(
            f"cannot listen on {host}:{port}: {error.strerror or error}{taken if error.errno == errno.EADDRINUSE else ''}"
        ) from error
    return listening
