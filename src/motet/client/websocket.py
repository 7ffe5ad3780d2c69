"""A WebSocket as a stream: bytes in binary messages, wherever one ends and the next begins."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from typing import Any

from motet.client.streams import ByteStream
from motet.errors import ConnectionError, ServiceError

_new_lock = type(threading.RLock())
"""As it was at the start: see `sockets`."""

MESSAGE_BYTES = 256 * 1024
"""What one side puts into one message."""
MAX_MESSAGE_BYTES = 1024 * 1024
"""What the other takes as one."""
SILENCE = 75.0
"""Seconds after which a server that sent nothing is gone: it sends a ping every 20 s, and proxies may be slow."""


class WebSocketStream:
    """Around another stream, opened by a request to `path` at `host`. Raises `ConnectionError`, `OSError` or `ServiceError`."""

    key = ""
    """See `ByteStream`: there may be a proxy."""

    def __init__(self, stream: ByteStream, host: str, path: str) -> None:
        self._stream = stream
        self._sending = _new_lock()
        self._lock = _new_lock()
        """Held while the protocol works, which takes no longer than that."""
        self._answers: deque[bytes] = deque()
        """What the protocol has to say by itself, such as pongs."""
        self._arrived: deque[memoryview] = deque()
        self._received = bytearray(MESSAGE_BYTES)
        self._expected = 0.0
        self._heard_at = time.monotonic()
        self._protocol, self._data_opcodes = _new_protocol(host, path)
        request = self._protocol.connect()
        request.headers["User-Agent"] = "motet"
        self._protocol.send_request(request)
        for data in self._protocol.data_to_send():
            stream.send(data)
        self._wait_opened()

    def send(self, data: bytes | memoryview) -> None:
        """See `ByteStream`."""
        view = memoryview(data)
        with self._sending:
            while view:
                with self._lock:
                    self._protocol.send_binary(bytes(view[:MESSAGE_BYTES]))
                    self._answers.extend(self._protocol.data_to_send())
                    out = self._taken()
                self._stream.send(out)
                view = view[MESSAGE_BYTES:]
        self._answer()

    def receive_into(self, view: memoryview) -> int:
        """See `ByteStream`."""
        while not self._arrived:
            try:
                count = self._stream.receive_into(memoryview(self._received))
            except BlockingIOError:
                if time.monotonic() - self._heard_at >= SILENCE:
                    raise ConnectionError(f"nothing came from the server for {SILENCE:g} s, not even a ping") from None
                if self._expected:
                    raise
                continue
            if not count:
                return 0
            self._heard_at = time.monotonic()
            with self._lock:
                self._protocol.receive_data(bytes(memoryview(self._received)[:count]))
                events = self._protocol.events_received()
                self._answers.extend(filter(None, self._protocol.data_to_send()))
            self._arrived.extend(
                memoryview(event.data) for event in events if event.opcode in self._data_opcodes and event.data
            )
            self._answer()
            if not self._arrived and self._protocol.close_expected():
                return 0
        return self._take(view)

    def end(self) -> None:
        """See `ByteStream`."""
        self._stream.end()

    def close(self) -> None:
        """See `ByteStream`."""
        self._stream.close()

    def wait(self, timeout: float | None) -> None:
        """See `ByteStream`."""
        self._stream.wait(timeout)

    def expect_bytes(self, seconds: float) -> None:
        """See `ByteStream`; a server that is silent for `SILENCE` is gone whatever is expected."""
        self._expected = seconds
        self._stream.expect_bytes(min(seconds or SILENCE, SILENCE))

    def can_send(self) -> bool:
        """See `ByteStream`."""
        return self._stream.can_send()

    def _take(self, view: memoryview) -> int:
        taken = 0
        while self._arrived and taken < len(view):
            piece = self._arrived[0]
            count = min(len(piece), len(view) - taken)
            view[taken : taken + count] = piece[:count]
            taken += count
            if count == len(piece):
                self._arrived.popleft()
            else:
                self._arrived[0] = piece[count:]
        return taken

    def _taken(self) -> bytes:
        out = b"".join(self._answers)
        self._answers.clear()
        return out

    def _answer(self) -> None:
        """Send what the protocol has to say, if nobody else is sending: who is does it at the end. Never waits, for then
        nobody would receive, and both ends might wait for each other."""
        while self._answers and self._stream.can_send() and self._sending.acquire(blocking=False):
            try:
                with self._lock:
                    out = self._taken()
                if out:
                    self._stream.send(out)
            finally:
                self._sending.release()

    def _wait_opened(self) -> None:
        while True:
            count = self._stream.receive_into(memoryview(self._received))
            if count:
                self._protocol.receive_data(bytes(memoryview(self._received)[:count]))
            else:
                self._protocol.receive_eof()
            events = self._protocol.events_received()
            if self._protocol.handshake_exc is not None:
                raise _refused(self._protocol.handshake_exc) from self._protocol.handshake_exc
            if events:
                self._arrived.extend(
                    memoryview(event.data) for event in events[1:] if event.opcode in self._data_opcodes
                )
                return
            if not count:
                raise ConnectionError("the connection was closed before the WebSocket was open")


def _new_protocol(host: str, path: str) -> tuple[Any, tuple[Any, ...]]:
    """The client's side of the protocol, and what kinds of frames have data."""
    # Late: only who goes through such proxies needs it.
    try:
        from websockets.client import ClientProtocol
        from websockets.frames import Opcode
        from websockets.uri import parse_uri
    except ImportError as error:
        raise ServiceError(
            f"wss:// and ws:// need one more package: pip install 'motet[websocket]' ({error})"
        ) from error
    protocol = ClientProtocol(parse_uri(f"ws://{host}{path}"), max_size=MAX_MESSAGE_BYTES)
    return protocol, (Opcode.BINARY, Opcode.CONT)


def _refused(error: Exception) -> ConnectionError:
    response = getattr(error, "response", None)
    if response is None:
        return ConnectionError(f"what answers there speaks no WebSocket: {error}")
    text = ""
    with contextlib.suppress(UnicodeError):
        text = (response.body or b"").decode().strip().splitlines()[0][:200] if response.body else ""
    return ConnectionError(
        f"the WebSocket was refused with {response.status_code} {response.reason_phrase}{f': {text}' if text else ''}"
    )
