"""The body of a request as WSGI apps read it: a file, on their thread."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Coroutine
from typing import Any, BinaryIO, cast

from motet.runtime.web.client_left import ClientLeft
from motet.wire.asgi import Receive

OnLoop = Callable[[Coroutine[Any, Any, bytes]], bytes]

IN_MEMORY = 1024 * 1024
MOST_GATHERED = 64 * 1024 * 1024
"""Bytes of a body in chunks that are waited for, so that its length is known."""
BUFFER = 64 * 1024


class WsgiBody(io.RawIOBase):
    """What is received, piece by piece, after what is there already. `on_loop` has a step done on the loop."""

    def __init__(self, receive: Receive, on_loop: OnLoop, there: BinaryIO | None = None, over: bool = False) -> None:
        super().__init__()
        self._receive = receive
        self._on_loop = on_loop
        self._there = there
        self._piece = memoryview(b"")
        self._over = over

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """As of any raw file; 0 at the end. Raises `ClientLeft` if the client left before it."""
        if self._there is not None:
            if count := cast(io.BufferedIOBase, self._there).readinto(buffer):
                return count
            self._there.close()
            self._there = None
        while not self._piece and not self._over:
            self._piece = memoryview(self._on_loop(self._next()))
        count = min(len(buffer), len(self._piece))
        buffer[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        return count

    def close(self) -> None:
        if self._there is not None:
            self._there.close()
        super().close()

    async def _next(self) -> bytes:
        data, self._over = await _piece(self._receive)
        return data


async def _piece(receive: Receive) -> tuple[bytes, bool]:
    """The next piece of a body, and whether it is the last."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientLeft("the client left before the end of its request")
    return message.get("body", b""), not message.get("more_body", False)


async def gathered(scope: dict[str, Any], receive: Receive, on_loop: OnLoop) -> tuple[io.BufferedReader, int | None]:
    """The body, and its length if that was not in the head of the request, and could be found out.

    Some frameworks (Django) take a body of unknown length for an empty one: so a body in chunks is waited for, in a file
    if it is large. One beyond `MOST_GATHERED` comes as it comes, without a length.
    """
    there: BinaryIO | None = None
    length: int | None = None
    over = False
    if any(name == b"transfer-encoding" for name, _ in scope["headers"]):
        there = cast(BinaryIO, tempfile.SpooledTemporaryFile(IN_MEMORY))  # noqa: SIM115 - the body closes it
        while not over and there.tell() < MOST_GATHERED:
            data, over = await _piece(receive)
            there.write(data)
        length = there.tell() if over else None
        there.seek(0)
    return io.BufferedReader(WsgiBody(receive, on_loop, there, over), BUFFER), length
