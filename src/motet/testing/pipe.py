"""A connection in memory between a container and the server, with the faults that a stream can have."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from motet.server.peers import SocketPeer
from motet.wire import codec
from motet.wire.framing import FrameReader
from motet.wire.message import Message

ROUNDING = 1e-6
"""Seconds. A loop rings a timer that is due within its clock's resolution."""


class _Direction:
    """Bytes one way: in order, each chunk `delay` seconds under way."""

    def __init__(self, loop: asyncio.AbstractEventLoop, arrive: Callable[[bytes], None]) -> None:
        self.delay = 0.0
        self.held = False
        self._loop = loop
        self._arrive = arrive
        self._chunks: deque[tuple[float, bytes]] = deque()
        self._last_due = 0.0

    def write(self, data: bytes) -> None:
        self._last_due = max(self._last_due, self._loop.time() + self.delay)
        self._chunks.append((self._last_due, data))
        self._loop.call_at(self._last_due, self.flow)

    def flow(self) -> None:
        """Let through what is due. A timer may find its chunk gone: another one of the same moment took it."""
        while self._chunks and not self.held and self._chunks[0][0] <= self._loop.time() + ROUNDING:
            self._arrive(self._chunks.popleft()[1])


class Pipe(asyncio.Transport):
    """A stream between a container, which `send`s and gets frames through `receive`, and the server's peer.

    To the peer it is the transport. A stream keeps order, and loses or repeats nothing; so what can go wrong is
    that it is slow (`delay`), that nothing moves (`hold`), and that it ends, at any byte (`cut`).
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        peer: SocketPeer,
        receive: Callable[[memoryview], None],
        closed: Callable[[], None],
    ) -> None:
        super().__init__()
        self._loop = loop
        self._peer = peer
        self._receive = receive
        self._closed = closed
        self._reader = FrameReader()
        self._open = True
        self._repeats = 0
        self._left: int | None = None
        self._up = _Direction(loop, self._arrive_at_server)
        self._down = _Direction(loop, self._arrive_at_container)
        peer.connection_made(self)

    # --- the container's end ------------------------------------------------------------------------------------------

    def send(self, message: Message) -> None:
        """Send, if there is still a connection."""
        data = b"".join(codec.frames((message,)))
        while self._open:
            self._up.write(data)
            if not self._repeats:
                break
            self._repeats -= 1

    # --- faults -------------------------------------------------------------------------------------------------------

    def delay(self, seconds: float) -> None:
        """From now on everything is so long under way, both ways."""
        self._up.delay = self._down.delay = seconds

    def hold(self, held: bool) -> None:
        """Let nothing through, or again everything."""
        for direction in (self._up, self._down):
            direction.held = held
            self._loop.call_soon(direction.flow)

    def cut(self, after: int = 0) -> None:
        """End the connection when `after` more bytes from the container have come through."""
        self._left = after
        if not after:
            self.close()

    def repeat(self) -> None:
        """Have the next message of the container be sent twice. No stream does so; a container with a bug might."""
        self._repeats += 1

    # --- the transport of the server's peer ---------------------------------------------------------------------------

    def writelines(self, list_of_data: Sequence[bytes]) -> None:  # type: ignore[override]
        if self._open:
            self._down.write(b"".join(list_of_data))

    def close(self) -> None:
        """End it for both sides, in a later turn of the loop; what is under way to the container still comes."""
        if self._open:
            self._open = False
            self._loop.call_soon(self._peer.connection_lost, None)
            self._loop.call_soon(self._closed)

    abort = close

    def is_closing(self) -> bool:
        return not self._open

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is ever kept waiting here."""

    # --- arrivals -----------------------------------------------------------------------------------------------------

    def _arrive_at_server(self, data: bytes) -> None:
        if not self._open:
            return
        if self._left is not None:
            data, self._left = data[: self._left], max(0, self._left - len(data))
        at = 0
        while at < len(data) and self._open:
            buffer = self._peer.get_buffer(-1)
            count = min(len(buffer), len(data) - at)
            buffer[:count] = data[at : at + count]
            self._peer.buffer_updated(count)
            at += count
        if self._left == 0:
            self.close()

    def _arrive_at_container(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            buffer = self._reader.buffer()
            count = min(len(buffer), len(data) - at)
            buffer[:count] = data[at : at + count]
            for frame in self._reader.received(count):
                self._receive(frame)
            at += count
