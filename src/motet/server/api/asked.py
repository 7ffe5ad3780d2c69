"""What one request asks for: its path, its query, its headers, and the client that it is."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable
from typing import Any, TypeVar

from starlette.requests import Request

from motet.server.api.bodies import Bodies, check_arguments, encoding_of_body
from motet.server.api.problems import Problem
from motet.server.api.visit import Visit
from motet.server.dashboard.filters import Filters
from motet.wire.encoding import Encoding

T = TypeVar("T")

_TRACE = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}[!-~]{0,400}")


class ClientGone(Exception):
    """Whoever asked does not wait for the answer any more."""


class Asked:
    """One request that was let in."""

    def __init__(self, request: Request, visit: Visit, bodies: Bodies, principal: str, now: float) -> None:
        self.visit = visit
        self.principal = principal
        """Who asks: what tells it from all others."""
        self.filters = Filters(request.query_params.multi_items(), now)
        self._request = request
        self._bodies = bodies
        self._has_body = request.method != "POST"
        """Whether all of the body has been read."""

    def part(self, name: str) -> str:
        """A part of the path."""
        return str(self._request.path_params[name])

    def header(self, name: str) -> str | None:
        """A header; several of a name in one."""
        return ", ".join(self._request.headers.getlist(name)) or None

    @property
    def receive(self) -> Any:
        """As ASGI has it."""
        return self._request.receive

    @property
    def trace(self) -> str:
        """The `traceparent` that what is called is to continue; empty: none, or one that is none."""
        text = self.header("traceparent") or ""
        return text if _TRACE.fullmatch(text) else ""

    async def body(self) -> bytes:
        """All of it."""
        found = await self._bodies.read(self._request.receive, self.header("content-length"))
        self._has_body = True
        return found

    async def arguments(self) -> tuple[bytes, Encoding]:
        """The body of a call, and what it is in. Raises `Problem`."""
        body = await self.body()
        encoding = encoding_of_body(self.header("content-type"), body)
        await check_arguments(body, encoding)
        return body, encoding

    def boolean(self, name: str, default: bool = False) -> bool:
        """A parameter of the query that is true or false."""
        text = self.filters.text(name)
        if text is None:
            return default
        if text.lower() not in ("true", "false", "1", "0"):
            raise Problem("bad-request", f"{name}={text} must be true or false")
        return text.lower() in ("true", "1")

    def seconds(self, name: str, default: float, most: float) -> float:
        """A parameter of the query that says how long to wait."""
        text = self.filters.text(name)
        if text is None:
            return default
        if not re.fullmatch(r"\d{1,6}(\.\d{1,6})?", text) or float(text) > most:
            raise Problem("bad-request", f"{name}={text} must be a number of seconds from 0 to {most:g}")
        return float(text)

    # --- while somebody waits -----------------------------------------------------------------------------------------

    async def unless_gone(self, what: Awaitable[T]) -> T:
        """What comes of it. Raises `ClientGone` if whoever asks goes first; then it is cancelled."""
        found = asyncio.ensure_future(what)
        try:
            async with self.watched(found):
                return await found
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or not task.cancelling():
                raise ClientGone from None
            raise

    @contextlib.asynccontextmanager
    async def watched(self, task: asyncio.Future[Any]) -> AsyncIterator[None]:
        """Have a task be cancelled when whoever asks is gone."""
        watch = asyncio.ensure_future(self._wait_gone())
        watch.add_done_callback(lambda done: None if done.cancelled() else task.cancel())
        try:
            yield
        finally:
            watch.cancel()
            if not task.done():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, Problem):
                    await task

    async def _wait_gone(self) -> None:
        if not self._has_body:
            # Nobody wants it, but what comes behind it is how one hears that a client is gone.
            await self._bodies.read(self._request.receive, None)
            self._has_body = True
        while (await self._request.receive())["type"] != "http.disconnect":
            pass
