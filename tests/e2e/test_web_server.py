"""`@motet.web_server`: requests passed on to a server that user code started."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from .conftest import assert_nothing_left, wait_until
from .programs import web_server as web


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[None]:
    with web.app.run():
        yield
    assert_nothing_left()


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=60) as client:
        yield client


def url(path: str = "") -> str:
    return f"{web.fixed_port.get_web_url()}{path}"


def test_server_sees_its_own_paths_and_who_asked(client: httpx.Client) -> None:
    answer = client.get(url("/a/b?c=d"), headers={"x-forwarded-for": "10.0.0.1"})
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["path"], told["query"]) == ("/a/b", "c=d")
    assert told["headers"]["x-forwarded-for"] == "10.0.0.1"
    assert "x-forwarded-prefix" not in told["headers"]
    assert answer.headers["x-own"] == "yes"
    assert len(answer.headers.get_list("date")) == 1
    assert answer.headers["motet-input-id"].startswith("in-")


def test_bodies_stream_both_ways(client: httpx.Client) -> None:
    assert client.post(url("/"), content=b"u" * 12_000_000).json()["size"] == 12_000_000
    assert client.post(url("/"), content=iter([b"a" * 10, b"b" * 20])).json()["size"] == 30
    assert len(client.get(url("/big")).content) == 12_000_000
    assert client.head(url("/")).status_code == 200


def test_websocket_is_passed_on() -> None:
    async def talk() -> None:
        async with connect(url("/ws").replace("http", "ws", 1), max_size=None) as channel:
            assert channel.response is not None
            assert channel.response.headers["x-own"] == "yes"
            for sent, expected in (("hello", "HELLO"), (b"\x00", b"\x00"), ("x" * 2_000_000, "X" * 2_000_000)):
                await channel.send(sent)
                assert await channel.recv() == expected

    asyncio.run(talk())


def test_refusal_of_a_websocket_is_passed_on() -> None:
    async def talk() -> None:
        with pytest.raises(InvalidStatus) as refusal:
            await connect(url("/no").replace("http", "ws", 1))
        response = refusal.value.response
        assert (response.status_code, response.headers["x-why"], response.body) == (401, "no", b'"no"')

    asyncio.run(talk())


def test_server_that_takes_the_port_it_is_given_runs_in_several_containers() -> None:
    wait_until(lambda: web.any_port.get_current_stats().input_headroom == 4)

    async def ask() -> set[int]:
        async with httpx.AsyncClient(timeout=60) as client:
            target = f"{web.any_port.get_web_url()}/"
            answers = await asyncio.gather(*(client.get(target) for _ in range(40)))
        return {answer.json()["pid"] for answer in answers}

    assert len(asyncio.run(ask())) == 2


def taken() -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", web.FIXED_PORT)) == 0


def test_server_that_does_not_listen_in_time_is_reported_in_modal_s_words(client: httpx.Client) -> None:
    before = taken()
    answer = client.get(web.never_listens.get_web_url() or "")
    assert answer.status_code == 503
    assert f"Waited too long for port {web.FIXED_PORT} to start accepting connections." in answer.text
    assert ("taken by a process outside this container" in answer.text) is before


def test_server_that_has_ended_is_not_waited_for(client: httpx.Client) -> None:
    for function, why in (
        (web.ends, "` exited with status 3."),
        (web.starts_nothing, "nothing that it started is left."),
    ):
        answer = client.get(function.get_web_url() or "")  # the startup has five minutes
        assert answer.status_code == 503
        assert why in answer.text


def test_server_that_a_thread_begins_is_waited_for(client: httpx.Client) -> None:
    assert client.get(web.in_a_thread.get_web_url() or "").status_code == 200


@pytest.mark.parametrize("path", ["/a", "/login"])
def test_redirects_and_pages_are_passed_on_to_websockets_as_to_requests(client: httpx.Client, path: str) -> None:
    status, to = (302, "/login") if path == "/a" else (200, "-")
    base = web.old.get_web_url() or ""
    plain = client.get(base + path)
    assert (plain.status_code, plain.headers["location"], plain.text) == (status, to, "log in")
    opening = {"upgrade": "websocket", "connection": "upgrade", "sec-websocket-version": "13"}
    answer = client.get(base + path, headers={**opening, "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA=="})
    assert (answer.status_code, answer.headers["location"], answer.text) == (status, to, "log in")


def test_server_that_gives_no_answer_is_a_502(client: httpx.Client) -> None:
    target = f"{web.old.get_web_url()}/nonsense"
    assert client.get(target).status_code == 502
    opening = {"upgrade": "websocket", "connection": "upgrade", "sec-websocket-version": "13"}
    answer = client.get(target, headers={**opening, "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA=="})
    assert answer.status_code == 502
    assert "gave no answer" in answer.text


def test_server_that_ends_is_replaced_with_its_container(client: httpx.Client) -> None:
    before = client.get(url("/")).json()["pid"]
    assert client.get(url("/leave")).status_code == 502
    wait_until(lambda: (answer := client.get(url("/"))).status_code == 200 and answer.json()["pid"] != before)
