"""Parts of the HTTP API by themselves: bodies, keys, what is accepted, events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from motet.server.api.bodies import Bodies, accepted, encoding_of_body, wanted_result
from motet.server.api.problems import Problem
from motet.server.api.server_sent import PING, event, with_pings
from motet.wire.encoding import Encoding
from tests.server.virtual_loop import run_virtually

JSON, CBOR = Encoding.JSON, Encoding.CBOR


def receiver(*parts: bytes) -> Any:
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    messages.append({"type": "http.request"})

    async def receive() -> Any:
        return messages.pop(0)

    return receive


def read(bodies: Bodies, *parts: bytes, length: str | None = None) -> bytes:
    return asyncio.run(bodies.read(receiver(*parts), length))


def test_a_body_comes_in_parts() -> None:
    assert read(Bodies(), b"a", b"b") == b"ab"
    assert read(Bodies()) == b""


@pytest.mark.parametrize("length", [None, "11", "99999999999999999999"])
def test_a_body_that_is_too_long_is_refused_by_its_head_or_when_it_is(length: str | None) -> None:
    with pytest.raises(Problem, match="a body may have") as raised:
        read(Bodies(most=10), b"x" * 6, b"x" * 5, length=length)
    assert raised.value.status == 413


def test_all_bodies_together_are_bounded_and_room_comes_back() -> None:
    bodies = Bodies(together=10)
    for _ in range(3):
        with pytest.raises(Problem, match="too many large requests") as raised:
            read(bodies, b"x" * 11)
        assert (raised.value.status, raised.value.headers["retry-after"]) == (503, "1")
    assert read(bodies, b"x" * 10) == b"x" * 10


def test_a_body_that_breaks_off_is_none() -> None:
    async def receive() -> Any:
        return {"type": "http.disconnect"}

    with pytest.raises(Problem, match="did not come to its end"):
        asyncio.run(Bodies().read(receive, None))


@pytest.mark.parametrize(
    ("accept", "found"),
    [
        (None, [JSON, CBOR]),
        ("application/cbor", [CBOR]),
        ("application/cbor;q=0.1, application/json", [JSON, CBOR]),
        ("application/json;q=0, */*", [CBOR]),
        ("text/html, application/*;q=0.2", [JSON, CBOR]),
        ("application/json;q=x", []),
        ("text/html", []),
        ("", [JSON, CBOR]),
    ],
)
def test_what_is_accepted(accept: str | None, found: list[Encoding]) -> None:
    assert accepted(accept) == found


def test_a_result_is_in_what_its_arguments_are_in_if_nothing_else_is_wanted() -> None:
    assert wanted_result(None, CBOR) is CBOR
    assert wanted_result("*/*", CBOR) is CBOR
    assert wanted_result("application/json", CBOR) is JSON
    with pytest.raises(Problem, match="Accept: has 'text/html'"):
        wanted_result("text/html", JSON)


def test_a_body_without_a_type_is_refused_if_there_is_one() -> None:
    assert encoding_of_body(None, b"") is JSON
    with pytest.raises(Problem, match="the body is of no type"):
        encoding_of_body(None, b"{}")


# --- events -----------------------------------------------------------------------------------------------------------


def test_an_event_as_bytes() -> None:
    assert event("item", b"1", 7) == b"id: 7\nevent: item\ndata: 1\n\n"
    assert event("end", b"{}") == b"event: end\ndata: {}\n\n"


def test_a_stream_with_nothing_to_tell_shows_that_it_is_there() -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield b"a"
        await asyncio.sleep(40)
        yield b"b"

    async def main() -> list[bytes]:
        return [each async for each in with_pings(slow(), 15.0)]

    assert run_virtually(main()) == [b"a", PING, PING, b"b"]


def test_a_stream_that_nobody_reads_any_more_is_closed() -> None:
    closed = []

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"a"
                await asyncio.sleep(1)
        finally:
            closed.append(True)

    async def main() -> None:
        stream = with_pings(endless())
        await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]

    run_virtually(main())
    assert closed == [True]
