"""Requests as calls: the server's ingress is one more client, and each request a streaming call with one input."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable, Sequence

from motet.model.ids import ENTROPY_BITS, id_suffix
from motet.model.outcome import CallKind, InputEnd, NewInput, OutcomeKind
from motet.server.clients.session import ClientSession
from motet.wire import client_messages as m
from motet.wire.message import Message
from motet.wire.web import ACK_BYTES, WEB_WINDOW, AnyFrame, Closed, RequestHead, Wanted, decode_frame, encode

Send = Callable[[m.FromClient], None]

GONE = Closed(1006, "")
"""What an app is told whose client is no longer connected."""
MAX_TRACE = 512
"""Characters of a `traceparent`; a longer one is none."""
LEAVE_PATIENCE = 0.1
"""Seconds that an app has to react to the loss of its client before it is cancelled."""


class WebCall:
    """One request on its way through a container. Owned by the task that serves the request."""

    def __init__(self, call_id: str, method: str, send: Send, forget: Callable[[str], object]) -> None:
        self.call_id = call_id
        self.method = method
        """The method of HTTP."""
        self.end: InputEnd | None = None
        self.gone = False
        """Whether the client left before its response was complete."""
        self.overdue = False
        """Whether the client waited for the beginning of its response for as long as it may."""
        self._loop = asyncio.get_running_loop()
        self._submitted = self._loop.time()
        self._started = False
        self._send = send
        self._forget = forget
        self._frames: deque[bytes] = deque()
        self._arrival: asyncio.Future[None] | None = None
        self._taken = 0
        self._room = WEB_WINDOW
        self._more_room: asyncio.Future[None] | None = None

    # --- from the server ----------------------------------------------------------------------------------------------

    def receive(self, message: Message) -> None:
        """A message about this call."""
        if isinstance(message, m.CallItems):
            self._frames.extend(message.items)
            self._look()
        elif isinstance(message, m.Outcomes):
            self.end = message.ended[0]
            self._look()
        elif isinstance(message, m.CallFeedTaken):
            self._room += message.count
            if self._more_room is not None and not self._more_room.done():
                self._more_room.set_result(None)

    def _look(self) -> None:
        """Wake whoever waits for something from the app."""
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    async def _wait_arrival(self) -> None:
        self._arrival = self._loop.create_future()
        await self._arrival

    # --- the response -------------------------------------------------------------------------------------------------

    async def next_frame(self) -> AnyFrame | None:
        """What the app sent next; None once there is no more, or the client is gone, or nothing came and it is `overdue`."""
        while not self._frames:
            if self.end is not None or self.gone or self.overdue:
                return None
            await self._wait_arrival()
        self.overdue = False
        data = self._frames.popleft()
        frame = decode_frame(data)
        self._started = self._started or not isinstance(frame, Wanted)
        self._taken += len(data)
        if self._taken >= ACK_BYTES and self.end is None:
            self._send(m.AckCallItems(self.call_id, 0, self._taken))
            self._taken = 0
        return frame

    def lose_patience(self) -> None:
        """Whoever waits for the beginning of the response waits no longer. Nothing, if it has begun."""
        if not self._started and self.end is None:
            self.overdue = True
            self._look()

    async def wait_answer(self) -> None:
        """Return when the app has sent something, or has ended."""
        while not self._frames and self.end is None:
            await self._wait_arrival()

    def cold_start(self, age: float) -> tuple[bytes, bytes]:
        """The header that says whether the request waited for its container, `age` seconds after that became ready."""
        cold = age < self._loop.time() - self._submitted
        return (b"motet-cold-start", b"true" if cold else b"false")

    # --- the request --------------------------------------------------------------------------------------------------

    async def feed(self, frame: AnyFrame) -> None:
        """Send a piece of the request, as soon as there is room for it."""
        while self._room <= 0:
            self._more_room = self._loop.create_future()
            await self._more_room
        data = encode(frame)
        self._room -= len(data)
        self._send(m.FeedCall(self.call_id, 0, [data]))

    def leave(self, closed: Closed, patience: float) -> None:
        """The client is gone: the app is told, and the call is cancelled after `patience` seconds."""
        if self.gone:
            return
        self.gone = True
        self._look()
        if self.end is None:
            self._send(m.FeedCall(self.call_id, 0, [encode(closed)]))
            self._loop.call_later(patience, self.cancel)

    def cancel(self) -> None:
        """End the call if it has not ended."""
        if self.end is None:
            self._send(m.CancelCall(self.call_id))

    def close(self) -> None:
        """The response is over, in whatever way. What the app does after it goes on."""
        self._forget(self.call_id)


class WebCalls:
    """All requests under way, and the session they are calls of."""

    def __init__(self, connect: Callable[[WebCalls], ClientSession]) -> None:
        self._calls: dict[str, WebCall] = {}
        self._session = connect(self)
        self._outbox: list[m.FromClient] = []

    def open(self, function_id: str, method: str, head: RequestHead, at_most_once: bool) -> WebCall:
        """Submit a request as an input of its function."""
        call_id = "fc-" + id_suffix(int(time.time() * 1000), secrets.randbits(ENTROPY_BITS))
        call = self._calls[call_id] = WebCall(call_id, head.method, self._send, self._calls.pop)
        new = NewInput(0, encode(head))
        trace = next((value.decode("latin-1") for name, value in head.headers if name == b"traceparent"), "")
        trace = trace if len(trace) <= MAX_TRACE else ""
        kind = CallKind.STREAM
        message = m.SubmitInputs(call_id, function_id, kind, method, [new], trace=trace, at_most_once=at_most_once)
        self._send(message)
        return call

    def _send(self, message: m.FromClient) -> None:
        # What comes up in one turn of the loop goes to the engine in one turn of the engine, and on in one write.
        if not self._outbox:
            asyncio.get_running_loop().call_soon(self._drain)
        self._outbox.append(message)

    def _drain(self) -> None:
        outbox, self._outbox = self._outbox, []
        self._session.receive(outbox)

    # --- as the peer of its session -----------------------------------------------------------------------------------

    unsent_bytes = 0

    def send(self, messages: Sequence[Message]) -> None:
        """What the server tells this client."""
        for message in messages:
            if isinstance(message, m.CallItems | m.Outcomes | m.CallFeedTaken):
                call = self._calls.get(message.call_id)
                if call is not None:
                    call.receive(message)
            elif isinstance(message, m.Broken):
                for call in list(self._calls.values()):
                    call.receive(m.Outcomes(call.call_id, [InputEnd(0, OutcomeKind.LOST, message.failure)]))

    def close(self) -> None:
        """Nothing to close: no connection lies between."""
