"""One app, two servers: what plain uvicorn answers to a request, Motet answers too; and what neither may fall over."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from .conftest import assert_nothing_left, wait_until
from .programs import conformance
from .programs.wrong_messages import WRONG
from .raw_client import Answer, Exchange, RawClient, exchange
from .under_uvicorn import under_uvicorn

HOST = b"Host: conformance.localhost\r\n"
FIRST: dict[str, str | None] = {}
"""The container that answered first since the app came up."""


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[None]:
    FIRST.clear()  # the app runs more than once in a process that is given other modules' tests between this one's
    with conformance.app.run():
        yield
    assert_nothing_left()


@pytest.fixture(scope="module")
def ours(running: None) -> int:
    """The port of Motet's ingress, with the app up."""
    port = httpx.URL(conformance.same.get_web_url() or "").port or 0
    assert exchange(port, [get("/")]).answers[0].status == 200
    return port


@pytest.fixture(scope="module")
def plain() -> Iterator[int]:
    with under_uvicorn(conformance.site) as port:
        yield port


def get(target: str, *headers: bytes, method: str = "GET") -> bytes:
    return request(f"{method} {target}".encode(), *headers)


def request(beginning: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    lines = b"".join(header + b"\r\n" for header in headers)
    return beginning + b" HTTP/1.1\r\n" + HOST + lines + b"\r\n" + body


def post(target: str, body: bytes, *headers: bytes) -> bytes:
    return request(f"POST {target}".encode(), b"Content-Length: %d" % len(body), *headers, body=body)


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (*pieces, b""))


def comparable(came: Exchange) -> Any:
    """Without what may differ: the date, and what only Motet says."""

    def of(answer: Answer) -> Any:
        headers = [it for it in answer.headers if it[0] != "date" and not it[0].startswith("motet-")]
        body = answer.body if answer.end == "whole" else None
        return answer.status, headers, body, answer.end, answer.before

    return [of(answer) for answer in came.answers], came.closed


GET, HEAD, POST = ("GET",), ("HEAD",), ("POST",)

