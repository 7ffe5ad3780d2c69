"""Where web functions are reached, and so their URLs."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from motet.errors import InvalidError, ServiceError
from motet.server.http.config import WebConfig
from motet.server.http.doors import DERIVED_PORTS, Doors
from motet.server.http.listener import Listener

LABELS = ["test-doors-a", "test-doors-b", "test-doors-c"]


async def tell(scope: Any, receive: Any, send: Any) -> None:
    text = str(scope["server"][1]).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(text))]})
    await send({"type": "http.response.body", "body": text})


def with_doors(use: Callable[[Doors], Awaitable[Any]], **config: Any) -> Any:
    async def run() -> Any:
        web = WebConfig(**config)
        listener = Listener(web, tell)
        try:
            return await use(Doors(web, listener))
        finally:
            await listener.close()

    return asyncio.run(run())


def opened(**config: Any) -> list[str]:
    async def use(doors: Doors) -> list[str]:
        return list(doors.open(LABELS).values())

    return list(with_doors(use, **config))


def port_of(url: str) -> int:
    return httpx.URL(url).port or 0


@contextmanager
def taken(port: int = 0) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", port)) as listening:
        yield listening.getsockname()[1]


def free_run(length: int) -> int:
    """The first of so many ports in a row that nobody has."""
    for first in range(31000, 32700, length):
        try:
            for port in range(first, first + length):
                with taken(port):
                    pass
        except OSError:
            continue
        return first
    raise AssertionError


def test_each_function_has_a_port_of_its_own_at_which_it_is_reached() -> None:
    async def use(doors: Doors) -> None:
        urls = doors.open(LABELS)
        assert len({port_of(url) for url in urls.values()}) == 3
        async with httpx.AsyncClient() as client:
            for label, url in urls.items():
                assert (await client.get(url)).text == str(port_of(url))
                assert doors.owner(port_of(url)) == label
        assert doors.owner(None) is None

    with_doors(use)


def test_ports_are_the_same_the_next_time_unless_somebody_has_them() -> None:
    first = opened()
    assert opened() == first
    assert all(port_of(url) in DERIVED_PORTS for url in first)
    with taken(port_of(first[1])):
        second = opened()
    assert [a == b for a, b in zip(first, second, strict=True)] == [True, False, True]


def test_functions_that_are_there_already_keep_their_urls_and_those_that_are_gone_leave_theirs() -> None:
    async def use(doors: Doors) -> None:
        before = doors.open(LABELS[:2])
        after = doors.open(LABELS[1:])
        assert after[LABELS[1]] == before[LABELS[1]]
        doors.close(lambda label: label == LABELS[0])
        assert doors.owner(port_of(before[LABELS[0]])) is None
        async with httpx.AsyncClient() as client:
            with pytest.raises(httpx.ConnectError):
                await client.get(before[LABELS[0]])
            assert (await client.get(after[LABELS[1]])).status_code == 200

    with_doors(use)


def test_port_that_is_asked_for_is_the_first_function_s_and_the_next_ones_the_others() -> None:
    port = free_run(4)

    async def use(doors: Doors) -> list[int]:
        urls = doors.open(LABELS)
        assert doors.first(port) == LABELS[0]
        assert doors.owner(port) is None  # labels are paths there, too
        assert doors.first(port + 1) is None
        doors.close(lambda label: label == LABELS[0])
        assert doors.open([LABELS[2]]) == {LABELS[2]: f"http://127.0.0.1:{port}"}
        return [port_of(url) for url in urls.values()]

    with taken(port + 1):
        assert with_doors(use, port=port) == [port, port + 2, port + 3]


def test_port_that_is_asked_for_and_taken_is_an_error() -> None:
    with taken() as port, pytest.raises(ServiceError, match=f"cannot take requests on 127.0.0.1:{port}"):
        opened(port=port)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://apps.example.com", "https://apps.example.com/test-doors-a"),
        ("https://example.com/apps/", "https://example.com/apps/test-doors-a"),
        ("https://{label}.apps.example.com:8443/", "https://test-doors-a.apps.example.com:8443"),
    ],
)
def test_url_that_leads_here_from_elsewhere_says_where_functions_are(url: str, expected: str) -> None:
    assert opened(url=url)[0] == expected


@pytest.mark.parametrize(
    "url", ["https://example.com/{label}", "https://{name}.example.com", "https://{label}.{label}.com"]
)
def test_url_that_cannot_be_made_is_refused(url: str) -> None:
    with pytest.raises(InvalidError, match=r"MOTET_WEB_URL may have \{label\} once"):
        WebConfig(url=url)
