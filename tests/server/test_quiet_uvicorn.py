"""A program may run a uvicorn of its own beside this server: its logs are its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from motet.server.http.config import WebConfig
from motet.server.http.listener import Listener, listening_socket


class Kept(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


@pytest.fixture
def programs() -> Iterator[Kept]:
    """The program's own logging of uvicorn's errors and requests."""
    kept = Kept()
    loggers = [logging.getLogger(name) for name in ("uvicorn.error", "uvicorn.access")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(kept)
        logger.setLevel(logging.INFO)
    yield kept
    for logger, level in zip(loggers, before, strict=True):
        logger.removeHandler(kept)
        logger.setLevel(level)


async def fails(scope: Any, receive: Any, send: Any) -> None:
    raise ValueError("an app's error")


def test_this_servers_requests_and_errors_are_not_in_the_programs_log_and_the_programs_own_are(programs: Kept) -> None:
    error, access = logging.getLogger("uvicorn.error"), logging.getLogger("uvicorn.access")
    before = (error.level, access.level, access.propagate, list(access.handlers), list(error.filters))

    async def main() -> None:
        listener = Listener(WebConfig(), fails)
        url = listener.add(listening_socket("127.0.0.1", 0))
        async with httpx.AsyncClient() as client:
            assert (await client.get(url)).status_code == 500
        await asyncio.to_thread(error.info, "the program's own uvicorn began")
        await asyncio.to_thread(access.info, "a request to it")
        assert (error.level, access.level, access.propagate, list(access.handlers)) == before[:4]
        await listener.close()

    asyncio.run(main())
    error.info("and it goes on")
    assert programs.texts == ["the program's own uvicorn began", "a request to it", "and it goes on"]
    assert list(error.filters) == before[4]


def test_listener_whose_loop_ends_before_it_is_closed_silences_nothing_later(programs: Kept) -> None:
    async def main() -> None:
        Listener(WebConfig(), fails).start()
        await asyncio.sleep(0)  # its first step

    asyncio.run(main())
    logging.getLogger("uvicorn.error").info("the program's own uvicorn began")
    assert programs.texts == ["the program's own uvicorn began"]
