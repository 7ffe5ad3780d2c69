"""WebSockets frame by frame, in the spirit of the Autobahn suite: what the protocol says, and what plain uvicorn does."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from motet.server.http.listener import MAX_WEBSOCKET_BYTES

from .conftest import assert_nothing_left, wait_until
from .programs import conformance
from .programs.wrong_messages import WRONG_SOCKETS
from .raw_client import BINARY, CLOSE, CONT, PING, PONG, TEXT, RawSocket, closing, frame
from .under_uvicorn import under_uvicorn

Frames = list[tuple[int, bytes]]


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[None]:
    with conformance.app.run():
        yield
    assert_nothing_left()


@pytest.fixture(scope="module")
def ours(running: None) -> int:
    """The port of Motet's ingress, with the app up."""
    port = httpx.URL(conformance.same.get_web_url() or "").port or 0
    assert echoed(port, []) == [GONE]
    return port


@pytest.fixture(scope="module")
def plain() -> Iterator[int]:
    with under_uvicorn(conformance.site) as port:
        yield port


def code(number: int, reason: bytes = b"") -> bytes:
    return struct.pack("!H", number) + reason


def echoed(port: int, frames: list[bytes], count: int | None = 0) -> Frames:
    """Every frame that comes back for these. The client closes after the first `count` of them; None: it does not."""
    with RawSocket(port, "/echo") as channel:
        assert channel.opening().status == 101
        channel.send(b"".join(frames))
        came = [it for _ in range(count or 0) if (it := channel.read_frame()) is not None]
        if count is not None:
            channel.send(BYE)
        return came + list(channel.read_frames())


BYE = closing(1000)
GONE = (CLOSE, code(1000))
KILLED, FAILED, TOO_BIG = 1002, 1007, 1009
SIZES = (0, 1, 125, 126, 127, 65535, 65536, 1_048_576)
EURO = "€".encode()

