"""Connections whose clients take their time, take nothing, ask for much, or ask in ways that HTTP does not know."""

from __future__ import annotations

import asyncio
import socket
from types import SimpleNamespace
from typing import Any

import pytest

from motet.server.http.bounded_http import MAX_HEAD_BYTES, MAX_HELD_BYTES, BoundedHttp
from motet.server.http.listener import bound_stalls

from .http_stage import HEAD, Slow, answer_to, settled, talked


class Impatient(BoundedHttp):
    head_seconds = 0.2


@pytest.mark.parametrize("size", [MAX_HEAD_BYTES, 1_000_000])
def test_head_beyond_the_limit_is_431(size: int) -> None:
    answer = answer_to(HEAD, b"X-Long: " + b"a" * size)
    assert answer.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert answer.endswith(b"\r\n\r\nRequest Header Fields Too Large\n")


def test_head_that_comes_in_many_pieces_is_bounded_too() -> None:
    pieces = [b"X-%d: %s\r\n" % (number, b"a" * 1000) for number in range(100)]
    assert answer_to(HEAD, *pieces).startswith(b"HTTP/1.1 431 ")


def test_head_within_the_limit_and_a_large_body_in_the_same_piece_are_taken() -> None:
    body = b"b" * (3 * MAX_HEAD_BYTES)
    long = b"X-Long: %s\r\n" % (b"a" * 60_000)
    rest = b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    for pieces in ([HEAD + long + rest + body], [HEAD + long + rest[:-1], rest[-1:] + body]):
        assert answer_to(*pieces).endswith(b"\r\n\r\n%d" % len(body))


def test_heads_of_many_requests_on_a_connection_do_not_add_up() -> None:
    request = HEAD + b"X-Long: %s\r\n\r\n" % (b"a" * 30_000)
    last = HEAD + b"Connection: close\r\n\r\n"
    assert answer_to(*[request] * 5, last).count(b"HTTP/1.1 200 OK\r\n") == 6


def test_head_that_does_not_end_in_time_is_408() -> None:
    assert answer_to(HEAD, protocol=Impatient).startswith(b"HTTP/1.1 408 Request Timeout\r\n")


def test_connection_on_which_nothing_is_asked_is_closed_without_a_word_when_connections_are_not_kept_any_longer() -> (
    None
):
    assert answer_to(timeout_keep_alive=0.2) == b""
    assert answer_to(HEAD + b"\r\n", timeout_keep_alive=0.2).endswith(b"\r\n\r\n0")


def test_connection_on_which_nothing_was_asked_yet_is_kept_for_longer_than_a_head_may_take() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        await asyncio.sleep(3 * Impatient.head_seconds)
        writer.write(HEAD + b"Connection: close\r\n\r\n")
        return await reader.read()

    assert asyncio.run(talked(talk, Impatient)).startswith(b"HTTP/1.1 200 ")


def test_further_head_on_a_connection_has_a_time_limit_too() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(HEAD + b"\r\n")
        first = await reader.readuntil(b"\r\n\r\n0")
        writer.write(b"GET")
        return first + await reader.read()

    answers = asyncio.run(talked(talk, Impatient))
    assert answers.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 408 " in answers


def test_body_may_take_longer_than_a_head() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(HEAD + b"Connection: close\r\nContent-Length: 2\r\n\r\n1")
        await asyncio.sleep(3 * Impatient.head_seconds)
        writer.write(b"2")
        return await reader.read()

    assert asyncio.run(talked(talk, Impatient)).endswith(b"\r\n\r\n2")


# --- what follows a body in chunks -------------------------------------------------------------------------------------


CHUNKED = HEAD.replace(b"GET", b"POST") + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n"


async def _names_of_headers(scope: Any, receive: Any, send: Any) -> None:
    while (await receive())["more_body"]:
        pass
    text = b" ".join(name for name, _ in scope["headers"])
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(text))]})
    await send({"type": "http.response.body", "body": text})


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("wish", [b"", b"Upgrade: h2c\r\n"])
def test_trailers_are_not_taken_for_headers(apart: bool, wish: bytes) -> None:
    head, body = CHUNKED.replace(b"Connection: close\r\n", wish).split(b"\r\n\r\n")
    end = b"0\r\nMotet-Key: somebody\r\nX-Forwarded-For: 10.0.0.9\r\n\r\n"
    last = HEAD + b"Connection: close\r\n\r\n"
    pieces = [head + b"\r\n\r\n", body, end, last] if apart else [head + b"\r\n\r\n" + body + end + last]
    answer = answer_to(*pieces, asgi=_names_of_headers)
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert b"motet-key" not in answer
    assert b"x-forwarded-for" not in answer


