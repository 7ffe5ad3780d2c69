"""Sockets to a server on this machine: "unix:/path" or "tcp:host:port"."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable

from motet.client.socket_path import socket_path
from motet.errors import ConnectionError
from motet.wire import codec
from motet.wire.framing import LENGTH, FrameReader
from motet.wire.hello import Hello

# As it was at the start. What gevent puts in their place in a container needs its own loop to run, which user code blocks.
_new_socket = socket.socket

BUFFER_BYTES = 1024 * 1024
ANSWER_BYTES = 64 * 1024
"""Of the frame that answers a hello, at most."""


def connect(address: str, hello: Hello) -> socket.socket:
    """A connected socket that has said hello. Raises `ConnectionError` naming the address."""
    try:
        sock = connected_socket(address)
    except (OSError, ValueError) as error:
        raise ConnectionError(f"no connection to the server at {address}: {error}") from error
    try:
        set_buffers(sock)
        sock.sendall(b"".join(codec.frames([hello])))
    except OSError as error:
        sock.close()
        raise ConnectionError(f"the connection to the server at {address} is gone: {error}") from error
    return sock


def connected_socket(address: str, timeout: float | None = None) -> socket.socket:
    """A connected socket. Raises `OSError` or `ValueError`."""
    kind, _, where = address.partition(":")
    if kind == "unix":
        if not hasattr(socket, "AF_UNIX"):
            raise ValueError("this system has no Unix sockets for Python; name a server over TCP")
        sock = _new_socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(timeout)  # one that stands still takes so many, and then has others wait
            with socket_path(where) as path:
                sock.connect(path)
            sock.settimeout(None)
        except BaseException:
            sock.close()
            raise
    elif kind == "tcp":
        host, _, port = where.rpartition(":")
        sock = socket.create_connection((host.strip("[]"), int(port)), timeout)
        sock.settimeout(None)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    else:
        raise ValueError("addresses look like 'unix:/path' or 'tcp:host:port'")
    return sock


def set_buffers(sock: socket.socket) -> None:
    """Room for a burst of inputs or a large payload without a wait."""
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        sock.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)


def send_all(sock: socket.socket, data: bytes | memoryview) -> None:
    """Write everything, also to a socket that is non-blocking because an event loop reads it."""
    sent = 0
    view = memoryview(data)
    while sent < len(view):
        try:
            sent += sock.send(view[sent:])
        except BlockingIOError:
            _wait_writable(sock)


def _wait_writable(sock: socket.socket) -> None:
    if hasattr(select, "poll"):
        poll = select.poll()  # has no bound on descriptors
        poll.register(sock, select.POLLOUT)
        poll.poll()
    else:
        select.select([], [sock], [])


def read_frame(receive: Callable[[memoryview], int], most: int) -> memoryview:
    """The next frame, and not a byte more. Raises `ConnectionError` if the other side ends the stream before it has, or for one
    of more than `most` bytes."""
    (length,) = LENGTH.unpack(_read_exactly(receive, LENGTH.size))
    if length > most:
        raise ConnectionError(f"the peer announced a frame of {length} bytes; at most {most} are expected here")
    return _read_exactly(receive, length)


def _read_exactly(receive: Callable[[memoryview], int], count: int) -> memoryview:
    data = memoryview(bytearray(count))
    at = 0
    while at < count:
        more = receive(data[at:])
        if not more:
            raise ConnectionError("the other side closed the connection")
        at += more
    return data


def read_frames(receive: Callable[[memoryview], int], on_frame: Callable[[memoryview], None]) -> None:
    """Give every frame to `on_frame` until the other side ends the stream. `receive`: `recv_into` of a socket, or its like."""
    reader = FrameReader()
    while count := receive(reader.buffer()):
        for frame in reader.received(count):
            on_frame(frame)
