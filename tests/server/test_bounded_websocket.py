"""WebSockets on a connection: how they open, and clients that take nothing or send what nobody takes."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from motet.server.http.bounded_http import MAX_HEAD_BYTES

from .http_stage import HEAD, answer_to, settled, talked

OPENING = (
    HEAD + b"Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


async def closes(scope: Any, receive: Any, send: Any) -> None:
    """An app that opens a WebSocket, says what it was asked for, and closes it."""
    await receive()
    await send({"type": "websocket.accept"})
    headers = sum(len(name) + len(value) for name, value in scope["headers"])
    text = f"{scope['path']} {len(scope['query_string'])} {len(scope['headers'])} {headers > 9000}"
    await send({"type": "websocket.send", "text": text})
    await send({"type": "websocket.close"})


@pytest.mark.parametrize(
    ("target", "more", "told"),
    [
        (b"/", b"", b"/ 0 5 False"),
        (b"/a%20b?" + b"q" * 9000, b"", b"/a b 9000 5 False"),
        (b"/", b"Cookie: a=%s\r\n" % (b"c" * 30_000), b"/ 0 6 True"),
        (b"/", b"".join(b"X-%d: v\r\n" % number for number in range(500)), b"/ 0 505 False"),
        (b"/", b"X: caf\xe9\r\n", b"/ 0 6 False"),
        (b"http://x/a", b"Content-Length: 0\r\n", b"/a 0 6 False"),
    ],
)
def test_websocket_opens_with_any_head_that_http_takes(target: bytes, more: bytes, told: bytes) -> None:
    opening = OPENING.replace(b"/ ", target + b" ", 1) + more + b"\r\n"
    answer = answer_to(opening, b"\x88\x80\0\0\0\0", asgi=closes)
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert b"\r\n\r\n\x81" + bytes([len(told)]) + told in answer


@pytest.mark.parametrize(
    ("more", "status"),
    [
        (b"X: %s\r\n" % (b"x" * MAX_HEAD_BYTES), b"431"),
        (b"Content-Length: 3\r\n", b"400"),
        (b"Transfer-Encoding: chunked\r\n", b"400"),
        (b"Sec-WebSocket-Version: 13\r\n", b"400"),
        (b"Host: x\r\n", b"400"),
    ],
)
def test_websocket_that_cannot_open_is_told_so(more: bytes, status: bytes) -> None:
    assert answer_to(OPENING + more + b"\r\n", asgi=closes).startswith(b"HTTP/1.1 " + status)


def test_client_that_sends_pings_and_takes_no_pongs_is_read_no_further() -> None:
    async def waits(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await receive()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        writer.write(OPENING + b"\r\n")
        await reader.readuntil(b"\r\n\r\n")
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        writer.write((b"\x89\xfd\0\0\0\0" + b"p" * 125) * 100_000)
        return await settled(writer)

    assert asyncio.run(talked(talk, asgi=waits, timeout_graceful_shutdown=0)) > 0


def test_messages_that_an_app_does_not_take_stay_with_the_client() -> None:
    async def waits(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await asyncio.Event().wait()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        writer.write(OPENING + b"\r\n")
        await reader.readuntil(b"\r\n\r\n")
        writer.write((b"\x81\xfd\0\0\0\0" + b"m" * 125) * 100_000)
        return await settled(writer)

    assert asyncio.run(talked(talk, asgi=waits, timeout_graceful_shutdown=0)) > 0
