"""What carries bytes to a server and back: a socket, or what is spoken over one."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import sys
from typing import Protocol

from motet.client.sockets import send_all
from motet.errors import ConnectionError


class ByteStream(Protocol):
    """Connected. One thread at a time may send while another one receives; all raise `OSError` or `ConnectionError`."""

    @property
    def key(self) -> str:
        """The fingerprint of the key that the other end has shown in TLS; empty: it has shown none, or a proxy has."""
        ...

    def send(self, data: bytes | memoryview) -> None:
        """Send all of it."""

    def receive_into(self, view: memoryview) -> int:
        """Wait for bytes; how many there are now, 0 at the end."""

    def end(self) -> None:
        """No more in either direction: whoever receives is woken."""

    def close(self) -> None:
        """Let go of it, once nobody uses it."""

    def wait(self, timeout: float | None) -> None:
        """How many seconds to wait for the other end, in sending or receiving, at most."""

    def expect_bytes(self, seconds: float) -> None:
        """Have `receive_into` raise `BlockingIOError` when nothing has come for so long; 0: never."""

    def can_send(self) -> bool:
        """Whether a few bytes can be sent without a wait."""
        ...


class OverSocket:
    """What is the same in whatever is spoken over a socket."""

    key = ""
    """See `ByteStream`."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    def end(self) -> None:
        """See `ByteStream`."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """See `ByteStream`."""
        self._socket.close()

    def wait(self, timeout: float | None) -> None:
        """See `ByteStream`."""
        self._socket.settimeout(timeout)

    def expect_bytes(self, seconds: float) -> None:
        """See `ByteStream`."""
        limit_silence(self._socket, seconds)

    def can_send(self) -> bool:
        """See `ByteStream`."""
        return is_writable(self._socket)


class SocketStream(OverSocket):
    """A socket as it is."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.receive_into = sock.recv_into

    def send(self, data: bytes | memoryview) -> None:
        """See `ByteStream`."""
        send_all(self._socket, data)


class NoStream:
    """Leads nowhere: in the place of a stream, while there is none."""

    key = ""
    """See `ByteStream`."""

    def send(self, data: bytes | memoryview) -> None:
        """See `ByteStream`."""
        raise ConnectionError("there is no connection yet")

    def receive_into(self, view: memoryview) -> int:
        """See `ByteStream`."""
        return 0

    def end(self) -> None:
        """See `ByteStream`."""

    def close(self) -> None:
        """See `ByteStream`."""

    def wait(self, timeout: float | None) -> None:
        """See `ByteStream`."""

    def expect_bytes(self, seconds: float) -> None:
        """See `ByteStream`."""

    def can_send(self) -> bool:
        """See `ByteStream`."""
        return False


def limit_silence(sock: socket.socket, seconds: float) -> None:
    """Have a blocking socket's `recv` raise `BlockingIOError` when nothing has come for so long; sending has no such limit."""
    if sys.platform == "win32":
        value = struct.pack("L", int(seconds * 1000))
    else:
        value = struct.pack("ll", int(seconds), int(seconds % 1 * 1e6))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)


def is_writable(sock: socket.socket) -> bool:
    """Whether a few bytes can be sent without a wait."""
    with selectors.DefaultSelector() as selector:
        selector.register(sock, selectors.EVENT_WRITE)
        return bool(selector.select(0))


def keep_alive(sock: socket.socket) -> None:
    """Have the system ask now and then whether the other end is there: what stands between forgets who is silent for long,
    and an end whose machine is gone says nothing. Listening sockets hand it on to those that they accept."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 6)):
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
