"""One ASGI app for two servers: Motet runs it as a web function, and the tests run it under plain uvicorn."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import resource
from pathlib import Path
from typing import Any

import motet

from .wrong_messages import MORE, START, WRONG, WRONG_SOCKETS

app = motet.App("conformance")

LABEL = "conformance"
PIECE = b"y" * 100_000


async def site(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await live(scope, receive, send)
        return
    name, *rest = scope["path"].removeprefix("/").split("/")
    handlers = SOCKETS if scope["type"] == "websocket" else HANDLERS
    await handlers.get(name, mirror)(scope, receive, send, rest)


@app.function(max_containers=1)
@motet.concurrent(max_inputs=100)
@motet.asgi_app(label=LABEL)
def same() -> Any:
    return site


async def live(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    scope["state"]["greeting"] = "hello"
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


def note(where: str, text: str) -> None:
    Path(where).write_text(text)


async def file(where: str) -> None:
    """Return when a file is there."""
    there = Path(where).exists
    while not there():  # noqa: ASYNC110
        await asyncio.sleep(0.005)


# --- requests ---------------------------------------------------------------------------------------------------------


async def respond(send: Any, body: bytes, status: int = 200, headers: Any = ()) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})


async def mirror(scope: Any, receive: Any, send: Any, rest: Any) -> None:
    """Says what it was told."""
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    told = {
        **{key: scope[key] for key in ("type", "method", "http_version", "scheme", "path", "root_path")},
        "raw_path": scope["raw_path"].decode("latin-1"),
        "query": scope["query_string"].decode("latin-1"),
        # Motet adds those that say who asked.
        "headers": [
            [name.decode("latin-1"), value.decode("latin-1")]
            for name, value in scope["headers"]
            if not name.startswith(b"x-forwarded-")
        ],
        "state": dict(scope["state"]),
        "last": message["type"],
        "length": len(body),
        "digest": hashlib.sha256(body).hexdigest(),
    }
    scope["state"]["left"] = "by a request before"
    text = json.dumps(told).encode()
    await respond(send, text, headers=[(b"content-length", str(len(text)).encode())])


async def of_status(scope: Any, receive: Any, send: Any, rest: Any) -> None:
    await respond(send, b"", int(rest[0]), [(b"x-one", b"1")])


async def odd_headers(scope: Any, receive: Any, send: Any, rest: Any) -> None:
    headers = [(b"X-Mixed", b"caf\xe9"), (b"x-empty", b""), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2; Path=/")]
    await respond(send, b"ok", headers=headers)


async def length_stated(scope: Any, receive: Any, send: Any, rest: Any) -> None:
    """A body of one length under a header that states another."""
    stated, actual = rest
    await respond(send, b"z" * int(actual), headers=[(b"content-length", stated.encode())])


async def closes(scope: Any, receive: Any, send: Any, rest: Any) -> None:
    await respond(send, b"bye", headers=[(b"connection", b"close")])


async def many_pieces(scope: Any, receive: Any, send: Any, rest: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for number in range(5):
        await send({"type": "http.response.body", "body": b"%d" % number * number, "more_body": True})
    await send({"type": "http.response.body"})


async def only_start(scope: Any, receive: Any, send: Any, rest: Any) -> None:
    """Leaves all to the defaults of ASGI."""
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body"})


async def refuses_body(scope: Any, receive: Any, send: Any, rest: Any) -> None:
    await respond(send, b"too much", 413)


async def answers_first(scope: Any, receive: Any, send: Any, rest: Any) -> None:
    """Begins its answer before it looks at the body."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ready.", "more_body": True})
    body, more = b"", True
    while more:
        message = await receive()
        body += message["body"]
        more = message["more_body"]
    await send({"type": "http.response.body", "body": body})


