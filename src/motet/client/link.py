"""A client's link to a server that is another process: messages as frames, over whatever stream leads there."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from motet.client.connection import Connection
from motet.client.gate import shield_cancellation
from motet.client.ground import ground
from motet.client.outgoing import Outgoing
from motet.client.sockets import read_frames
from motet.client.streams import ByteStream
from motet.client.waiter import Waiter, io_thread
from motet.errors import ConnectionError, ExecutionError, InternalError
from motet.wire import codec
from motet.wire.hello import Hello
from motet.wire.message import Message

# As it was at the start: see `sockets`.
_new_lock = type(threading.RLock())


class SocketLink:
    """A link over a stream: sends on the caller's thread, receives on a thread of its own."""

    def __init__(self, address: str, hello: Hello, connection: Connection, fingerprint: str = "") -> None:
        """Connect, and say hello. Raises `ConnectionError` naming the address, or `ServiceError` if a package is missing.
        `fingerprint`: of the server's key, if it is known by that."""
        self._ground = ground()
        self._stream = self._open(address, hello, fingerprint)
        self._lock = _new_lock()
        self._sending = False
        self._connection = connection
        self._thread = 0
        self._received: Waiter[None] = Waiter()
        connection.attach(self)
        self._ground.start_thread(self._receive)

    def _open(self, address: str, hello: Hello, fingerprint: str) -> ByteStream:
        """A stream over which hello was said."""
        stream = self._ground.open_stream(address, fingerprint)
        try:
            stream.send(b"".join(codec.frames([hello])))
        except OSError as error:
            stream.close()
            raise ConnectionError(f"the connection to the server at {address} is gone: {error}") from error
        return stream

    def send(self, messages: Sequence[Message]) -> None:
        data = b"".join(codec.frames(messages))
        try:
            # Half a frame would be the end of the connection, for all inputs of the container.
            with shield_cancellation(), self._lock:
                self._send_whole(data)
        except OSError as error:
            # Where the receiving thread has ended it, that knows why; here the stream is just broken.
            gone = ConnectionError(f"the connection to the server is gone: {error}")
            raise self._connection.error or gone from error

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
            self._stream.send(data)
        finally:
            self._sending = False

    def close(self) -> None:
        self._stream.end()
        if threading.get_ident() != self._thread:
            self._received.wait()
        self._stream.close()

    def _receive(self) -> None:
        self._thread = threading.get_ident()
        threading.current_thread().name = "motet-client"
        try:
            with io_thread():
                self._read()
        finally:
            self._received.set(None)

    def _read(self) -> None:
        self._lose(self._read_to_end())

    def _lose(self, problem: Exception) -> None:
        """The connection has ended: whoever waits is told, and its stream is let go of."""
        self._connection.lost(problem)  # first: who says something from now on is told why, too
        self._stream.end()  # a thread that sends, and has the lock, waits no longer
        with self._lock:
            self._stream.close()

    def _take_in(self, frame: memoryview) -> None:
        self._connection.receive(codec.decode_to_client(frame))

    def _receive_into(self, view: memoryview) -> int:
        return self._stream.receive_into(view)

    def _read_to_end(self) -> Exception:
        """Hear what comes until nothing comes any more; why."""
        problem: Exception = ConnectionError("the server closed the connection")
        try:
            read_frames(self._receive_into, self._take_in)
        except (OSError, ConnectionError) as error:
            problem = error if isinstance(error, ConnectionError) else ConnectionError(f"connection lost: {error}")
        except Exception as error:
            # Nobody reads from here on: whoever waits must be told.
            import logging  # late: nobody should ever need it

            logging.getLogger("motet.client").exception("an answer could not be taken in; the connection is given up")
            text = f"an answer of the server could not be taken in: {type(error).__name__}: {error}. This is a bug in Motet."
            problem = InternalError(text)
        return problem
