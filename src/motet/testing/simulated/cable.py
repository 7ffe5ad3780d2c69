"""Connections between processes of a simulated world: in order, slow, held up, cut, and ending with either process."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import Context
from typing import Any

from motet.server.peers import SocketPeer
from motet.testing.simulated.process import SimulatedProcess

ROUNDING = 1e-6
"""Seconds. A loop rings a timer that is due within its clock's resolution."""


class OneWay:
    """What is on its way to one process: in order, each thing for as long as `delay` says when it is sent."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        context: Context,
        arrive: Callable[[Any], None],
        delay: Callable[[], float],
    ) -> None:
        self._loop = loop
        self._context = context
        self._arrive = arrive
        self._delay = delay
        self._things: deque[tuple[float, Any]] = deque()
        self._last_due = 0.0
        self._is_held = False

    def send(self, thing: Any) -> None:
        """It arrives after all that was sent before."""
        self._last_due = max(self._last_due, self._loop.time() + self._delay())
        self._things.append((self._last_due, thing))
        self._loop.call_at(self._last_due, self._flow, context=self._context)

    def drop(self) -> None:
        """What is on its way is lost."""
        self._things.clear()

    def hold(self, held: bool) -> None:
        """Let nothing through, or again everything."""
        self._is_held = held
        if not held:
            self._loop.call_soon(self._flow, context=self._context)

    def _flow(self) -> None:
        while self._things and not self._is_held and self._things[0][0] <= self._loop.time() + ROUNDING:
            self._arrive(self._things.popleft()[1])


class Cable(asyncio.Transport):
    """A stream between a server's peer, whose transport it is, and another process, which `send`s and is given what comes.

    `receive` gets bytes, `closed` is called once when nothing more can come.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        server: SimulatedProcess,
        peer: SocketPeer,
        far: SimulatedProcess,
        receive: Callable[[bytes], None],
        closed: Callable[[], None],
        delay: Callable[[], float],
    ) -> None:
        super().__init__()
        self._loop = loop
        self._server = server
        self._peer = peer
        self._far = far
        self._receive = receive
        self._closed = closed
        self._is_open_there = self._is_open_here = True
        self._up = OneWay(loop, server.context, self._at_server, delay)
        self._down = OneWay(loop, far.context, self._at_far, delay)
        server.on_death.append(self._server_died)
        far.on_death.append(self.end)
        loop.call_soon(peer.connection_made, self, context=server.context)

    # --- the far end --------------------------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Send. Raises `OSError` if it is known to have ended."""
        if not self._is_open_here or self._loop.is_closed():  # a program that ends says goodbye, when its world is gone
            raise BrokenPipeError("the connection has ended")
        self._up.send(data)

    @property
    def is_open(self) -> bool:
        """Whether the far end has not heard that it has ended."""
        return self._is_open_here

    def end(self) -> None:
        """The far end closes it. Idempotent."""
        if self._is_open_here:
            self._is_open_here = False
            self._up.send(None)
            self._loop.call_soon(self._closed, context=self._far.context)

    # --- faults -------------------------------------------------------------------------------------------------------

    def hold(self, held: bool) -> None:
        """Let nothing through in either direction, or again everything."""
        self._up.hold(held)
        self._down.hold(held)

    def cut(self) -> None:
        """Break it: what is on its way is lost, and both ends hear of it."""
        self._up.drop()
        self._down.drop()
        self.hold(False)
        self._up.send(None)
        self._down.send(None)

    def _server_died(self) -> None:
        """What it had sent still comes."""
        self._is_open_there = False
        self._down.send(None)

    # --- the transport of the server's peer ---------------------------------------------------------------------------

    def writelines(self, list_of_data: Sequence[bytes]) -> None:  # type: ignore[override]
        if self._is_open_there:
            self._down.send(b"".join(list_of_data))

    def write(self, data: bytes) -> None:  # type: ignore[override]
        if self._is_open_there:
            self._down.send(bytes(data))

    def close(self) -> None:
        """What was sent before still comes to the other end."""
        if self._is_open_there:
            self._is_open_there = False
            self._down.send(None)
            self._loop.call_soon(self._peer.connection_lost, None, context=self._server.context)

    abort = close

    def is_closing(self) -> bool:
        return not self._is_open_there

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("simulated", 0) if name == "peername" else default

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is ever kept waiting here."""

    def pause_reading(self) -> None:
        """Nothing is kept waiting here."""

    def resume_reading(self) -> None:
        """Nothing is kept waiting here."""

    # --- arrivals -----------------------------------------------------------------------------------------------------

    def _at_server(self, data: bytes | None) -> None:
        if not self._is_open_there:
            return
        if data is None:
            self._is_open_there = False
            self._down.send(None)
            self._peer.connection_lost(None)
            return
        at = 0
        while at < len(data) and self._is_open_there:
            buffer = self._peer.get_buffer(-1)
            count = min(len(buffer), len(data) - at)
            buffer[:count] = data[at : at + count]
            self._peer.buffer_updated(count)
            at += count

    def _at_far(self, data: bytes | None) -> None:
        if not self._is_open_here:
            return
        if data is None:
            self._is_open_here = False
            self._closed()
        else:
            self._receive(data)