CASES: dict[str, tuple[list[bytes], Frames | int]] = {
    # What the client sends, and what comes back: frames, or the code that the server closes with.
    **{f"text of {n}": ([frame(TEXT, b"t" * n)], [(TEXT, b"t" * n)]) for n in SIZES},
    **{f"bytes of {n}": ([frame(BINARY, b"\xfe" * n)], [(BINARY, b"\xfe" * n)]) for n in SIZES},
    "many at once": ([frame(TEXT, b"%d" % n) for n in range(500)], [(TEXT, b"%d" % n) for n in range(500)]),
    "text in UTF-8": ([frame(TEXT, "κόσμε 😀\0".encode())], [(TEXT, "κόσμε 😀\0".encode())]),
    # Pings and pongs.
    "ping": ([frame(PING)], [(PONG, b"")]),
    "ping with data": ([frame(PING, b"\xff\0data")], [(PONG, b"\xff\0data")]),
    "ping of 125 bytes": ([frame(PING, b"p" * 125)], [(PONG, b"p" * 125)]),
    "ping of 126 bytes": ([frame(PING, b"p" * 126)], KILLED),
    "pong unasked": ([frame(PONG, b"x")], []),
    "ping, ten of them": ([frame(PING, b"%d" % n) for n in range(10)], [(PONG, b"%d" % n) for n in range(10)]),
    "ping in fragments": ([frame(PING, b"a", fin=False), frame(CONT, b"b")], KILLED),
    # Fragments.
    "two fragments": ([frame(TEXT, b"a", fin=False), frame(CONT, b"b")], [(TEXT, b"ab")]),
    "fragments of nothing": ([frame(TEXT, fin=False), frame(CONT, fin=False), frame(CONT)], [(TEXT, b"")]),
    "thousand fragments": (
        [frame(BINARY, b"a", fin=False), *[frame(CONT, b"b", fin=False)] * 998, frame(CONT, b"c")],
        [(BINARY, b"a" + b"b" * 998 + b"c")],
    ),
    "ping between fragments": (
        [frame(TEXT, b"a", fin=False), frame(PING, b"p"), frame(CONT, b"b")],
        [(PONG, b"p"), (TEXT, b"ab")],
    ),
    "character cut by fragments": (
        [frame(TEXT, EURO[:1], fin=False), frame(CONT, EURO[1:2], fin=False), frame(CONT, EURO[2:])],
        [(TEXT, EURO)],
    ),
    "continuation of nothing": ([frame(CONT, b"a")], KILLED),
    "continuation after the end": ([frame(TEXT, b"a"), frame(CONT, b"b")], KILLED),
    "message within fragments": ([frame(TEXT, b"a", fin=False), frame(TEXT, b"b")], KILLED),
    # Bits and opcodes that mean nothing.
    **{f"reserved bit {bit}": ([frame(TEXT, b"a", reserved=bit)], KILLED) for bit in (1, 2, 4, 7)},
    "reserved bit of a ping": ([frame(PING, reserved=1)], KILLED),
    **{f"opcode {opcode}": ([frame(opcode, b"a")], KILLED) for opcode in (3, 7, 11, 15)},
    "not masked": ([frame(TEXT, b"a", masked=False)], KILLED),
    # What is not UTF-8.
    **{
        f"invalid UTF-8 {data.hex()}": ([frame(TEXT, data)], FAILED)
        for data in (b"\xff", b"a\x80", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", EURO[:2])
    },
    "invalid UTF-8 in fragments": ([frame(TEXT, b"\xce\xba", fin=False), frame(CONT, b"\xff")], FAILED),
    # Too much.
    "message beyond the limit": ([frame(BINARY, b"x" * (MAX_WEBSOCKET_BYTES + 1))], TOO_BIG),
    "fragments beyond the limit": (
        [frame(BINARY, b"x" * MAX_WEBSOCKET_BYTES, fin=False), frame(CONT, b"x")],
        TOO_BIG,
    ),
    "length beyond all": ([b"\x82\xff" + b"\xff" * 8 + b"mask"], TOO_BIG),
    # Closing.
    "close without a code": ([frame(CLOSE)], [(CLOSE, b"")]),
    "close with a reason": ([closing(1000, b"done")], [(CLOSE, code(1000, b"done"))]),
    "close with the longest reason": ([closing(1000, b"r" * 123)], [(CLOSE, code(1000, b"r" * 123))]),
    "close with too long a reason": ([closing(1000, b"r" * 124)], KILLED),
    "close with half a code": ([frame(CLOSE, b"\x03")], KILLED),
    "close with a reason not in UTF-8": ([closing(1000, b"\xff")], FAILED),
    **{
        f"close with {number}": ([closing(number)], [(CLOSE, code(number))])
        for number in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
    },
    **{
        f"close with {number}, which is not allowed": ([closing(number)], KILLED)
        for number in (0, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65535)
    },
    "message after the close": ([BYE, frame(TEXT, b"late")], [GONE]),
    "ping after the close": ([BYE, frame(PING, b"late")], [GONE]),
    "close twice": ([BYE, closing(1001)], [GONE]),
}


@pytest.mark.parametrize("name", CASES)
def test_frames_are_answered_as_the_protocol_says(ours: int, name: str) -> None:
    sent, expected = CASES[name]
    if isinstance(expected, int):
        assert [(opcode, data[:2]) for opcode, data in echoed(ours, sent, None)[-1:]] == [(CLOSE, code(expected))]
    elif expected[-1:] and expected[-1][0] == CLOSE:
        assert echoed(ours, sent, None) == expected
    else:
        assert echoed(ours, sent, len(expected)) == [*expected, GONE]


@pytest.mark.parametrize("name", ["thousand fragments", "close with 4000", "opcode 3", "close without a code"])
def test_uvicorn_answers_the_same(plain: int, name: str) -> None:
    test_frames_are_answered_as_the_protocol_says(plain, name)


def test_frame_may_come_byte_by_byte(ours: int) -> None:
    with RawSocket(ours, "/echo") as channel:
        assert channel.opening().status == 101
        data = frame(TEXT, "größer".encode())
        channel.send(*(data[n : n + 1] for n in range(len(data))))
        assert channel.read_frame() == (TEXT, "größer".encode())


def test_message_as_large_as_the_limit_comes_back(ours: int) -> None:
    data = b"x" * MAX_WEBSOCKET_BYTES
    assert echoed(ours, [frame(BINARY, data)], 1) == [(BINARY, data), GONE]


# --- opening ----------------------------------------------------------------------------------------------------------


def test_opening_is_told_and_answered_as_by_uvicorn(ours: int, plain: int) -> None:
    offered = ["Sec-WebSocket-Protocol: chat, superchat", "Sec-WebSocket-Protocol: last", "X-Own: 1", "X-Own: 2"]
    seen = []
    for port in (ours, plain):
        with RawSocket(port, "/with/%C3%A9?a=b&c", offered) as channel:
            opening = channel.opening()
            told, closed = channel.read_frames()
        keep = ("x-one", "set-cookie", "sec-websocket-protocol", "sec-websocket-extensions", "upgrade")
        headers = [it for it in opening.headers if it[0] in keep]
        seen.append((opening.status, sorted(headers), json.loads(told[1]), closed))
    assert seen[0] == seen[1]
    status, headers, told_by_app, closed = seen[0]
    assert status == 101
    assert ("sec-websocket-protocol", "last") in headers
    assert [value for name, value in headers if name == "set-cookie"] == ["a=1", "b=2"]
    assert told_by_app["subprotocols"] == ["chat", "superchat", "last"]
    assert (told_by_app["path"], told_by_app["own"]) == ("/with/é", ["1", "2"])
    assert told_by_app["state"] == {"greeting": "hello"}
    assert closed == (CLOSE, code(1000))


@pytest.mark.parametrize(
    ("how", "status", "body"), [("close", 403, b""), ("401", 401, b"not today"), ("503", 503, b"not today")]
)
def test_refusal_is_a_response(ours: int, plain: int, how: str, status: int, body: bytes) -> None:
    for port in (ours, plain):
        with RawSocket(port, f"/denies/{how}") as channel:
            answer = channel.opening()
        assert (answer.status, answer.body, answer.end) == (status, body, "whole")
        assert answer.header("x-why") == (None if how == "close" else "no")


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ("Sec-WebSocket-Version: 12", 400),
        ("Sec-WebSocket-Key: x", 400),
    ],
)
def test_opening_that_is_no_opening_is_refused(ours: int, wrong: str, status: int) -> None:
    with RawSocket(ours, "/echo", [wrong]) as channel:
        answer = channel.opening()
        assert answer.status == status
    assert echoed(ours, []) == [GONE]


