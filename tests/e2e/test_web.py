"""Requests to web functions: through the ingress, into containers and back."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from motet.errors import InvalidError

from .conftest import assert_nothing_left, wait_until
from .programs import web

MEGABYTES_12 = 12_000_000


@pytest.fixture(scope="module", autouse=True)
def running(either: None) -> Iterator[None]:
    with web.app.run():
        yield
    assert_nothing_left()


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=30) as client:
        yield client


def url(path: str = "") -> str:
    return f"{web.plain.get_web_url()}{path}"


def ws_url(path: str) -> str:
    return url(path).replace("http://", "ws://")


# --- what the app is told, and the client -----------------------------------------------------------------------------


def test_request_reaches_the_app_as_it_was_sent(client: httpx.Client) -> None:
    headers = [(b"X-Twice", b"1"), (b"X-Twice", b"2"), (b"X-Latin", b"caf\xe9")]
    answer = client.request("DELETE", url("/scope?a=1&b=%20"), headers=headers)
    told = answer.json()
    assert told["method"] == "DELETE"
    assert told["query"] == "a=1&b=%20"
    assert (told["root_path"], told["path"]) == ("", "/scope")
    assert [value for name, value in told["headers"] if name == "x-twice"] == ["1", "2"]
    assert ["x-latin", "café"] in told["headers"]


def test_response_reaches_the_client_as_it_was_sent(client: httpx.Client) -> None:
    answer = client.get(url("/scope"))
    assert (b"set-cookie", b"a=1") in answer.headers.raw
    assert answer.headers["x-mixed"] == "café"
    assert answer.headers["motet-input-id"] == answer.json()["input"]
    assert answer.headers["motet-container-id"].startswith("ta-")


def test_path_is_decoded_once_and_kept_raw(client: httpx.Client) -> None:
    told = client.get(url("/%C3%A9t%C3%A9/a%20b")).json()
    assert told["path"].endswith("/été/a b")
    assert told["raw_path"].endswith("/%C3%A9t%C3%A9/a%20b")


def test_url_without_a_slash_is_the_root_of_the_app(client: httpx.Client) -> None:
    assert client.get(url()).json()["path"] == client.get(url("/")).json()["path"] == "/"


def test_port_of_a_function_is_its_own_whatever_host_and_path_say(client: httpx.Client) -> None:
    for host in ("web-with-flask.localhost", "nobody.localhost", "example.com"):
        told = client.get(url("/scope"), headers={"host": host}).json()
        assert (told["root_path"], told["path"]) == ("", "/scope")
    assert len({httpx.URL(it.get_web_url() or "").port for it in (web.plain, web.with_flask, web.with_fastapi)}) == 3


def test_links_and_redirects_from_the_root_stay_with_their_app(client: httpx.Client) -> None:
    base = web.with_flask.get_web_url() or ""
    for path in ("/moved", "/moved-there"):
        answer = client.get(base + path, follow_redirects=True)
        assert (str(answer.url), answer.json()["path"]) == (f"{base}/where", "/where")
    docs = client.get(f"{web.Site().add.get_web_url()}/docs").text
    (schema,) = re.findall(r"url: '([^']*)'", docs)
    assert client.get(httpx.URL(f"{web.Site().add.get_web_url()}/docs").join(schema)).status_code == 200


def test_head_has_the_headers_and_no_body(client: httpx.Client) -> None:
    answer = client.head(url("/scope"))
    assert answer.status_code == 200
    assert answer.content == b""


def test_connection_is_kept_for_the_next_request(client: httpx.Client) -> None:
    with socket.create_connection(("127.0.0.1", httpx.URL(url()).port or 0)) as connection:
        for _ in range(2):
            connection.sendall(b"GET /scope HTTP/1.1\r\nHost: x\r\n\r\n")
            received = b""
            while b"\r\n0\r\n\r\n" not in received:
                received += connection.recv(65536)
            assert received.startswith(b"HTTP/1.1 200")


def test_malformed_request_is_400() -> None:
    with socket.create_connection(("127.0.0.1", httpx.URL(url()).port or 0)) as connection:
        connection.sendall(b"NONSENSE\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 400")


def test_urls_are_known_in_containers_too() -> None:
    assert web.url_inside.remote() == url()


# --- bodies and streams -----------------------------------------------------------------------------------------------


def test_12_megabytes_go_up(client: httpx.Client) -> None:
    total, pieces, _ = client.post(url("/upload"), content=b"u" * MEGABYTES_12).json()
    assert total == MEGABYTES_12
    assert pieces > 10


@pytest.mark.parametrize("how", ["whole", "many"])
def test_12_megabytes_come_down(client: httpx.Client, how: str) -> None:
    assert len(client.get(url(f"/download?{how},{MEGABYTES_12},")).content) == MEGABYTES_12


def test_app_is_not_far_ahead_of_a_client_that_does_not_read(tmp_path: Path) -> None:
    said = tmp_path / "sent"
    with socket.create_connection(("127.0.0.1", httpx.URL(url()).port or 0)) as connection:
        connection.sendall(f"GET /download?many,200000000,{said} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        wait_until(said.exists, "the first piece")
        before = -1
        while (now := int(said.read_text() or 0)) > before:  # until it comes to rest
            before = now
            time.sleep(0.5)
        assert now < 20_000_000


def test_upload_is_not_far_ahead_of_an_app_that_does_not_read() -> None:
    sent = 0
    with socket.create_connection(("127.0.0.1", httpx.URL(url()).port or 0)) as connection:
        connection.sendall(b"POST /slow-upload HTTP/1.1\r\nHost: x\r\nContent-Length: 200000000\r\n\r\n")
        connection.settimeout(0.5)
        try:
            while sent < 200_000_000:
                sent += connection.send(b"u" * 1_000_000)
        except TimeoutError:
            pass
    assert sent < 20_000_000


def test_events_come_one_by_one(client: httpx.Client) -> None:
    with client.stream("GET", url("/events")) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        came = [(line, time.monotonic()) for line in answer.iter_lines() if line]
    assert [line for line, _ in came] == ["data: 0", "data: 1", "data: 2"]
    assert came[2][1] - came[0][1] > 0.3


def test_response_ends_before_what_the_app_does_afterwards(client: httpx.Client, tmp_path: Path) -> None:
    answer = client.get(url(f"/background?{tmp_path}"))
    assert not (tmp_path / "done").exists()
    wait_until((tmp_path / "done").exists)
    wait_until(lambda: (tmp_path / "done").read_text() == answer.headers["motet-input-id"])


def test_hundred_slow_streams_share_a_container() -> None:
    async def read_all() -> set[str]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(timeout=30, limits=limits) as client:
            answers = await asyncio.gather(*(client.get(url("/events")) for _ in range(100)))
        assert {answer.text for answer in answers} == {"data: 0\n\ndata: 1\n\ndata: 2\n\n"}
        return {answer.headers["motet-container-id"] for answer in answers}

    assert len(asyncio.run(read_all())) == 1


# --- clients that leave -----------------------------------------------------------------------------------------------


def test_client_that_leaves_is_told_to_the_app_which_is_then_cancelled(tmp_path: Path) -> None:
    with socket.create_connection(("127.0.0.1", httpx.URL(url()).port or 0)) as connection:
        connection.sendall(f"GET /wait?{tmp_path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        wait_until((tmp_path / "began").exists)
    wait_until((tmp_path / "http.disconnect").exists)
    wait_until((tmp_path / "cancelled").exists)


def test_slot_of_a_client_that_left_is_free_again(client: httpx.Client, tmp_path: Path) -> None:
    wait_until(lambda: web.plain.get_current_stats().num_running_inputs == 0)
    assert client.get(url("/scope")).status_code == 200


# --- WebSockets -------------------------------------------------------------------------------------------------------


def test_websocket_carries_text_and_bytes_both_ways() -> None:
    async def talk() -> None:
        async with connect(ws_url("/ws"), subprotocols=["chat"], max_size=None) as channel:  # type: ignore[list-item]
            assert channel.subprotocol == "chat"
            assert channel.response is not None
            assert channel.response.headers["motet-input-id"].startswith("in-")
            for message in ("hello", b"\x00\xff", "", "x" * 3_000_000):
                await channel.send(message)
                assert await channel.recv() == message
            await channel.send("bye")
            with pytest.raises(ConnectionClosed) as closed:
                await channel.recv()
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4000, "as you wish")

    asyncio.run(talk())


def test_app_is_told_that_a_websocket_was_closed(tmp_path: Path) -> None:
    async def leave() -> None:
        async with connect(ws_url(f"/ws?{tmp_path / 'end'}")) as channel:
            await channel.send("hello")
            await channel.recv()

    asyncio.run(leave())
    wait_until((tmp_path / "end").exists)
    wait_until(lambda: (tmp_path / "end").read_text() == "websocket.disconnect 1000")


def test_websocket_that_the_app_refuses_does_not_open() -> None:
    async def refused(path: str) -> int:
        with pytest.raises(InvalidStatus) as refusal:
            await connect(ws_url(path))
        return refusal.value.response.status_code

    assert asyncio.run(refused("/ws?no")) == 403


def test_websocket_of_an_app_that_raises_is_closed_with_1011() -> None:
    async def talk() -> int:
        async with connect(ws_url("/ws?raise")) as channel:
            with pytest.raises(ConnectionClosed) as closed:
                await channel.recv()
            assert closed.value.rcvd is not None
            return closed.value.rcvd.code

    assert asyncio.run(talk()) == 1011


# --- frameworks -------------------------------------------------------------------------------------------------------


def test_fastapi_app_runs_with_dependencies_lifespan_and_background_tasks(client: httpx.Client) -> None:
    base = web.with_fastapi.get_web_url()
    assert client.get(f"{base}/items/3?who=me&name=me").json() == {"number": 3, "who": "me", "marks": ["started"]}
    assert client.get(f"{base}/items/three").status_code == 422
    assert client.post(f"{base}/later").json() == {"marks": 1}
    wait_until(lambda: "background" in client.get(f"{base}/items/1").json()["marks"])
    assert client.get(f"{base}/openapi.json").status_code == 200


def test_input_is_known_in_a_streaming_response(client: httpx.Client) -> None:
    answer = client.get(f"{web.with_fastapi.get_web_url()}/stream")
    assert answer.text.splitlines()[2] == f"2 {answer.headers['motet-input-id']}"


def test_synchronous_handlers_run_at_once_up_to_max_inputs() -> None:
    async def ask() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(timeout=30, limits=limits) as client:
            target = f"{web.with_fastapi.get_web_url()}/sync"
            return await asyncio.gather(*(client.get(target) for _ in range(90)))

    answers = asyncio.run(ask())
    assert max(answer.json()["most"] for answer in answers) > 60
    assert all(answer.json()["input"] == answer.headers["motet-input-id"] for answer in answers)


def test_methods_of_a_class_have_urls_of_their_own_and_share_its_object(client: httpx.Client) -> None:
    site = web.Site()
    assert client.get(f"{site.starlette.get_web_url()}/deep").text == "hello from /deep"
    target = f"{site.add.get_web_url()}?first=3"
    assert client.post(target).json() == {"sum": 4, "greeting": "hello"}
    assert client.get(target).status_code == 405
    assert client.post(site.add.get_web_url()).status_code == 422
    assert client.get(f"{site.add.get_web_url()}/docs").status_code == 200
    assert site.plain.remote() == "hello"
    assert site.plain.get_web_url() is None


def test_pages_of_any_origin_may_call_an_endpoint(client: httpx.Client) -> None:
    headers = {"origin": "https://example.com", "access-control-request-method": "POST"}
    answer = client.options(web.Site().add.get_web_url(), headers=headers)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] in ("*", "https://example.com")


def test_websocket_that_its_client_closes_is_no_failure_of_the_app() -> None:
    async def talk() -> None:
        base = web.Site().starlette.get_web_url()
        async with connect(f"{base}/ws-forever".replace("http", "ws", 1)) as channel:
            await channel.send("hello")
            assert await channel.recv() == "HELLO"

    def ended() -> tuple[int, int, int]:
        assert web.app.running is not None
        (view,) = (view for view in web.app.running.view().functions if view.name == "Site")
        return view.succeeded_inputs, view.failed_inputs, view.cancelled_inputs

    succeeded, failed, cancelled = ended()
    asyncio.run(talk())
    wait_until(lambda: sum(ended()) > succeeded + failed + cancelled)
    assert ended() == (succeeded + 1, failed, cancelled)


def test_starlette_websocket() -> None:
    async def talk() -> str | bytes:
        base = web.Site().starlette.get_web_url()
        async with connect(f"{base}/ws".replace("http", "ws", 1)) as channel:
            await channel.send("hello")
            return await channel.recv()

    assert asyncio.run(talk()) == "HELLO"


def test_parameters_of_a_class_come_from_the_query(client: httpx.Client) -> None:
    target = web.Named(name="Ada").greet.get_web_url()
    assert client.get(target).json() == "hello Ada"
    base = target.partition("?")[0]
    assert client.get(f"{base}?name=Bob&loud=true&word=goodbye").json() == "GOODBYE BOB"
    missing = client.get(base)
    assert missing.status_code == 400
    assert "missing the required parameter 'name'" in missing.text


def test_flask_app_runs_on_threads(client: httpx.Client) -> None:
    base = web.with_flask.get_web_url()
    answer = client.get(f"{base}/where")
    assert answer.json() == {"root": "", "path": "/where", "input": answer.headers["motet-input-id"]}
    assert client.post(f"{base}/size", content=b"x" * 2_000_000).text == "2000000"
    threads = [threading.Thread(target=client.get, args=(f"{base}/slow",)) for _ in range(20)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - began < 5


def test_body_in_chunks_reaches_a_flask_app(client: httpx.Client) -> None:
    base = web.with_flask.get_web_url()
    assert client.post(f"{base}/size", content=iter([b"x" * 10, b"y" * 2_000_000])).text == "2000010"


def test_threads_of_clients_that_leave_are_free_again(client: httpx.Client, tmp_path: Path) -> None:
    base = httpx.URL(web.with_flask.get_web_url() or "")
    for number in range(60):  # more than there are slots
        with socket.create_connection(("127.0.0.1", base.port or 0)) as connection:
            ended = tmp_path / str(number)
            connection.sendall(f"GET {base.path}/ticks?ended={ended} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert connection.recv(100)
    for number in range(60):
        wait_until((tmp_path / str(number)).exists, f"the end of generator {number}")
    wait_until(lambda: web.with_flask.get_current_stats().num_running_inputs == 0)
    assert client.get(f"{base}/where").status_code == 200


def test_errors_of_a_flask_app_are_lines_of_its_stderr(client: httpx.Client) -> None:
    answer = client.get(f"{web.with_flask.get_web_url()}/raises")
    assert answer.status_code == 500

    def errors() -> list[str]:
        return [line.message for line in web.with_flask.logs.fetch(source="stderr")]

    wait_until(lambda: "ValueError: an error of the app" in errors())
    assert any("a warning of the app" in line for line in errors())


# --- what goes wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/raises", "/nothing"])
def test_app_that_raises_or_says_nothing_is_500_and_the_container_lives(client: httpx.Client, path: str) -> None:
    before = client.get(url("/scope")).headers["motet-container-id"]
    assert client.get(url(path)).status_code == 500
    assert client.get(url("/scope")).headers["motet-container-id"] == before


def test_app_that_raises_midway_cuts_the_response_off(client: httpx.Client) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        client.get(url("/midway"))


def test_app_that_cannot_start_is_503_with_the_reason(client: httpx.Client) -> None:
    answer = client.get(web.broken.get_web_url() or "")
    assert answer.status_code == 503
    assert "no app today" in answer.text
    assert answer.headers["motet-input-id"].startswith("in-")
    assert "the database is away" in client.get(web.fails_to_start.get_web_url() or "").text


def test_timeout_of_the_function_is_504(client: httpx.Client) -> None:
    assert client.get(web.never.get_web_url() or "").status_code == 504


def test_container_that_dies_is_502(client: httpx.Client) -> None:
    assert client.get(web.dies.get_web_url() or "").status_code == 502


def test_requests_wait_for_containers_and_say_if_theirs_was_cold(tmp_path: Path) -> None:
    async def ask() -> list[httpx.Response]:
        async with httpx.AsyncClient(timeout=60) as client:
            target = f"{web.one_at_a_time.get_web_url()}?meeting={tmp_path}"
            first = list(await asyncio.gather(*(client.get(target) for _ in range(4))))
            return [*first, await client.get(target)]

    answers = asyncio.run(ask())
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["container"] for answer in answers}) == 2
    assert answers[-1].headers["motet-cold-start"] == "false"
    assert any(answer.headers["motet-cold-start"] == "true" for answer in answers)


def test_web_functions_are_called_by_url_only() -> None:
    for call in (web.plain.remote, web.plain.spawn):
        with pytest.raises(InvalidError, match="A webhook function cannot be invoked for remote execution"):
            call()
    with pytest.raises(InvalidError, match=r"with `.map`"):
        list(web.plain.map([1]))
    with pytest.raises(InvalidError, match=r"with `.remote_gen`"):
        list(web.plain.remote_gen())
    assert web.Site().add.local(2) == {"sum": 3, "greeting": "hello"}