@pytest.mark.parametrize(
    "rest", [b"0\r\n" + b"X: a\r\n" * 100_000, b"0\r\nX: " + b"a" * 500_000, b"2;" + b"a" * 500_000, b"0" * 500_000]
)
def test_what_a_body_in_chunks_has_beside_its_bytes_is_bounded(rest: bytes) -> None:
    pieces = [rest[at : at + 50_000] for at in range(0, len(rest), 50_000)]
    assert answer_to(CHUNKED, *pieces).startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 "))


def test_chunks_of_a_byte_each_are_as_good_as_any() -> None:
    assert answer_to(CHUNKED + b"1;x=1\r\na\r\n" * 50_000 + b"0\r\n\r\n").endswith(b"\r\n\r\n50002")


def test_a_body_of_blank_lines_is_cut_up_without_being_copied_again_for_each() -> None:
    class Counted(bytes):
        copied = 0

        def __getitem__(self, at: Any) -> Any:
            part = Counted(super().__getitem__(at))
            Counted.copied += len(part)
            return part

    class Seen(BoundedHttp):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            made.set_result(self)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        (await made).data_received(request)
        return await reader.read()

    async def main() -> bytes:
        nonlocal made
        made = asyncio.get_running_loop().create_future()
        return bytes(await talked(talk, Seen))

    made: asyncio.Future[BoundedHttp]
    body = b"\r\n\r\n" * 5_000
    request = Counted(CHUNKED + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
    assert asyncio.run(main()).endswith(b"\r\n\r\n%d" % (len(body) + 2))
    assert Counted.copied < 3 * len(request)


# --- more requests than answers ---------------------------------------------------------------------------------------


def test_requests_behind_one_that_is_not_answered_wait_as_bytes_and_not_many_of_them() -> None:
    request = HEAD + b"X: %s\r\n\r\n" % (b"x" * 1000)
    count = 4000

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        # Systems hold several MiB for a connection, more for one whose way they know: less than all of it has to fit.
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
        writer.write(request * count)
        await slow.asked.wait()
        left = await settled(writer)
        assert slow.times == 1
        (connection,) = {it for it in connections if it.transport is not None}
        assert len(connection._held) <= MAX_HELD_BYTES + 256 * 1024  # one read more than that
        slow.may_answer.set()
        answers = 0
        while answers < count:
            assert (await reader.readuntil(b"\r\n\r\n0")).startswith(b"HTTP/1.1 200 ")
            answers += 1
        return left

    connections: list[BoundedHttp] = []

    class Seen(BoundedHttp):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            connections.append(self)
            super().connection_made(transport)

    slow = Slow()
    assert asyncio.run(talked(talk, Seen, slow)) > 0  # the rest stays with the client


def test_requests_that_came_together_are_answered_in_their_order() -> None:
    post = HEAD.replace(b"GET", b"POST")
    chunked = post + b"Transfer-Encoding: chunked\r\n\r\n4\r\n\r\n\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    all_of_them = post + b"Content-Length: 5\r\n\r\nhello" + chunked + HEAD + b"Connection: close\r\n\r\n"
    for size in (1, 3, 50, 1000):
        pieces = [all_of_them[at : at + size] for at in range(0, len(all_of_them), size)]
        assert [answer[-1:] for answer in answer_to(*pieces).split(b"HTTP/1.1 200 OK")[1:]] == [b"5", b"7", b"0"]


# --- clients that send no more ----------------------------------------------------------------------------------------


class _AfarSocket:
    """A connection from elsewhere."""

    def getsockname(self) -> tuple[str, int]:
        return "192.0.2.1", 80

    def getpeername(self) -> tuple[str, int]:
        return "192.0.2.2", 4000


class Afar(BoundedHttp):
    """Whose clients come from elsewhere, as far as it can see."""

    looks = (0.02,)

    def eof_received(self) -> bool:
        transport = self.transport
        self.transport = SimpleNamespace(  # type: ignore[assignment]
            **{name: getattr(transport, name) for name in ("write", "write_ahead", "close", "is_closing")},
            get_extra_info=lambda _: _AfarSocket(),
        )
        return super().eof_received()


@pytest.mark.parametrize("protocol", [BoundedHttp, Afar])
def test_client_that_closes_its_half_of_the_connection_gets_all_its_answers(protocol: type[BoundedHttp]) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write((HEAD + b"\r\n") * 3)
        writer.write_eof()
        await slow.asked.wait()
        await asyncio.sleep(0.2)
        assert not slow.left.is_set()
        slow.may_answer.set()
        return await reader.read()

    slow = Slow()
    answers = asyncio.run(talked(talk, protocol, asgi=slow))
    assert answers.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answers.count(b"HTTP/1.1 200 OK\r\n") == 3


@pytest.mark.parametrize("protocol", [BoundedHttp, Afar])
def test_app_is_told_of_a_client_that_closed_both_halves(protocol: type[BoundedHttp]) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"\r\n")
        await slow.asked.wait()
        writer.close()
        await slow.left.wait()

    slow = Slow()
    asyncio.run(talked(talk, protocol, asgi=slow))


