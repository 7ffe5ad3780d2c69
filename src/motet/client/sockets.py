"""Sockets to a server: "unix:/path" or "tcp:host:port"."""

from __future__ import annotations

import _thread
import contextlib
import logging
import select
import socket
import threading
from collections.abc import Callable, Sequence

from motet.client.connection import Connection
from motet.client.gate import shield_cancellation
from motet.client.outgoing import Outgoing
from motet.client.socket_path import socket_path
from motet.client.waiter import Waiter, io_thread
from motet.errors import ConnectionError, ExecutionError, InternalError
from motet.wire import codec
from motet.wire.framing import FrameReader
from motet.wire.hello import Hello
from motet.wire.message import Message

logger = logging.getLogger("motet.client")

# As they were at the start. What gevent puts in their place in a container needs its own loop to run, which user code blocks.
_new_lock = type(threading.RLock())
_new_socket = socket.socket
_start_thread = _thread.start_new_thread

BUFFER_BYTES = 1024 * 1024


def connect(address: str, hello: Hello) -> socket.socket:
    """A connected socket that has said hello. Raises `ConnectionError` naming the address."""
    try:
        sock = _connected(address)
    except (OSError, ValueError) as error:
        raise ConnectionError(f"no connection to the server at {address}: {error}") from error
    try:
        set_buffers(sock)
        sock.sendall(b"".join(codec.frames([hello])))
    except OSError as error:
        sock.close()
        raise ConnectionError(f"the connection to the server at {address} is gone: {error}") from error
    return sock


def _connected(address: str) -> socket.socket:
    kind, _, where = address.partition(":")
    if kind == "unix":
        if not hasattr(socket, "AF_UNIX"):
            raise ValueError("this system has no Unix sockets for Python; name a server over TCP")
        sock = _new_socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with socket_path(where) as path:
                sock.connect(path)
        except BaseException:
            sock.close()
            raise
    elif kind == "tcp":
        host, _, port = where.rpartition(":")
        sock = socket.create_connection((host, int(port)))
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


def read_frames(
    sock: socket.socket,
    on_frame: Callable[[memoryview], None],
    receive: Callable[[memoryview], int] | None = None,
) -> None:
    """Give every frame to `on_frame` until the other side ends the stream. `receive` stands in for `sock.recv_into`."""
    receive = receive or sock.recv_into
    reader = FrameReader()
    while count := receive(reader.buffer()):
        for frame in reader.received(count):
            on_frame(frame)


class SocketLink:
    """A link over a socket: sends on the caller's thread, receives on a thread of its own."""

    def __init__(self, address: str, hello: Hello, connection: Connection) -> None:
        self._socket = connect(address, hello)
        self._lock = _new_lock()
        self._sending = False
        self._connection = connection
        self._thread = 0
        self._received: Waiter[None] = Waiter()
        connection.attach(self)
        _start_thread(self._receive, ())

    def send(self, messages: Sequence[Message]) -> None:
        data = b"".join(codec.frames(messages))
        try:
            # Half a frame would be the end of the connection, for all inputs of the container.
            with shield_cancellation(), self._lock:
                self._send_whole(data)
        except OSError as error:
            raise ConnectionError(f"the connection to the server is gone: {error}") from error

    def send_outgoing(self, outgoing: Outgoing) -> None:
        for message in outgoing.take():
            self.send((message,))

    def _send_whole(self, data: bytes) -> None:
        if self._sending:  # this very thread is, under whatever called: a signal handler, or a finalizer
            raise ExecutionError(
                "a signal handler or `__del__` made a call at the moment when the thread that it interrupted was sending one; "
                "have the handler set an event instead, and a thread make the call"
            )
        self._sending = True
        try:
            send_all(self._socket, data)
        finally:
            self._sending = False

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        if threading.get_ident() != self._thread:
            self._received.wait()
        self._socket.close()

    def _receive(self) -> None:
        self._thread = threading.get_ident()
        threading.current_thread().name = "motet-client"
        try:
            with io_thread():
                self._read()
        finally:
            self._received.set(None)

    def _read(self) -> None:
        problem: Exception = ConnectionError("the server closed the connection")
        try:
            read_frames(self._socket, lambda frame: self._connection.receive(codec.decode_to_client(frame)))
        except (OSError, ConnectionError) as error:
            problem = error if isinstance(error, ConnectionError) else ConnectionError(f"connection lost: {error}")
        except Exception as error:
            # Nobody reads from here on: whoever waits must be told.
            logger.exception("an answer could not be taken in; the connection is given up")
            text = f"an answer of the server could not be taken in: {type(error).__name__}: {error}. This is a bug in Motet."
            problem = InternalError(text)
        self._connection.lost(problem)
