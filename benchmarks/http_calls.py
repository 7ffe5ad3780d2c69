"""A small HTTP/1.1 client: what it costs is little beside any server, and it can hold a thousand connections."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class Connection:
    """One connection that is kept alive."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._head = f"{parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self) -> Answer:
        return await self._request(f"GET {self._head}\r\n".encode())

    async def post(self, value: Any) -> Answer:
        body = json.dumps(value).encode()
        about = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        return await self._request(f"POST {self._head}{about}".encode() + body)

    async def _request(self, data: bytes) -> Answer:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        writer.write(data)
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").rstrip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return Answer(int(first.split()[1]), headers, await _body(reader, headers))

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if "chunked" not in headers.get("transfer-encoding", ""):
        return await reader.readexactly(int(headers.get("content-length", "0")))
    pieces = []
    while size := int(await reader.readuntil(b"\r\n"), 16):
        pieces.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readexactly(2)
    return b"".join(pieces)


async def first_answer(url: str, posted: Any = None, *, patience: float = 120.0) -> Answer:
    """The answer to the first request that is taken at all: a POST if there is something to post.

    Raises `TimeoutError` if none is, `RuntimeError` for a refusal.
    """
    deadline = time.perf_counter() + patience
    while True:
        connection = Connection(url)
        try:
            answer = await (connection.get() if posted is None else connection.post(posted))
            break
        except (OSError, asyncio.IncompleteReadError) as error:
            if time.perf_counter() > deadline:
                raise TimeoutError(f"nobody answers at {url} for {patience:g} s") from error
            await asyncio.sleep(0.005)
        finally:
            connection.close()
    if answer.status != 200:
        raise RuntimeError(f"{url} answers {answer.status}: {answer.body[:200]!r}")
    return answer
