"""Talks HTTP/1.1 and WebSockets byte by byte, as no well-behaved client would."""

from __future__ import annotations

import base64
import contextlib
import os
import socket
import struct
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import h11

TIMEOUT = 15.0


@dataclass(slots=True)
class Answer:
    """A response as it came. `end` says what became of it: "whole", or "cut" if the connection broke before its end."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    end: str = "cut"
    before: list[int] = field(default_factory=list)

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)


@dataclass(slots=True)
class Exchange:
    """All that came back on a connection. `closed`: whether the server closed it after the last response."""

    answers: list[Answer]
    closed: bool


class RawClient:
    """A connection on which the test says what is sent, and when."""

    def __init__(self, port: int, receive_buffer: int | None = None) -> None:
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(TIMEOUT)
        self.socket.connect(("127.0.0.1", port))
        self._rest = b""

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *pieces: bytes) -> None:
        """Send the pieces one by one. A server that has closed already is no error: its answer may be there."""
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for number, piece in enumerate(pieces):
                if number:
                    time.sleep(0.01)
                self.socket.sendall(piece)

    def receive(self) -> bytes:
        """What comes next; empty at the end, however it comes."""
        if self._rest:
            rest, self._rest = self._rest, b""
            return rest
        try:
            return self.socket.recv(262_144)
        except ConnectionResetError:
            return b""

    def reset(self) -> None:
        """Break the connection off without a farewell."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def read_answer(self, method: str = "GET") -> Answer | None:
        """The next response; None if the connection ends without."""
        parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=1_000_000)
        parser.send(h11.Request(method=method, target="/", headers=[("host", "x")]))
        parser.send(h11.EndOfMessage())
        answer: Answer | None = None
        before: list[int] = []
        body: list[bytes] = []
        try:
            while True:
                event = parser.next_event()
                if event is h11.NEED_DATA:
                    parser.receive_data(self.receive())
                elif isinstance(event, h11.InformationalResponse):
                    before.append(event.status_code)
                elif isinstance(event, h11.Response):
                    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers]
                    answer = Answer(event.status_code, headers, before=before)
                elif isinstance(event, h11.Data):
                    body.append(bytes(event.data))
                elif isinstance(event, h11.EndOfMessage):
                    assert answer is not None
                    answer.end = "whole"
                    break
                else:
                    break
        except h11.RemoteProtocolError:
            pass  # cut off
        self._rest = bytes(parser.trailing_data[0])
        if answer is not None:
            answer.body = b"".join(body)
        return answer

    def is_closed(self) -> bool:
        """Whether the server has nothing more to say and closed, rather than kept the connection for half a second."""
        self.socket.settimeout(0.5)
        try:
            return self.receive() == b""
        except TimeoutError:
            return False
        finally:
            self.socket.settimeout(TIMEOUT)


def exchange(port: int, pieces: Iterable[bytes], methods: Iterable[str] = ("GET",)) -> Exchange:
    """Send, and read as many responses as there are methods. Looks at whether the connection is kept if it should be."""
    with RawClient(port) as client:
        client.send(*pieces)
        answers = [answer for method in methods if (answer := client.read_answer(method)) is not None]
        last = answers[-1] if answers else None
        closing = last is None or last.end == "cut" or last.header("connection") == "close"
        return Exchange(answers, client.is_closed() if closing else False)


# --- WebSockets -------------------------------------------------------------------------------------------------------

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA


def frame(opcode: int, data: bytes = b"", *, fin: bool = True, reserved: int = 0, masked: bool = True) -> bytes:
    """A frame as clients send it, with whatever is wrong with it."""
    head = bytes([fin << 7 | reserved << 4 | opcode])
    mask = 0x80 if masked else 0
    if len(data) < 126:
        head += bytes([mask | len(data)])
    elif len(data) < 65536:
        head += bytes([mask | 126]) + struct.pack("!H", len(data))
    else:
        head += bytes([mask | 127]) + struct.pack("!Q", len(data))
    if not masked:
        return head + data
    key = os.urandom(4)
    repeated = int.from_bytes((key * (len(data) // 4 + 1))[: len(data)], "big")
    return head + key + (int.from_bytes(data, "big") ^ repeated).to_bytes(len(data), "big")


def closing(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, struct.pack("!H", code) + reason)


class RawSocket(RawClient):
    """A WebSocket of which the test writes every frame."""

    def __init__(self, port: int, path: str, headers: Iterable[str] = (), receive_buffer: int | None = None) -> None:
        super().__init__(port, receive_buffer)
        self._buffer = b""
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET {path} HTTP/1.1",
            "Host: conformance.localhost",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
            *headers,
        ]
        self.send("\r\n".join([*lines, "", ""]).encode())

    def opening(self) -> Answer:
        """The response to the opening request; 101 if the WebSocket is open."""
        data = b""
        while b"\r\n\r\n" not in data:
            more = self.receive()
            assert more, f"the connection ended in {data!r}"
            data += more
        head, _, rest = data.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101"):
            self._rest = data
            answer = self.read_answer()
            assert answer is not None
            return answer
        self._buffer = rest
        status, *lines = head.decode("latin-1").split("\r\n")
        headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        return Answer(int(status.split()[1]), headers, end="whole")

    def _take(self, count: int) -> bytes | None:
        pieces, have = [self._buffer], len(self._buffer)
        while have < count:
            more = self.receive()
            if not more:
                return None
            pieces.append(more)
            have += len(more)
        data = b"".join(pieces)
        self._buffer = data[count:]
        return data[:count]

    def read_frame(self) -> tuple[int, bytes] | None:
        """Opcode and payload of the next frame; None at the end of the connection."""
        head = self._take(2)
        if head is None:
            return None
        assert head[0] & 0x80, "servers send no fragments here"
        length = head[1]
        if length >= 126:
            size = 2 if length == 126 else 8
            length = int.from_bytes(self._take(size) or b"", "big")
        data = self._take(length)
        return None if data is None else (head[0] & 0xF, data)

    def read_frames(self) -> Iterator[tuple[int, bytes]]:
        """All frames up to the end of the connection; a closing frame is answered."""
        while (came := self.read_frame()) is not None:
            yield came
            if came[0] == CLOSE:
                self.send(frame(CLOSE, came[1]))
