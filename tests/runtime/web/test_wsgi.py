"""WSGI apps as PEP 3333 has them: what they are told, what they may send, and when `close()` comes."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import io
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any
from wsgiref.validate import validator

import pytest

from motet.runtime.web import wsgi_body
from motet.runtime.web.client_left import ClientLeft
from motet.runtime.web.wsgi import WsgiAdapter, WsgiExchange

PLAIN = [("Content-Type", "text/plain")]
VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="unset")


class Client:
    """Asks once, with a body in these pieces, and takes what comes until it leaves."""

    def __init__(self, *pieces: bytes, **scope: Any) -> None:
        self.sent: list[Any] = []
        self.pieces = list(pieces) or [b""]
        self.left = False
        self.leaves_after: int | None = None
        self.room: asyncio.Event | None = None
        """Nothing more is taken while it is not set."""
        self.scope = {
            "type": "http",
            "method": "GET",
            "scheme": "http",
            "http_version": "1.1",
            "path": "/app/a b",
            "raw_path": b"/app/a%20b",
            "query_string": b"x=%C3%A9&y",
            "root_path": "/app",
            "headers": [],
            "client": ("10.0.0.1", 4000),
            "server": ("127.0.0.1", 8000),
            **scope,
        }

    async def receive(self) -> Any:
        await asyncio.sleep(0)
        if not self.pieces:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": self.pieces.pop(0), "more_body": bool(self.pieces)}

    async def send(self, message: Any) -> None:
        if self.left or (self.leaves_after is not None and len(self.sent) >= self.leaves_after):
            raise ClientLeft("gone")
        if self.room is not None:
            await self.room.wait()
        self.sent.append(message)

    async def ask(self, app: Any, max_inputs: int = 3) -> None:
        async with asyncio.timeout(30):
            await WsgiAdapter(app, max_inputs)(self.scope, self.receive, self.send)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        return list(self.sent[0]["headers"])

    @property
    def body(self) -> bytes:
        assert [it["more_body"] for it in self.sent[1:]] == [True] * (len(self.sent) - 2) + [False]
        return b"".join(it["body"] for it in self.sent[1:])


def asked(app: Any, *pieces: bytes, **scope: Any) -> Client:
    client = Client(*pieces, **scope)
    asyncio.run(client.ask(app))
    return client


class Response:
    """An iterable that says whether it was closed."""

    def __init__(self, items: Callable[[], Iterator[bytes]]) -> None:
        self._items = items()
        self.closed: list[int] = []

    def __iter__(self) -> Iterator[bytes]:
        return self._items

    def close(self) -> None:
        self.closed.append(threading.get_ident())


# --- what an app is told ----------------------------------------------------------------------------------------------


def told(**scope: Any) -> dict[str, Any]:
    seen: dict[str, Any] = {}

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.update(environ)
        start_response("200 OK", PLAIN)
        return [b""]

    asked(validator(app), **scope)
    return seen


def test_environment_is_that_of_pep_3333() -> None:
    headers = [(b"host", b"x:1"), (b"content-type", b"a/b"), (b"content-length", b"0"), (b"x-a", b"caf\xe9")]
    environ = told(headers=headers)
    assert {key: value for key, value in environ.items() if key.isupper()} == {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "/app",
        "PATH_INFO": "/a b",
        "QUERY_STRING": "x=%C3%A9&y",
        "RAW_URI": "/app/a%20b?x=%C3%A9&y",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "10.0.0.1",
        "REMOTE_PORT": "4000",
        "CONTENT_TYPE": "a/b",
        "CONTENT_LENGTH": "0",
        "HTTP_HOST": "x:1",
        "HTTP_X_A": "café",
    }
    flags = [environ[f"wsgi.{name}"] for name in ("multithread", "multiprocess", "run_once", "input_terminated")]
    assert flags == [True, True, False, True]
    assert environ["wsgi.url_scheme"] == "http"


def test_path_is_bytes_as_latin_1_and_an_unknown_client_is_nobody() -> None:
    environ = told(raw_path=b"/app/%C3%A9%ff%2F", path="/app/é�/", client=None, server=None, scheme="https")
    assert environ["PATH_INFO"].encode("latin-1") == b"/\xc3\xa9\xff/"
    assert "REMOTE_ADDR" not in environ
    assert (environ["SERVER_PORT"], environ["wsgi.url_scheme"]) == ("443", "https")


def test_header_that_comes_twice_is_one_with_commas_and_cookies_with_semicolons() -> None:
    environ = told(headers=[(b"x-a", b"1"), (b"cookie", b"a=1"), (b"x-a", b"2"), (b"cookie", b"b=2")])
    assert (environ["HTTP_X_A"], environ["HTTP_COOKIE"]) == ("1,2", "a=1; b=2")


def test_errors_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        assert environ["wsgi.errors"] is sys.stderr
        environ["wsgi.errors"].write("oh\n")
        start_response("200 OK", PLAIN)
        return []

    asked(app)
    assert capsys.readouterr().err == "oh\n"


def test_app_with_one_slot_is_told_that_nothing_runs_beside_it() -> None:
    async def run(max_inputs: int) -> bool:
        seen: list[bool] = []

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            seen.append(environ["wsgi.multithread"])
            start_response("200 OK", PLAIN)
            return []

        await Client().ask(app, max_inputs)
        return seen[0]

    assert [asyncio.run(run(number)) for number in (1, 2)] == [False, True]


def test_app_runs_in_the_context_of_its_request_from_its_call_to_its_close() -> None:
    seen: list[str] = []

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        seen.append(VARIABLE.get())
        VARIABLE.set(f"{VARIABLE.get()}, changed")
        start_response("200 OK", PLAIN)

        def items() -> Iterator[bytes]:
            seen.append(VARIABLE.get())
            yield b"x"
            seen.append(VARIABLE.get())

        return items()

    async def run() -> str:
        VARIABLE.set("mine")
        await Client().ask(app)
        return VARIABLE.get()

    assert asyncio.run(run()) == "mine"
    assert seen == ["mine", "mine, changed", "mine, changed"]


# --- bodies of requests -----------------------------------------------------------------------------------------------

READERS: dict[str, Callable[[Any], Any]] = {
    "read": lambda file: file.read(),
    "read in pieces": lambda file: b"".join(iter(lambda: file.read(3), b"")),
    "readline": lambda file: b"".join(iter(file.readline, b"")),
    "readline with a size": lambda file: b"".join(iter(lambda: file.readline(2), b"")),
    "readlines": lambda file: b"".join(file.readlines()),
    "lines": b"".join,
    "read beyond": lambda file: file.read(1000) + file.read(1),
}


@pytest.mark.parametrize("how", READERS)
@pytest.mark.parametrize("framing", [(b"content-length", b"11"), (b"transfer-encoding", b"chunked")])
def test_body_is_read_as_from_a_file_until_its_end(how: str, framing: tuple[bytes, bytes]) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", PLAIN)
        return [READERS[how](environ["wsgi.input"])]

    client = asked(app, b"ab\nc", b"", b"def\n", b"ghi", method="POST", headers=[framing])
    assert client.body == b"ab\ncdef\nghi"


def lengths(*pieces: bytes) -> list[Any]:
    seen: list[Any] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.extend([environ.get("CONTENT_LENGTH"), environ.get("HTTP_TRANSFER_ENCODING")])
        seen.append(len(environ["wsgi.input"].read()))
        start_response("200 OK", PLAIN)
        return []

    asked(app, *pieces, method="POST", headers=[(b"transfer-encoding", b"chunked")])
    return seen


def test_body_in_chunks_has_a_length_because_some_frameworks_need_one() -> None:
    assert lengths(b"abc", b"def") == ["6", None, 6]
    large = wsgi_body.IN_MEMORY
    assert lengths(b"x" * large, b"y" * large) == [str(2 * large), None, 2 * large]


def test_body_in_chunks_that_is_very_large_comes_as_it_comes() -> None:
    piece = b"x" * (8 * 1024 * 1024)
    count = wsgi_body.MOST_GATHERED // len(piece) + 2
    tracemalloc.start()
    assert lengths(*[piece] * count)[:2] == [None, "chunked"]
    tracemalloc.stop()


def test_client_that_leaves_within_its_body_is_an_error_where_it_is_read() -> None:
    seen: list[BaseException] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        try:
            environ["wsgi.input"].read()
        except OSError as error:
            seen.append(error)
            raise
        raise AssertionError

    class Leaver(Client):
        async def receive(self) -> Any:
            message = await super().receive()
            return {**message, "more_body": True} if message["type"] == "http.request" else message

    with pytest.raises(ClientLeft):
        asyncio.run(Leaver(b"half", method="POST", headers=[(b"content-length", b"9")]).ask(app))
    assert isinstance(seen[0], ClientLeft)


# --- responses --------------------------------------------------------------------------------------------------------


def test_a_thread_that_is_still_at_it_when_the_container_has_ended_is_told_and_nothing_is_printed() -> None:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response("200 OK", [])
        return [b"late"]

    async def begin() -> tuple[WsgiExchange, asyncio.Future[None]]:
        return WsgiExchange(app, {"REQUEST_METHOD": "GET"}, send), asyncio.get_running_loop().create_future()

    async def send(message: Any) -> None:
        raise AssertionError(message)

    exchange, done = asyncio.run(begin())
    with pytest.raises(ClientLeft, match="the container has ended"):
        exchange.on_loop(send({}))
    exchange._serve_to_its_end(done)
    assert not done.done()


def test_single_item_goes_out_whole_with_its_length() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("418 I'm a teapot", [*PLAIN, ("X-Name", "café")])
        return [b"hello"]

    client = asked(app)
    assert (client.status, client.body, len(client.sent)) == (418, b"hello", 2)
    assert client.headers == [(b"Content-Type", b"text/plain"), (b"X-Name", b"caf\xe9"), (b"content-length", b"5")]


def test_nothing_is_sent_before_there_is_something_and_then_each_item_as_it_is_made() -> None:
    seen: list[int] = []

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", PLAIN)
        yield b""
        seen.append(len(client.sent))
        yield b"one"
        seen.append(len(client.sent))
        yield b"two"
        seen.append(len(client.sent))

    client = Client()
    asyncio.run(client.ask(app))
    assert (client.body, seen) == (b"onetwo", [0, 2, 3])
    assert client.headers == [(b"Content-Type", b"text/plain")]


@pytest.mark.parametrize("items", [[], [b""], [b"", b""], ()])
def test_response_of_nothing_has_a_length_of_zero(items: Any) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])
        return items

    client = asked(app)
    assert (client.body, client.headers) == (b"", [(b"content-length", b"0")])


@pytest.mark.parametrize(
    ("method", "status"), [("HEAD", "200 OK"), ("GET", "304 Not Modified"), ("GET", "204 No Content")]
)
def test_response_without_a_body_has_none_whatever_the_app_gives(method: str, status: str) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response(status, [("Content-Length", "5")])
        return [b"hello"]

    client = asked(app, method=method)
    assert (client.body, client.headers) == (b"", [(b"Content-Length", b"5")])


def test_what_is_written_comes_before_what_is_returned() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        write = start_response("200 OK", PLAIN)
        write(b"one ")
        write(b"two ")
        return [b"three"]

    assert asked(app).body == b"one two three"


def test_error_may_replace_a_response_that_has_not_begun() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("X-A", "1")])
        try:
            raise ValueError("late")
        except ValueError:
            start_response("500 Oh", PLAIN, sys.exc_info())
        return [b"sorry"]

    client = asked(app)
    assert (client.status, client.body, client.headers[0]) == (500, b"sorry", (b"Content-Type", b"text/plain"))


def test_error_after_the_response_has_begun_is_raised_again() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", PLAIN)
        yield b"half"
        try:
            raise ValueError("late")
        except ValueError:
            start_response("500 Oh", PLAIN, sys.exc_info())
        yield b"never"

    client = Client()
    with pytest.raises(ValueError, match="late"):
        asyncio.run(client.ask(app))
    assert [it.get("body") for it in client.sent] == [None, b"half"]


def _twice(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", PLAIN)
    start_response("200 OK", PLAIN)
    return []


def _never(environ: Any, start_response: Any) -> list[bytes]:
    return [b"x"]


def _never_and_nothing(environ: Any, start_response: Any) -> list[bytes]:
    return []


def _text(environ: Any, start_response: Any) -> list[Any]:
    start_response("200 OK", PLAIN)
    return ["x"]


def _no_status(environ: Any, start_response: Any) -> list[Any]:
    start_response("OK", PLAIN)
    return []


def _stop(environ: Any, start_response: Any) -> list[Any]:
    raise StopIteration


def _exit(environ: Any, start_response: Any) -> list[Any]:
    raise SystemExit(3)


@pytest.mark.parametrize(
    ("app", "error"),
    [
        (_twice, AssertionError),
        (_never, AssertionError),
        (_never_and_nothing, AssertionError),
        (_text, TypeError),
        (_no_status, ValueError),
        (_stop, RuntimeError),
    ],
)
def test_what_the_pep_does_not_allow_is_an_error_and_nothing_is_sent(app: Any, error: type[Exception]) -> None:
    client = Client()
    with pytest.raises(error):
        asyncio.run(client.ask(app))
    assert client.sent == []


def test_exit_of_an_app_ends_its_request_alone() -> None:
    async def run() -> list[str]:
        adapter, seen = WsgiAdapter(_exit, 1), []
        for _ in range(3):
            client = Client()
            try:
                await adapter(client.scope, client.receive, client.send)
            except SystemExit:
                seen.append("exit")
        return seen

    assert asyncio.run(run()) == ["exit"] * 3


def test_files_are_sent_through_the_wrapper_and_closed() -> None:
    file = io.BytesIO(b"x" * 20_000)

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [*PLAIN, ("Content-Length", "20000")])
        return environ["wsgi.file_wrapper"](file, 8192)

    client = asked(app)
    assert len(client.body) == 20_000
    assert file.closed


# --- the end ----------------------------------------------------------------------------------------------------------


def _ends(items: Iterator[bytes] | None = None, **client: Any) -> tuple[Response, int | None]:
    ran: list[int] = []

    def serve() -> Iterator[bytes]:
        ran.append(threading.get_ident())
        yield from items or iter([b"a", b"b"])

    response = Response(serve)

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", PLAIN)
        return response

    async def run() -> None:
        asker = Client()
        for name, value in client.items():
            setattr(asker, name, value)
        await asker.ask(app)

    with contextlib.suppress(ClientLeft, ValueError):
        asyncio.run(run())
    return response, ran[0] if ran else None


def _raises() -> Iterator[bytes]:
    yield b"x"
    raise ValueError


@pytest.mark.parametrize("how", [{}, {"left": True}, {"leaves_after": 2}, {"items": _raises()}])
def test_response_is_closed_once_on_its_own_thread_however_it_ends(how: dict[str, Any]) -> None:
    response, thread = _ends(**how)
    assert response.closed == [thread]


def test_next_write_to_a_client_that_left_fails_and_the_generator_is_closed() -> None:
    closed = threading.Event()

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", PLAIN)
        try:
            while True:
                yield b"tick"
        finally:
            closed.set()

    async def run() -> None:
        client = Client()
        client.leaves_after = 5
        await client.ask(app)

    with pytest.raises(ClientLeft):
        asyncio.run(run())
    assert closed.is_set()


@pytest.mark.parametrize("waiting", ["for room", "in the app"])
def test_thread_of_a_request_that_was_given_up_is_free_at_its_next_word(waiting: str) -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        begun, ended = asyncio.Event(), asyncio.Event()
        may_go_on = threading.Event()

        def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
            start_response("200 OK", PLAIN)
            loop.call_soon_threadsafe(begun.set)
            if waiting == "in the app":
                may_go_on.wait(10)
            try:
                yield b"one"
                yield b"two"
            finally:
                loop.call_soon_threadsafe(ended.set)

        adapter = WsgiAdapter(app, 1)
        for _ in range(3):  # more than there are slots
            client = Client()
            client.room = asyncio.Event()
            task = asyncio.create_task(adapter(client.scope, client.receive, client.send))
            await begun.wait()
            begun.clear()
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            may_go_on.set()
            async with asyncio.timeout(30):
                await ended.wait()
            ended.clear()
            may_go_on.clear()
            assert client.sent == []

    asyncio.run(run())


def test_websockets_are_refused_and_a_lifespan_is_none_of_wsgi_s() -> None:
    async def run() -> list[Any]:
        client = Client()
        adapter = WsgiAdapter(_never, 1)
        await adapter({"type": "lifespan"}, client.receive, client.send)
        await adapter({"type": "websocket"}, client.receive, client.send)
        return client.sent

    assert asyncio.run(run()) == [{"type": "websocket.close"}]
