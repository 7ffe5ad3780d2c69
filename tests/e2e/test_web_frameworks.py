"""Programs of common frameworks run as they are."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx
import pytest
from websockets.asyncio.client import connect

from .conftest import assert_nothing_left, wait_until
from .programs import frameworks


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[None]:
    with frameworks.app.run():
        yield
    assert_nothing_left()


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=60) as client:
        yield client


def url(function: object, path: str = "") -> str:
    return f"{function.get_web_url()}{path}"  # type: ignore[attr-defined]


def test_hundred_synchronous_handlers_run_at_once_in_one_container() -> None:
    async def ask() -> list[httpx.Response]:
        async with httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=None)) as client:
            target = url(frameworks.fastapi, "/together")
            return await asyncio.gather(*(client.get(target) for _ in range(frameworks.TOGETHER)))

    answers = asyncio.run(ask())
    assert {answer.status_code for answer in answers} == {200}  # each waited for all the others
    assert {answer.json() for answer in answers} == {answer.headers["motet-input-id"] for answer in answers}
    assert len({answer.headers["motet-container-id"] for answer in answers}) == 1


def test_synchronous_handlers_run_on_threads_that_are_used_again(client: httpx.Client) -> None:
    threads = {client.get(url(frameworks.fastapi, "/thread")).json() for _ in range(20)}
    assert len(threads) < 5


def test_what_dependencies_open_they_close(client: httpx.Client) -> None:
    for path, status in (("/rows?name=a", 200), ("/missing?name=b", 404), ("/raises?name=c", 500)):
        assert client.get(url(frameworks.fastapi, path)).status_code == status
    wait_until(lambda: len(client.get(url(frameworks.fastapi, "/log")).json()) == 6)
    log = client.get(url(frameworks.fastapi, "/log")).json()
    assert sorted(log) == sorted(f"{what} {name}" for what in ("open", "close") for name in "abc")


@pytest.mark.parametrize(
    ("method", "content", "status"),
    [
        ("POST", '{"item": "pen", "count": 3}', 201),
        ("POST", '{"item": "pen", "count": ', 422),
        ("POST", '{"item": "pen", "count": "many"}', 422),
        ("POST", "", 422),
        ("GET", None, 405),
        ("DELETE", None, 405),
    ],
)
def test_wrong_method_is_405_and_invalid_json_422(
    client: httpx.Client, method: str, content: str | None, status: int
) -> None:
    headers = {"content-type": "application/json"}
    whole = client.request(method, url(frameworks.fastapi, "/orders"), content=content, headers=headers)
    single = client.request(method, url(frameworks.endpoint), content=content, headers=headers)
    assert whole.status_code == status
    assert single.status_code == (200 if status == 201 else status)
    if status == 405:
        assert whole.headers["allow"] == single.headers["allow"] == "POST"
    ids = {
        client.post(url(frameworks.endpoint), json={"item": "", "count": 1}).headers["motet-container-id"] for _ in "ab"
    }
    assert ids == {single.headers["motet-container-id"]}


def test_django_runs_under_wsgi(client: httpx.Client) -> None:
    answer = client.post(url(frameworks.django, "/where/caf%C3%A9/?q=1&q=2"), content=b"x" * 1_000_000)
    assert answer.json() == {"name": "café", "path": "/where/café/", "query": ["1", "2"], "body": 1_000_000}
    assert answer.headers["set-cookie"].startswith("seen=")
    chunks = client.post(url(frameworks.django, "/where/a/"), content=iter([b"x" * 10, b"y" * 20]))
    assert chunks.json()["body"] == 30
    stream = client.get(url(frameworks.django, "/stream/"))
    assert stream.text.splitlines()[2] == f"2 {stream.headers['motet-input-id']}"
    moved = client.get(url(frameworks.django, "/where/a"))
    assert (moved.status_code, moved.headers["location"]) == (301, "/where/a/")
    assert client.get(url(frameworks.django, "/nowhere")).status_code == 404


def test_streamlit_runs_behind_its_port(client: httpx.Client) -> None:
    pytest.importorskip("streamlit", reason="streamlit is in the extra dev-heavy: 470 MB with what it needs")
    base = url(frameworks.streamlit)
    assert client.get(f"{base}/_stcore/health").text == "ok"
    page = client.get(f"{base}/")
    assert page.status_code == 200
    assert "<title>Streamlit</title>" in page.text
    assert len(page.headers.get_list("date")) == 1

    async def talk() -> bytes:
        # The page's own protocol: the browser asks for a run, and the elements of the page come as messages.
        async with connect(f"{base}/_stcore/stream".replace("http", "ws", 1), subprotocols=["streamlit"]) as channel:  # type: ignore[list-item]
            assert channel.subprotocol == "streamlit"
            await channel.send(b"\x5a\x00")  # BackMsg.rerun_script, of no state
            came = b""
            async with asyncio.timeout(30):
                while b"hello world" not in came:
                    came += await channel.recv(decode=False)
            return came

    assert b"hello world" in asyncio.run(talk())