@pytest.mark.parametrize("protocol", [BoundedHttp, Afar])
def test_client_that_leaves_a_stream_on_which_nothing_happens_is_noticed(protocol: type[BoundedHttp]) -> None:
    async def streams(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        if scope["path"] == "/":
            assert (await receive())["type"] == "http.disconnect"
            left.set()
        else:
            await asyncio.sleep(0.2)
            await send({"type": "http.response.body", "body": b"two", "more_body": False})

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"\r\n")
        await reader.readuntil(b"one\r\n")
        writer.close()
        await left.wait()

    async def reads_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(HEAD.replace(b"/ ", b"/on ") + b"\r\n")
        await reader.readuntil(b"one\r\n")
        writer.write_eof()
        return await reader.read()

    async def run() -> bytes:
        await talked(talk, protocol, asgi=streams)
        return bytes(await talked(reads_on, protocol, asgi=streams))

    left = asyncio.Event()
    size, _, rest = asyncio.run(run()).partition(b"\r\n")
    assert (size == b"3") is (protocol is BoundedHttp)  # it was looked for
    assert (int(size, 16), rest) == (3, b"two\r\n0\r\n\r\n")


# --- other protocols --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wish", [b"h2c", b"TLS/1.0", b"websocket", b"x, y/2"])
@pytest.mark.parametrize("apart", [True, False])
def test_wish_for_a_protocol_that_is_not_spoken_is_ignored_and_the_body_read(wish: bytes, apart: bool) -> None:
    wishes = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: %s\r\nHTTP2-Settings: AAMA\r\n" % wish
    last = HEAD + b"Connection: close\r\n\r\n"
    for framing, body in (
        (b"Content-Length: 5", b"hello"),
        (b"Transfer-Encoding: chunked", b"5\r\nhello\r\n0\r\n\r\n"),
    ):
        head = HEAD.replace(b"GET", b"POST") + wishes + framing + b"\r\n\r\n"
        answers = answer_to(head, body, last) if apart else answer_to(head + body + last)
        assert [it[-1:] for it in answers.split(b"HTTP/1.1 ")] == [b"", b"5", b"0"]
    none = answer_to(HEAD + wishes.replace(b"websocket", b"h2c") + b"\r\n" + last)
    assert none.count(b"HTTP/1.1 200 OK") == 2


# --- hosts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "why"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"no Host header"),
        (HEAD + b"Host: x\r\n\r\n", b"more than one Host header"),
        (HEAD + b"host: y\r\n\r\n", b"more than one Host header"),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", b"malformed"),
        (b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", b"malformed"),
        (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", b"malformed"),
        (b"GET http://y/ HTTP/1.1\r\nHost: x\r\n\r\n", b"another host"),
        (b"GET http://me@x/ HTTP/1.1\r\nHost: x\r\n\r\n", b"another host"),
        (b"GET http://x:81/ HTTP/1.1\r\nHost: x\r\n\r\n", b"another host"),
        (b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", b"CONNECT"),
    ],
)
def test_request_that_is_for_two_hosts_or_none_is_refused(head: bytes, why: bytes) -> None:
    answer = answer_to(head)
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert why in answer


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.0\r\n",
        b"GET / HTTP/1.1\r\nHost:\r\n",
        b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n",
        b"GET / HTTP/1.1\r\nHost: my_app.localhost:8000\r\n",
        b"GET http://X:80/ HTTP/1.1\r\nHost: x\r\n",
    ],
)
def test_request_for_one_host_is_taken_however_that_is_said(head: bytes) -> None:
    assert answer_to(head + b"Connection: close\r\n\r\n").startswith(b"HTTP/1.1 200 ")


def test_connection_of_a_client_that_reads_nothing_is_broken_off() -> None:
    class Talker(asyncio.Protocol):
        def __init__(self, lost: asyncio.Future[Exception | None]) -> None:
            self._lost = lost

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.WriteTransport)
            transport.write(b"x" * 20_000_000)

        def connection_lost(self, exc: Exception | None) -> None:
            self._lost.set_result(exc)

    async def run() -> Exception | None:
        loop = asyncio.get_running_loop()
        lost = loop.create_future()
        with socket.create_server(("127.0.0.1", 0)) as listening:
            bound_stalls(listening, 0.5)
            server = await loop.create_server(lambda: Talker(lost), sock=listening)
            with socket.create_connection(listening.getsockname()):
                async with asyncio.timeout(20):
                    why = await lost
            server.close()
            return why

    assert isinstance(asyncio.run(run()), TimeoutError)