async def counts(scope: Any, receive: Any, send: Any, rest: Any) -> None:
    """How much came in how many pieces, and by how many kilobytes the process grew meanwhile."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    total = pieces = 0
    more = True
    while more:
        message = await receive()
        total += len(message["body"])
        pieces += 1
        more = message["more_body"]
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    await respond(send, json.dumps([total, pieces, grown]).encode())


async def down(scope: Any, receive: Any, send: Any, rest: Any) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(int(rest[0]) // len(PIECE)):
        await send({"type": "http.response.body", "body": PIECE, "more_body": True})
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    await send({"type": "http.response.body", "body": b"%d" % grown})


async def after(scope: Any, receive: Any, send: Any, rest: Any) -> None:
    """Goes on when its response is complete, and says what it then receives."""
    await receive()
    await respond(send, b"answered")
    note(scope["query_string"].decode(), (await receive())["type"])


async def events(scope: Any, receive: Any, send: Any, rest: Any) -> None:
    """One event; the next when a file is there."""
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"data: one\n\n", "more_body": True})
    await file(scope["query_string"].decode())
    await send({"type": "http.response.body", "body": b"data: two\n\n"})


async def tells_disconnect(scope: Any, receive: Any, send: Any, rest: Any) -> None:
    """Reads to the end; a file says how it came, and what `send` raises then."""
    where = Path(scope["query_string"].decode())
    (where / "began").touch()
    while (message := await receive())["type"] == "http.request":
        pass
    try:
        await respond(send, b"too late")
        raised = "nothing"
    except OSError as error:
        raised = type(error).__name__
        raise
    finally:
        (where / "end").write_text(f"{message['type']} {raised}")


# --- what no app should do --------------------------------------------------------------------------------------------


async def wrong(scope: Any, receive: Any, send: Any, rest: Any) -> None:
    await receive()
    for message in WRONG[rest[0]][0]:
        await send(message)


async def raises(scope: Any, receive: Any, send: Any, rest: Any) -> None:
    """An exception of some kind, before its response or in it."""
    kinds = {"ValueError": ValueError, "SystemExit": SystemExit, "KeyboardInterrupt": KeyboardInterrupt}
    if rest[1:] == ["later"]:
        await send(START)
        await send(MORE)
    raise kinds[rest[0]]("on purpose")


HANDLERS: dict[str, Any] = {
    "status": of_status,
    "headers": odd_headers,
    "length": length_stated,
    "closes": closes,
    "pieces": many_pieces,
    "only-start": only_start,
    "refuses": refuses_body,
    "answers-first": answers_first,
    "counts": counts,
    "down": down,
    "after": after,
    "events": events,
    "tells": tells_disconnect,
    "wrong": wrong,
    "raises": raises,
}


# --- WebSockets -------------------------------------------------------------------------------------------------------


async def echo(scope: Any, receive: Any, send: Any, rest: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        if message.get("text") is not None:
            await send({"type": "websocket.send", "text": message["text"]})
        else:
            await send({"type": "websocket.send", "bytes": message["bytes"]})
    if where := scope["query_string"].decode():
        note(where, f"{message['type']} {message['code']} {message.get('reason') or ''}")


async def accepts_with(scope: Any, receive: Any, send: Any, rest: Any) -> None:
    """Chooses the last of the subprotocols, and adds headers; says what it was told."""
    await receive()
    chosen = scope["subprotocols"][-1] if scope["subprotocols"] else None
    headers = [(b"x-one", b"1"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
    await send({"type": "websocket.accept", "subprotocol": chosen, "headers": headers})
    told = {
        **{key: scope[key] for key in ("type", "http_version", "scheme", "path", "root_path", "subprotocols", "state")},
        "raw_path": scope["raw_path"].decode("latin-1"),
        "query": scope["query_string"].decode("latin-1"),
        "own": [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-own"],
    }
    await send({"type": "websocket.send", "text": json.dumps(told)})
    await send({"type": "websocket.close"})


async def denies(scope: Any, receive: Any, send: Any, rest: Any) -> None:
    await receive()
    if rest[0] == "close":
        await send({"type": "websocket.close"})
        return
    headers = [(b"content-type", b"text/plain"), (b"x-why", b"no")]
    await send({"type": "websocket.http.response.start", "status": int(rest[0]), "headers": headers})
    await send({"type": "websocket.http.response.body", "body": b"not ", "more_body": True})
    await send({"type": "websocket.http.response.body", "body": b"today"})


async def closes_with(scope: Any, receive: Any, send: Any, rest: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close", **({"code": int(rest[0]), "reason": rest[1]} if rest else {})})


async def slow_reader(scope: Any, receive: Any, send: Any, rest: Any) -> None:
    """Reads no message until a file is there; then says how many came."""
    await receive()
    await send({"type": "websocket.accept"})
    await file(scope["query_string"].decode())
    count = 0
    while (message := await receive()).get("text") != "end" and message["type"] == "websocket.receive":
        count += 1
    await send({"type": "websocket.send", "text": str(count)})


async def flood(scope: Any, receive: Any, send: Any, rest: Any) -> None:
    """Sends as fast as it may; a file says how much it has sent."""
    await receive()
    await send({"type": "websocket.accept"})
    where = os.open(scope["query_string"].decode(), os.O_WRONLY | os.O_CREAT)
    with contextlib.closing(os.fdopen(where, "w")) as file:
        for number in range(2000):
            await send({"type": "websocket.send", "bytes": PIECE})
            os.pwrite(file.fileno(), b"%09d" % ((number + 1) * len(PIECE)), 0)


async def wrong_socket(scope: Any, receive: Any, send: Any, rest: Any) -> None:
    await receive()
    for message in WRONG_SOCKETS[rest[0]][0]:
        await send(message)


SOCKETS: dict[str, Any] = {
    "echo": echo,
    "with": accepts_with,
    "denies": denies,
    "closes": closes_with,
    "slow-reader": slow_reader,
    "flood": flood,
    "wrong": wrong_socket,
}


# --- apps that keep their clients waiting -----------------------------------------------------------------------------


@app.function(max_containers=1, timeout=1, startup_timeout=60)
@motet.concurrent(max_inputs=10)
@motet.asgi_app(label="impatient")
def impatient() -> Any:
    async def serve(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] != "lifespan", "it has none"
        _, name, *_ = scope["path"].split("/")
        if name == "quick":
            await respond(send, b"quick")
        elif name == "never":
            await asyncio.sleep(60)
        elif name == "begins":
            await send(START)
            await send(MORE)
            await asyncio.sleep(60)
        elif name == "reads":
            while (await receive())["more_body"]:
                pass
        else:
            await down(scope, receive, send, ["1000000000"])

    return serve
