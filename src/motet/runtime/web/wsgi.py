"""WSGI apps (PEP 3333) as ASGI apps: each request on a thread of its own, from the call of the app to the `close()` of its
response."""

from __future__ import annotations

import asyncio
import contextvars
import sys
from collections.abc import Callable, Coroutine, Iterable
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import unquote_to_bytes
from wsgiref.util import FileWrapper

from motet.runtime.slot_threads import SlotThreads
from motet.runtime.web.client_left import ClientLeft
from motet.runtime.web.wsgi_body import gathered
from motet.wire.asgi import AsgiMessage, Receive, Send

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
T = TypeVar("T")

LEFT_BEHIND = 256
"""Requests that may run on after they were given up, beside those that are in a slot: nobody can end another's thread."""


class WsgiAdapter:
    """A WSGI app that takes up to `max_inputs` requests at the same time."""

    def __init__(self, app: WsgiApp, max_inputs: int) -> None:
        self._app = app
        self._multithread = max_inputs > 1
        self._threads: SlotThreads[Callable[[], None]] = SlotThreads(lambda run: run(), max_inputs + LEFT_BEHIND)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return  # WSGI knows none
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        environ = environ_of(scope)
        environ["wsgi.multithread"] = self._multithread
        exchange = WsgiExchange(self._app, environ, send)
        body, length = await gathered(scope, receive, exchange.on_loop)
        if length is not None:
            environ["CONTENT_LENGTH"] = str(length)
            del environ["HTTP_TRANSFER_ENCODING"]
        environ["wsgi.input"] = body
        await exchange.run(self._threads)


class WsgiExchange:
    """One request. `run` is the loop's side of it, all else is called on its thread."""

    def __init__(self, app: WsgiApp, environ: dict[str, Any], send: Send) -> None:
        self._app = app
        self._environ = environ
        self._send = send
        self._is_head = self._bodiless = environ["REQUEST_METHOD"] == "HEAD"
        self._loop = asyncio.get_running_loop()
        self._steps: set[asyncio.Task[Any]] = set()
        self._over = False
        self._start: AsgiMessage | None = None
        self._started = False
        """Whether the head of the response was sent."""

    async def run(self, threads: SlotThreads[Callable[[], None]]) -> None:
        """Have a thread serve it. Whatever ends this, what the thread does next with the request raises `ClientLeft`."""
        done: asyncio.Future[None] = self._loop.create_future()
        context = contextvars.copy_context()
        threads.submit(lambda: context.run(self._serve_to_its_end, done))
        try:
            await done
        finally:
            # Before they are cancelled: the thread may be about to begin another one.
            self._over = True
            for step in self._steps:
                step.cancel()

    def on_loop(self, step: Coroutine[Any, Any, T]) -> T:
        """What comes of a step on the loop that the thread waits for."""
        lasting = self._while_it_lasts(step)
        try:
            return asyncio.run_coroutine_threadsafe(lasting, self._loop).result()
        except RuntimeError:
            if not self._loop.is_closed():
                raise
            lasting.close()
            step.close()
            raise ClientLeft("the container has ended") from None

    async def _while_it_lasts(self, step: Coroutine[Any, Any, T]) -> T:
        if self._over:
            step.close()
            raise ClientLeft("nobody waits for this response any more")
        task = asyncio.current_task()
        assert task is not None
        self._steps.add(task)
        try:
            return await step
        except asyncio.CancelledError:
            raise ClientLeft("nobody waits for this response any more") from None
        finally:
            self._steps.discard(task)

    # --- on the thread ------------------------------------------------------------------------------------------------

    def _serve_to_its_end(self, done: asyncio.Future[None]) -> None:
        error: BaseException | None = None
        try:
            if not self._over:
                self._serve()
        except StopIteration as stop:  # a future takes none
            error = RuntimeError("the app raised StopIteration")
            error.__cause__ = stop
        except BaseException as raised:
            error = raised
        try:
            self._loop.call_soon_threadsafe(_settle, done, error)
        except RuntimeError:
            if not self._loop.is_closed():  # else the container ends, and nobody waits
                raise

    def _serve(self) -> None:
        response = self._app(self._environ, self._start_response)
        try:
            single = _is_single(response)
            for data in response:
                if single and not self._started:
                    self._set_length(len(data))
                    self._pass_on(data, more=False)
                    return
                if data:  # nothing is sent before there is something: the app may change its mind until then
                    self._pass_on(data, more=True)
            if not self._started:
                self._set_length(0)
            self._pass_on(b"", more=False)
        finally:
            if hasattr(response, "close"):
                response.close()

    def _start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None
    ) -> Callable[[bytes], None]:
        if exc_info is not None:
            try:
                if self._started and exc_info[1] is not None:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # else it would keep its own frame alive
        elif self._start is not None:
            raise AssertionError("start_response() was called a second time, and without exc_info")
        if not isinstance(status, str) or not status[:3].isdecimal() or status[3:4] not in ("", " "):
            raise ValueError(f"a status is a number of three digits, a space and a reason, not {status!r}")
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        number = int(status[:3])
        self._start = {"type": "http.response.start", "status": number, "headers": encoded}
        self._bodiless = self._is_head or number in (204, 304)
        return self._write

    def _write(self, data: bytes) -> None:
        self._pass_on(data, more=True)

    def _set_length(self, length: int) -> None:
        """Say how long the body is, which is known, if the app does not."""
        if self._start is None or self._bodiless:
            return
        headers = self._start["headers"]
        if not any(name.lower() in (b"content-length", b"transfer-encoding") for name, _ in headers):
            headers.append((b"content-length", str(length).encode()))

    def _pass_on(self, data: bytes, more: bool) -> None:
        if self._start is None:
            raise AssertionError("the app gave a body before it called start_response()")
        if not isinstance(data, bytes):
            raise TypeError(f"a body is bytes, not {type(data).__name__}")
        messages: list[AsgiMessage] = [] if self._started else [self._start]
        messages.append({"type": "http.response.body", "body": b"" if self._bodiless else data, "more_body": more})
        self.on_loop(self._send_all(messages))
        # Not before: what is not sent may still be replaced.
        self._started = True

    async def _send_all(self, messages: list[AsgiMessage]) -> None:
        for message in messages:
            await self._send(message)