SAME: dict[str, tuple[list[bytes], tuple[str, ...]]] = {
    # What is sent, in which pieces, and the methods of the requests among it.
    **{
        f"method {method}": ([get("/a", method=method)], (method,))
        for method in ("GET", "HEAD", "OPTIONS", "DELETE", "PUT", "PATCH", "TRACE", "PROPFIND", "M-SEARCH", "REPORT")
    },
    "method of one's own": ([get("/a", method="BREW")], GET),
    "query": ([get("/a?b=c&b=d&e=%20%C3%A9+f&g")], GET),
    "query without a value": ([get("/a?")], GET),
    "query with everything": ([get("/a?x=/?:@!$'()*,;&[]{}|^~`")], GET),
    "two question marks": ([get("/a?b?c")], GET),
    "fragment": ([get("/a?b#c")], GET),
    "encoded path": ([get("/%C3%A9t%C3%A9/a%20b")], GET),
    "encoded slash": ([get("/a%2Fb%2fc")], GET),
    "invalid UTF-8 in the path": ([get("/%ff%fe")], GET),
    "half an escape": ([get("/a%2")], GET),
    "bytes in the path": ([request(b"GET /caf\xe9\xc3\xa9")], GET),
    "space in the path": ([request(b"GET /a b")], GET),
    "dots in the path": ([get("/a/../b/./c")], GET),
    "slashes": ([get("//a///b//")], GET),
    "trailing slash": ([get("/a/")], GET),
    "semicolon": ([get("/a;b=c")], GET),
    "plus": ([get("/a+b")], GET),
    "absolute form": ([get("http://conformance.localhost/a?b")], GET),
    "asterisk": ([get("*", method="OPTIONS")], ("OPTIONS",)),
    "long path": ([get("/" + "a" * 20_000)], GET),
    "HTTP/1.0": ([b"GET /a HTTP/1.0\r\n" + HOST + b"\r\n"], GET),
    "HTTP/1.0 kept alive": ([b"GET /a HTTP/1.0\r\n" + HOST + b"Connection: keep-alive\r\n\r\n"], GET),
    "headers twice": ([get("/", b"X-A: 1", b"x-a: 2", b"X-B: 3", b"X-A: 4")], GET),
    "empty header": ([get("/", b"X-Empty:", b"X-Blank:   ", b"X-After: 1")], GET),
    "latin-1 header": ([get("/", b"X-Name: caf\xe9")], GET),
    "header in UTF-8": ([get("/", "X-Name: café".encode())], GET),
    "header with blanks about it": ([get("/", b"X-Name: \t a b \t ")], GET),
    "header with odd characters": ([get("/", b'X!#$%&\'*+.^`|~-9: "quoted, (it)"')], GET),
    "cookies": ([get("/", b"Cookie: a=1; b=2", b"Cookie: c=3")], GET),
    "many headers": ([get("/", *(b"X-%d: %d" % (n, n) for n in range(500)))], GET),
    "header of 16 kB": ([get("/", b"X-Long: " + b"a" * 16_000)], GET),
    "header in pieces": ([get("/a?b", b"X-A: 1")[n : n + 7] for n in range(0, 70, 7)], GET),
    "body": ([post("/", b"hello")], POST),
    "body of zero bytes": ([post("/", b"")], POST),
    "body of a GET": ([request(b"GET /", b"Content-Length: 3", body=b"abc")], GET),
    "body after its head": ([post("/", b"hello")[:-5], b"he", b"llo"], POST),
    "body of 1 MB": ([post("/", bytes(range(256)) * 4000)], POST),
    "chunked": ([request(b"POST /", b"Transfer-Encoding: chunked", body=chunked(b"he", b"llo"))], POST),
    "chunked in pieces": (
        [request(b"POST /", b"Transfer-Encoding: chunked"), b"2\r", b"\nhe\r\n", b"3\r\nllo\r\n0\r\n", b"\r\n"],
        POST,
    ),
    "chunked with extensions": (
        [request(b"POST /", b"Transfer-Encoding: chunked", body=b"2;a=b\r\nhe\r\n0\r\n\r\n")],
        POST,
    ),
    "chunked of nothing": ([request(b"POST /", b"Transfer-Encoding: chunked", body=chunked())], POST),
    "expects 100": ([request(b"POST /", b"Content-Length: 5", b"Expect: 100-continue"), b"hello"], POST),
    "expects 100 and brings its body": ([post("/", b"hello", b"Expect: 100-continue")], POST),
    "expects 100 and is refused": ([request(b"POST /refuses", b"Content-Length: 5", b"Expect: 100-continue")], POST),
    "body not looked at": ([post("/refuses", b"x" * 100_000), get("/a")], ("POST", "GET")),
    "kept alive": ([get("/a"), get("/b"), get("/c")], GET * 3),
    "pipelined": (
        [get("/a") + post("/b", b"hello") + get("/c", method="HEAD") + get("/d")],
        ("GET", "POST", "HEAD", "GET"),
    ),
    "pipelined streams": ([get("/pieces") + get("/pieces")], GET * 2),
    "closed by the client's wish": ([get("/a", b"Connection: close") + get("/b")], GET * 2),
    "closed by the app's wish": ([get("/closes") + get("/b")], GET * 2),
    "headers of a response": ([get("/headers")], GET),
    "pieces of a response": ([get("/pieces")], GET),
    "pieces of a HEAD": ([get("/pieces", method="HEAD"), get("/a")], ("HEAD", "GET")),
    "length of a HEAD": ([get("/length/100/100", method="HEAD"), get("/a")], ("HEAD", "GET")),
    "defaults of ASGI": ([get("/only-start")], GET),
    "length stated": ([get("/length/10000/10000")], GET),
    "length too short": ([get("/length/10/5")], GET),
    "length too long": ([get("/length/5/10")], GET),
    **{
        f"status {status}": ([get(f"/status/{status}"), get("/a")], GET * 2)
        for status in (200, 201, 204, 205, 301, 304, 400, 404, 418, 429, 451, 499, 500, 503, 599)
    },
    # What no server should take:
    "nonsense": ([b"NONSENSE\r\n\r\n"], GET),
    "binary nonsense": ([bytes(range(256))], GET),
    "a TLS greeting": ([b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100], GET),
    "no version": ([b"GET /\r\n" + HOST + b"\r\n"], GET),
    "HTTP/3.7": ([b"GET / HTTP/3.7\r\n" + HOST + b"\r\n"], GET),
    "HTTP/2 preface": ([b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"], GET),
    "space in a header's name": ([get("/", b"X A: 1")], GET),
    "space before the colon": ([get("/", b"X-A : 1")], GET),
    "header without a colon": ([get("/", b"X-A")], GET),
    "header without a name": ([get("/", b": 1")], GET),
    "NUL in a header": ([get("/", b"X-A: a\0b")], GET),
    "folded header": ([get("/", b"X-A: a\r\n b")], GET),
    "bare CR in a header": ([get("/", b"X-A: a\rb")], GET),
    "length and chunks": (
        [request(b"POST /", b"Content-Length: 5", b"Transfer-Encoding: chunked", body=chunked(b"hello"))],
        POST,
    ),
    "two lengths": ([request(b"POST /", b"Content-Length: 5", b"Content-Length: 6", body=b"hello!")], POST),
    "negative length": ([request(b"POST /", b"Content-Length: -5", body=b"hello")], POST),
    "length in words": ([request(b"POST /", b"Content-Length: five", body=b"hello")], POST),
    "length beyond 64 bits": ([request(b"POST /", b"Content-Length: 99999999999999999999", body=b"hello")], POST),
    "chunk of no size": ([request(b"POST /", b"Transfer-Encoding: chunked", body=b"xyz\r\nhello\r\n")], POST),
    "chunked twice": ([request(b"POST /", b"Transfer-Encoding: chunked, chunked", body=chunked(b"hello"))], POST),
    "unknown coding": ([request(b"POST /", b"Transfer-Encoding: sing", body=b"hello")], POST),
    "LF only": ([b"GET /a HTTP/1.1\nHost: conformance.localhost\n\n"], GET),
}


@pytest.mark.parametrize("name", SAME)
def test_motet_answers_as_uvicorn_does(ours: int, plain: int, name: str) -> None:
    pieces, methods = SAME[name]
    assert comparable(exchange(ours, pieces, methods)) == comparable(exchange(plain, pieces, methods))


def test_lifespan_state_is_each_request_s_own_copy(ours: int) -> None:
    told = [json.loads(answer.body) for answer in exchange(ours, [get("/"), get("/")], GET * 2).answers]
    assert [it["state"] for it in told] == [{"greeting": "hello"}] * 2


# --- one step after the other -----------------------------------------------------------------------------------------


def test_client_that_waits_to_be_asked_sends_no_body_that_the_app_does_not_want(ours: int) -> None:
    with RawClient(ours) as client:
        client.send(request(b"POST /refuses", b"Content-Length: 5", b"Expect: 100-continue"))
        refused = client.read_answer("POST")
    assert refused is not None
    assert (refused.status, refused.before) == (413, [])
    with RawClient(ours) as client:
        client.send(request(b"POST /", b"Content-Length: 5", b"Expect: 100-continue"))
        assert client.receive() == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"hello")
        answer = client.read_answer("POST")
    assert answer is not None
    assert json.loads(answer.body)["length"] == 5


def test_response_may_begin_before_the_body_has_ended(ours: int) -> None:
    with RawClient(ours) as client:
        client.send(request(b"POST /answers-first", b"Transfer-Encoding: chunked", body=b"2\r\nhe\r\n"))
        came = b""
        while b"ready." not in came:
            came += client.receive()
        client.send(chunked(b"llo"))
        while not came.endswith(b"0\r\n\r\n"):
            came += client.receive()
    assert b"hello" in came


def test_event_is_there_before_the_next_one_is_made(ours: int, tmp_path: Path) -> None:
    with RawClient(ours) as client:
        client.send(get(f"/events?{tmp_path / 'next'}"))
        came = b""
        while b"data: one" not in came:
            came += client.receive()
        assert b"data: two" not in came
        (tmp_path / "next").touch()
        while not came.endswith(b"0\r\n\r\n"):
            came += client.receive()
    assert b"data: two" in came


def test_connection_takes_the_next_request_while_the_app_goes_on_with_the_last(ours: int, tmp_path: Path) -> None:
    came = exchange(ours, [get(f"/after?{tmp_path / 'end'}") + get("/a")], GET * 2)
    assert [answer.status for answer in came.answers] == [200, 200]
    wait_until(lambda: (tmp_path / "end").exists() and (tmp_path / "end").read_text() == "http.disconnect")


def test_large_bodies_stream_through_without_being_kept(ours: int) -> None:
    size = 120_000_000
    with httpx.Client(
        timeout=30, base_url=f"http://127.0.0.1:{ours}", headers={"host": "conformance.localhost"}
    ) as client:
        total, pieces, grown = client.post("/counts", content=(b"u" * 1_000_000 for _ in range(120))).json()
        assert total == size
        assert pieces > 100
        assert grown * 1024 < size / 4
        received, end = 0, b""
        with client.stream("GET", f"/down/{size}") as answer:
            for piece in answer.iter_raw():
                received, end = received + len(piece), (end + piece)[-20:]
    assert received >= size
    assert int(end.rpartition(b"y")[2]) * 1024 < size / 4


# --- clients that break off, dribble, or do not read ------------------------------------------------------------------


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("when", ["within its body", "while it waits"])
def test_app_is_told_of_a_client_that_breaks_off(ours: int, tmp_path: Path, how: str, when: str) -> None:
    whole = when == "while it waits"
    client = RawClient(ours)
    target = f"/tells?{tmp_path}"
    client.send(request(f"POST {target}".encode(), b"Content-Length: 10", body=b"0123456789" if whole else b"01234"))
    wait_until((tmp_path / "began").exists)
    if how == "reset":
        client.reset()
    else:
        client.socket.close()
    wait_until(lambda: (tmp_path / "end").exists() and (tmp_path / "end").read_text())
    assert (tmp_path / "end").read_text() == "http.disconnect ClientLeft"
    assert same_container(ours)


def same_container(port: int) -> bool:
    """Whether a container answers, and it is the first one."""
    answer = exchange(port, [get("/a")]).answers[0]
    assert answer.status == 200
    return answer.header("motet-container-id") == FIRST.setdefault("container", answer.header("motet-container-id"))


def test_neighbours_of_clients_that_dribble_are_not_held_up(ours: int) -> None:
    assert same_container(ours)
    dribbling = [RawClient(ours) for _ in range(200)]
    try:
        for number, client in enumerate(dribbling):
            beginnings = (b"G", get("/")[:-2], request(b"POST /counts", b"Content-Length: 1000", body=b"u"))
            client.send(beginnings[number % 3])
        began = time.monotonic()
        for _ in range(50):
            assert exchange(ours, [get("/a")]).answers[0].status == 200
        assert time.monotonic() - began < 10
        for client in dribbling[:3]:
            client.send(b"E")
    finally:
        for client in dribbling:
            client.reset()
    wait_until(lambda: conformance.same.get_current_stats().num_running_inputs == 0)
    assert same_container(ours)


def test_neighbours_of_clients_that_do_not_read_are_not_held_up(ours: int) -> None:
    unread = [RawClient(ours, receive_buffer=4096) for _ in range(20)]
    try:
        for client in unread:
            client.send(get("/down/1000000000"))
        for _ in range(50):
            assert exchange(ours, [get("/a")]).answers[0].status == 200
    finally:
        for client in unread:
            client.reset()
    wait_until(lambda: conformance.same.get_current_stats().num_running_inputs == 0)
    assert same_container(ours)


def test_head_without_an_end_is_refused_before_it_is_large(ours: int) -> None:
    with RawClient(ours) as client:
        client.send(b"GET / HTTP/1.1\r\n" + HOST)
        client.send(*(b"X-%d: %s\r\n" % (n, b"a" * 10_000) for n in range(20)))
        answer = client.read_answer()
        assert answer is not None
        assert answer.status == 431
        assert client.is_closed()
    whole = exchange(ours, [get("/", b"X-Long: " + b"a" * 200_000)])
    assert [answer.status for answer in whole.answers] == [431]
    assert same_container(ours)


# --- apps that break the rules ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WRONG)
def test_wrong_message_is_an_error_of_that_request_alone(ours: int, name: str) -> None:
    expected = WRONG[name][1]
    assert same_container(ours)
    (answer,) = exchange(ours, [get(f"/wrong/{name}")]).answers
    assert (answer.status, answer.end) == ((expected, "whole") if expected else (answer.status, "cut"))
    assert same_container(ours)


@pytest.mark.parametrize("kind", ["ValueError", "SystemExit", "KeyboardInterrupt"])
def test_exception_is_500_or_cuts_the_response_off(ours: int, kind: str) -> None:
    assert same_container(ours)
    (before,) = exchange(ours, [get(f"/raises/{kind}")]).answers
    assert (before.status, before.body, before.end) == (500, b"Internal Server Error", "whole")
    (later,) = exchange(ours, [get(f"/raises/{kind}/later")]).answers
    assert (later.status, later.end) == (200, "cut")
    assert same_container(ours)


def test_app_that_does_not_answer_in_time_is_504_or_cut_off_and_its_container_lives() -> None:
    port = httpx.URL(conformance.impatient.get_web_url() or "").port or 0

    def ask(target: str) -> Answer:
        request = f"GET {target} HTTP/1.1\r\nHost: impatient.localhost\r\n\r\n".encode()
        return exchange(port, [request]).answers[0]

    first = ask("/quick")
    unread = RawClient(port, receive_buffer=4096)
    unread.send(b"GET /flood HTTP/1.1\r\nHost: impatient.localhost\r\n\r\n")
    dribbling = RawClient(port)
    dribbling.send(b"POST /reads HTTP/1.1\r\nHost: impatient.localhost\r\nContent-Length: 100\r\n\r\nabc")
    assert ask("/never").status == 504
    assert ask("/begins").end == "cut"
    late = dribbling.read_answer("POST")
    assert late is not None
    assert late.status == 504
    wait_until(lambda: conformance.impatient.get_current_stats().num_running_inputs == 0)
    unread.reset()
    dribbling.reset()
    last = ask("/quick")
    assert (last.body, last.header("motet-container-id")) == (b"quick", first.header("motet-container-id"))
