"""Connections whose clients take their time: heads that do not end, answers that nobody reads."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn

from motet.server.http.bounded_http import MAX_HEAD_BYTES, BoundedHttp
from motet.server.http.listener import bound_stalls

HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n"
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[Any]]


class Impatient(BoundedHttp):
    head_seconds = 0.2


async def app(scope: Any, receive: Any, send: Any) -> None:
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message["body"])
        more = message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(str(size)))]})
    await send({"type": "http.response.body", "body": str(size).encode()})


async def talked(talk: Talk, protocol: type[BoundedHttp]) -> Any:
    config = uvicorn.Config(app, port=0, http=protocol, lifespan="off", log_config=None, loop="none")
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    reader, writer = await asyncio.open_connection(*server.servers[0].sockets[0].getsockname())
    try:
        async with asyncio.timeout(20):
            return await talk(reader, writer)
    finally:
        writer.close()
        await server.shutdown()


def answer_to(*pieces: bytes, protocol: type[BoundedHttp] = BoundedHttp) -> bytes:
    """All that comes back until the connection ends; the client says that it is the last request."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        return await reader.read()

    return bytes(asyncio.run(talked(talk, protocol)))


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


def test_connection_on_which_nothing_is_asked_is_closed() -> None:
    assert answer_to(protocol=Impatient) == b""


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
