"""Web functions of every kind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from fastapi import BackgroundTasks, Depends, FastAPI
from fastapi.responses import StreamingResponse

import motet

app = motet.App("web")


# --- plain ASGI -------------------------------------------------------------------------------------------------------


@app.function(max_containers=1)
@motet.concurrent(max_inputs=200)
@motet.asgi_app()
def plain() -> Any:
    async def serve(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise NotImplementedError
        path = scope["path"].removeprefix(scope["root_path"])
        await PLAIN[path](scope, receive, send)

    return serve


def note(where: str, text: str) -> None:
    Path(where).write_text(text)


async def respond(send: Any, body: bytes, status: int = 200, headers: Any = ()) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})


async def show_scope(scope: Any, receive: Any, send: Any) -> None:
    shown = {
        "method": scope["method"],
        "path": scope["path"],
        "raw_path": scope["raw_path"].decode(),
        "root_path": scope["root_path"],
        "query": scope["query_string"].decode(),
        "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]],
        "input": motet.current_input_id(),
    }
    await respond(send, json.dumps(shown).encode(), headers=[(b"X-Mixed", b"caf\xe9"), (b"set-cookie", b"a=1")])


async def raises(scope: Any, receive: Any, send: Any) -> None:
    raise ValueError("on purpose")


async def raises_midway(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"first", "more_body": True})
    raise ValueError("on purpose")


async def says_nothing(scope: Any, receive: Any, send: Any) -> None:
    pass


async def count_upload(scope: Any, receive: Any, send: Any) -> None:
    """Waits with the rest of the body until a file is there; then says how much came."""
    total, pieces = 0, 0
    hold = os.environ.get("HOLD", "")
    while True:
        message = await receive()
        total += len(message["body"])
        pieces += 1
        if not message["more_body"]:
            break
    await respond(send, json.dumps([total, pieces, hold]).encode())


async def slow_upload(scope: Any, receive: Any, send: Any) -> None:
    """Reads one piece of the body, and the rest never."""
    await receive()
    await asyncio.sleep(1.0)
    await respond(send, b"enough")


async def download(scope: Any, receive: Any, send: Any) -> None:
    """As much as asked for, in one piece or many; a file says how much has been sent."""
    how, size, where = scope["query_string"].decode().split(",")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if how == "whole":
        await send({"type": "http.response.body", "body": b"x" * int(size)})
        return
    piece = b"y" * 100_000
    for sent in range(0, int(size), len(piece)):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        if where:
            note(where, str(sent + len(piece)))
    await send({"type": "http.response.body", "body": b""})


async def waits_for_disconnect(scope: Any, receive: Any, send: Any) -> None:
    where = Path(scope["query_string"].decode())
    await receive()
    (where / "began").touch()
    try:
        message = await receive()
        (where / message["type"]).touch()
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        (where / "cancelled").touch()
        raise


async def background(scope: Any, receive: Any, send: Any) -> None:
    where = Path(scope["query_string"].decode())
    await respond(send, b"answered")
    await asyncio.sleep(0.3)
    (where / "done").write_text(str(motet.current_input_id()))


async def events(scope: Any, receive: Any, send: Any) -> None:
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for number in range(3):
        await send({"type": "http.response.body", "body": b"data: %d\n\n" % number, "more_body": True})
        await asyncio.sleep(0.2)
    await send({"type": "http.response.body", "body": b""})


async def echo(scope: Any, receive: Any, send: Any) -> None:
    assert (await receive())["type"] == "websocket.connect"
    if b"no" in scope["query_string"]:
        await send({"type": "websocket.close", "code": 1008})
        return
    if b"raise" in scope["query_string"]:
        await send({"type": "websocket.accept"})
        raise ValueError("on purpose")
    subprotocol = scope["subprotocols"][0] if scope["subprotocols"] else None
    await send({"type": "websocket.accept", "subprotocol": subprotocol})
    while (message := await receive())["type"] == "websocket.receive":
        if message.get("text") == "bye":
            await send({"type": "websocket.close", "code": 4000, "reason": "as you wish"})
            return
        await send({"type": "websocket.send", **{k: v for k, v in message.items() if k != "type" and v is not None}})
    if where := scope["query_string"].decode():
        note(where, f"{message['type']} {message['code']}")


PLAIN: dict[str, Any] = {
    "/": show_scope,
    "/scope": show_scope,
    "/été/a b": show_scope,
    "/raises": raises,
    "/midway": raises_midway,
    "/nothing": says_nothing,
    "/upload": count_upload,
    "/slow-upload": slow_upload,
    "/download": download,
    "/wait": waits_for_disconnect,
    "/background": background,
    "/events": events,
    "/ws": echo,
}


# --- frameworks -------------------------------------------------------------------------------------------------------


@app.function(max_containers=1)
@motet.asgi_app(label="frameworks")
@motet.concurrent(max_inputs=100)
def with_fastapi() -> Any:
    marks: list[str] = []

    @contextlib.asynccontextmanager
    async def lifespan(api: FastAPI) -> AsyncIterator[dict[str, Any]]:
        marks.append("started")
        yield {"greeting": "hello"}

    api = FastAPI(lifespan=lifespan)
    inside, most = 0, 0
    lock = threading.Lock()

    def user(name: str = "nobody") -> str:
        return name

    @api.get("/items/{number}")
    async def item(number: int, who: str = Depends(user)) -> dict[str, Any]:
        return {"number": number, "who": who, "marks": marks}

    @api.get("/sync")
    def blocking() -> dict[str, Any]:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        time.sleep(0.5)
        with lock:
            inside -= 1
        return {"input": motet.current_input_id(), "most": most}

    @api.get("/stream")
    async def stream() -> StreamingResponse:
        async def numbers() -> AsyncIterator[bytes]:
            for number in range(3):
                yield f"{number} {motet.current_input_id()}\n".encode()

        return StreamingResponse(numbers())

    @api.post("/later")
    async def later(tasks: BackgroundTasks) -> dict[str, int]:
        tasks.add_task(marks.append, "background")
        return {"marks": len(marks)}

    return api


@app.cls(max_containers=1)
@motet.concurrent(max_inputs=20)
class Site:
    @motet.enter()
    def load(self) -> None:
        self.greeting = "hello"

    @motet.asgi_app()
    def starlette(self) -> Any:
        from starlette.applications import Starlette
        from starlette.responses import PlainTextResponse
        from starlette.routing import Route, WebSocketRoute
        from starlette.websockets import WebSocket

        async def greet(request: Any) -> Any:
            return PlainTextResponse(f"{self.greeting} from {request.url.path}")

        async def shout(socket: WebSocket) -> None:
            await socket.accept()
            await socket.send_text((await socket.receive_text()).upper())
            await socket.close()

        async def shout_on(socket: WebSocket) -> None:
            await socket.accept()
            while True:  # as frameworks show it in their first pages
                await socket.send_text((await socket.receive_text()).upper())

        sockets = [WebSocketRoute("/ws", shout), WebSocketRoute("/ws-forever", shout_on)]
        return Starlette(routes=[Route("/", greet), Route("/deep", greet), *sockets])

    @motet.fastapi_endpoint(method="POST", docs=True)
    def add(self, first: int, second: int = 1) -> dict[str, Any]:
        return {"sum": first + second, "greeting": self.greeting}

    @motet.method()
    def plain(self) -> str:
        return self.greeting


@app.cls(max_containers=1)
class Named:
    name: str = motet.parameter()
    loud: bool = motet.parameter(default=False)

    @motet.fastapi_endpoint()
    async def greet(self, word: str = "hello") -> str:
        text = f"{word} {self.name}"
        return text.upper() if self.loud else text


@app.function(max_containers=1)
@motet.concurrent(max_inputs=50)
@motet.wsgi_app()
def with_flask() -> Any:
    from flask import Flask, Response, redirect, request, url_for

    flask = Flask("tests")

    @flask.get("/where")
    def where() -> dict[str, Any]:
        return {"root": request.script_root, "path": request.path, "input": motet.current_input_id()}

    @flask.get("/moved")
    def moved() -> Any:
        return redirect("/where")

    @flask.get("/moved-there")
    def moved_there() -> Any:
        return redirect(url_for("where", _external=True))

    @flask.post("/size")
    def size() -> str:
        return str(len(request.get_data()))

    @flask.get("/slow")
    def slow() -> str:
        time.sleep(0.5)
        return "slept"

    @flask.get("/ticks")
    def ticks() -> Response:
        ended = request.args["ended"]

        def lines() -> Iterator[str]:
            try:
                while True:
                    yield "tick\n"
                    time.sleep(0.01)
            finally:
                note(ended, "closed")

        return Response(lines())

    @flask.get("/raises")
    def raises() -> str:
        flask.logger.warning("a warning of the app")
        raise ValueError("an error of the app")

    return flask


# --- what goes wrong --------------------------------------------------------------------------------------------------


@app.function(max_containers=1)
@motet.asgi_app()
def broken() -> Any:
    raise RuntimeError("no app today")


@app.function(max_containers=1)
@motet.asgi_app()
def fails_to_start() -> Any:
    async def serve(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "lifespan.startup"
        await send({"type": "lifespan.startup.failed", "message": "the database is away"})

    return serve


@app.function(max_containers=1, timeout=1, startup_timeout=60)
@motet.fastapi_endpoint()
async def never() -> None:
    await asyncio.sleep(60)


@app.function(max_containers=1)
@motet.fastapi_endpoint()
def dies() -> None:
    os._exit(3)


@app.function(max_containers=2, scaledown_window=60)
@motet.fastapi_endpoint(label="one-at-a-time")
def one_at_a_time(meeting: str) -> dict[str, Any]:
    """Answers once two containers have come to `meeting`, a directory."""
    (Path(meeting) / str(os.getpid())).touch()
    while len(list(Path(meeting).iterdir())) < 2:
        time.sleep(0.01)
    return {"container": os.getpid()}


@app.function()
def url_inside() -> str | None:
    return plain.get_web_url()