def test_head_of_an_opening_is_bounded(ours: int) -> None:
    with RawSocket(ours, "/echo", ["X-Long: " + "a" * 100_000]) as channel:
        assert channel.opening().status == 431


# --- closing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "expected"), [("", code(1000)), ("/4001/enough", code(4001, b"enough"))])
def test_app_closes_with_its_code_and_reason(ours: int, path: str, expected: bytes) -> None:
    with RawSocket(ours, f"/closes{path}") as channel:
        assert channel.opening().status == 101
        assert list(channel.read_frames()) == [(CLOSE, expected)]


@pytest.mark.parametrize(
    ("farewell", "told"),
    [
        (closing(4002, b"had enough"), "websocket.disconnect 4002 had enough"),
        (frame(CLOSE), "websocket.disconnect 1005"),
        (frame(3, b""), "websocket.disconnect 1002"),
        (frame(TEXT, b"\xff"), "websocket.disconnect 1007"),
        (b"", "websocket.disconnect 100"),
    ],
    ids=["4002", "no-code", "bad-opcode", "bad-text", "reset"],  # frames have random masks: no two runs would agree
)
def test_app_is_told_how_the_client_left(ours: int, tmp_path: Path, farewell: bytes, told: str) -> None:
    with RawSocket(ours, f"/echo?{tmp_path / 'end'}") as channel:
        assert channel.opening().status == 101
        channel.send(frame(TEXT, b"hello"))
        assert channel.read_frame() == (TEXT, b"hello")
        if farewell:
            channel.send(farewell)
            assert (channel.read_frame() or (0, b""))[0] == CLOSE
        else:
            channel.reset()
        wait_until(lambda: (tmp_path / "end").exists() and (tmp_path / "end").read_text())
    assert (tmp_path / "end").read_text().startswith(told)
    wait_until(lambda: conformance.same.get_current_stats().num_running_inputs == 0)


# --- backpressure -----------------------------------------------------------------------------------------------------


def test_app_that_reads_slowly_holds_its_client_up(ours: int, tmp_path: Path) -> None:
    message = frame(BINARY, b"x" * 100_000)
    sent = 0
    with RawSocket(ours, f"/slow-reader?{tmp_path / 'go'}") as channel:
        assert channel.opening().status == 101
        channel.socket.settimeout(0.5)
        rest = b""
        try:
            while sent < 300:
                rest = rest or message
                rest = rest[channel.socket.send(rest) :]
                sent += not rest
        except TimeoutError:
            pass
        assert sent < 200
        (tmp_path / "go").touch()
        channel.socket.settimeout(20)
        channel.send(rest, frame(TEXT, b"end"))
        assert channel.read_frame() == (TEXT, b"%d" % (sent + bool(rest)))


def test_client_that_does_not_read_holds_the_app_up(ours: int, tmp_path: Path) -> None:
    said = tmp_path / "sent"
    with RawSocket(ours, f"/flood?{said}", receive_buffer=4096) as channel:
        wait_until(said.exists)
        before = -1
        while (now := int(said.read_text() or 0)) > before:  # until it comes to rest
            before = now
            time.sleep(0.3)
        assert 0 < now < 20_000_000
        assert channel.opening().status == 101
        for _ in range(100):
            came = channel.read_frame()
            assert came is not None
            assert len(came[1]) == len(conformance.PIECE)
        wait_until(lambda: int(said.read_text()) > now)
        channel.reset()
    wait_until(lambda: conformance.same.get_current_stats().num_running_inputs == 0)


# --- apps that break the rules ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WRONG_SOCKETS)
def test_wrong_message_ends_that_websocket_alone(ours: int, name: str) -> None:
    _, status, closed = WRONG_SOCKETS[name]
    with RawSocket(ours, "/echo") as neighbour, RawSocket(ours, f"/wrong/{name}") as channel:
        container = neighbour.opening().header("motet-container-id")
        if status is None:
            assert channel.receive() == b""
        else:
            opening = channel.opening()
            assert opening.status == status
            if closed is not None:
                assert [(opcode, data[:2]) for opcode, data in channel.read_frames()] == [(CLOSE, code(closed))]
                assert opening.header("motet-container-id") == container
        neighbour.send(frame(TEXT, b"still here"))
        assert neighbour.read_frame() == (TEXT, b"still here")