def _settle(done: asyncio.Future[None], error: BaseException | None) -> None:
    if done.done():  # given up
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)


def _is_single(response: Iterable[bytes]) -> bool:
    """Whether it is certain that it has one item."""
    return isinstance(response, list | tuple) and len(response) == 1


def environ_of(scope: dict[str, Any]) -> dict[str, Any]:
    """The environment of a request, but for its `wsgi.input`; strings are bytes as Latin-1 has them, as PEP 3333 wants it."""
    root = scope["root_path"].encode()
    raw: bytes = scope["raw_path"] or scope["path"].encode()
    path = unquote_to_bytes(raw)
    server, port = scope["server"] or ("localhost", None)
    query = scope["query_string"].decode("latin-1")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": root.decode("latin-1"),
        "PATH_INFO": path.removeprefix(root).decode("latin-1"),
        "QUERY_STRING": query,
        "RAW_URI": raw.decode("latin-1") + (f"?{query}" if query else ""),
        "SERVER_NAME": server,
        "SERVER_PORT": str(port or (443 if scope["scheme"] == "https" else 80)),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
        "wsgi.input_terminated": True,
    }
    if scope["client"] is not None:
        host, client_port = scope["client"]
        environ |= {"REMOTE_ADDR": host, "REMOTE_PORT": str(client_port)}
    for name, value in scope["headers"]:
        _add_header(environ, name, value.decode("latin-1"))
    return environ


def _add_header(environ: dict[str, Any], name: bytes, value: str) -> None:
    key = name.decode("latin-1").upper().replace("-", "_")
    if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        key = f"HTTP_{key}"
        if key in environ:
            value = f"{environ[key]}{'; ' if key == 'HTTP_COOKIE' else ','}{value}"
    environ[key] = value
