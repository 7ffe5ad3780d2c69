"""A POST of JSON, on a thread of its own, which ends with the process, however long the other side takes."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import ssl
import threading
from collections.abc import Mapping
from urllib.parse import urlsplit

from motet.model.version import VERSION

TIMEOUT = 10.0
"""Seconds for a connection, and for each part of an answer."""


async def post_json(url: str, body: bytes, headers: Mapping[str, str]) -> int:
    """The status of the answer; redirects are not followed. `headers`: beside those of every such request. Raises `OSError`,
    `ValueError` or `http.client.HTTPException` where there is no answer."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[int] = loop.create_future()

    def post() -> None:
        try:
            status, problem = _post(url, body, headers), None
        except Exception as error:
            status, problem = 0, error
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits
            loop.call_soon_threadsafe(_settle, done, status, problem)

    threading.Thread(target=post, name="motet-hook", daemon=True).start()
    return await done


def _settle(done: asyncio.Future[int], status: int, problem: Exception | None) -> None:
    if done.done():
        return
    if problem is None:
        done.set_result(status)
    else:
        done.set_exception(problem)


def _post(url: str, body: bytes, more: Mapping[str, str]) -> int:
    parts = urlsplit(url)
    host = parts.hostname or ""
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(host, parts.port, timeout=TIMEOUT, context=context)
    else:
        connection = http.client.HTTPConnection(host, parts.port, timeout=TIMEOUT)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {
        "content-type": "application/json",
        "user-agent": f"motet/{VERSION}",
        "connection": "close",
        **more,
    }
    try:
        connection.request("POST", target, body, headers)
        return connection.getresponse().status
    finally:
        connection.close()
