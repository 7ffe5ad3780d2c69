"""An ingress without a network and without containers: the test is both the client and the app."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from motet.model.function import AppSpec, FunctionSpec, MethodSpec, SerializedDefinition
from motet.model.outcome import InputEnd, OutcomeKind
from motet.model.web import WebSpec
from motet.server.http.calls import WebCalls
from motet.server.http.config import WebConfig
from motet.server.http.ingress import Ingress
from motet.wire import client_messages as m
from motet.wire import report
from motet.wire.web import AnyFrame, BodyPiece, RequestHead, ResponseStart, decode_frame, decode_head, encode


def web_function(name: str = "f", **web: Any) -> FunctionSpec:
    return FunctionSpec(
        name=name,
        app_name="app",
        definition=SerializedDefinition(pickled=b"", qualname=name),
        methods=(MethodSpec(is_async=True, is_generator=True, web=WebSpec(kind="asgi", **web)),),
    )


class WebApp:
    """A running app with these functions."""

    def __init__(self, *functions: FunctionSpec, app_id: str = "ap-1") -> None:
        self.app_id = app_id
        self.spec = AppSpec(name="app", functions=functions or (web_function(),))
        self.declared = {f"fu-{app_id}-{function.name}": function for function in self.spec.functions}


class Engine:
    """What stands for the server behind the ingress."""

    def __init__(self) -> None:
        self.received: list[Any] = []
        self.peer: WebCalls | None = None

    def receive(self, messages: Sequence[Any]) -> None:
        self.received += messages

    def connect(self, peer: WebCalls) -> Any:
        self.peer = peer
        return self

    @property
    def submitted(self) -> list[m.SubmitInputs]:
        return [it for it in self.received if isinstance(it, m.SubmitInputs)]

    @property
    def cancelled(self) -> list[str]:
        return [it.call_id for it in self.received if isinstance(it, m.CancelCall)]

    @property
    def fed(self) -> list[AnyFrame]:
        return [decode_frame(item) for it in self.received if isinstance(it, m.FeedCall) for item in it.items]

    def head(self, number: int = -1) -> RequestHead:
        return decode_head(self.submitted[number].inputs[0].payload)

    def send(self, call_id: str, *frames: AnyFrame) -> None:
        assert self.peer is not None
        self.peer.send([m.CallItems(call_id, 0, [encode(frame) for frame in frames])])

    def answer(self, call_id: str, body: bytes = b"answer") -> None:
        self.send(call_id, ResponseStart(200, [], 100.0), BodyPiece(body, False))
        self.end(call_id)

    def end(self, call_id: str, kind: OutcomeKind = OutcomeKind.SUCCESS) -> None:
        assert self.peer is not None
        self.peer.send([m.Outcomes(call_id, [InputEnd(0, kind, report.of(ValueError("away")))])])


class Browser:
    """One request and what came back."""

    def __init__(self, ingress: Ingress, path: str, **how: Any) -> None:
        path, _, query = path.partition("?")
        self.sent: list[Any] = []
        self._to_app: asyncio.Queue[Any] = asyncio.Queue()
        scope = {
            "type": how.get("kind", "http"),
            "method": how.get("method", "GET"),
            "scheme": how.get("scheme", "http"),
            "http_version": "1.1",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in _pairs(how.get("headers", {}))],
            "client": how.get("client", ("127.0.0.1", 4000)),
            "server": ("127.0.0.1", 80),
            "extensions": how.get("extensions", {}),
        }
        for message in how.get("messages", [{"type": "http.request", "body": b"", "more_body": False}]):
            self.say(message)
        self.task = asyncio.get_running_loop().create_task(ingress(scope, self._to_app.get, self._take))

    def say(self, message: Any) -> None:
        """The next thing that the ingress receives of this client."""
        self._to_app.put_nowait(message)

    async def _take(self, message: Any) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int | None:
        return next((it["status"] for it in self.sent if it["type"].endswith("response.start")), None)

    @property
    def headers(self) -> dict[str, str]:
        start = next(it for it in self.sent if it["type"].endswith("response.start"))
        return {name.decode(): value.decode() for name, value in start["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(it["body"] for it in self.sent if it["type"].endswith("response.body"))


def _pairs(headers: Any) -> list[tuple[str, str]]:
    return list(headers.items()) if isinstance(headers, dict) else headers


class WebStage:
    """The ingress, what stands behind it, and who asks."""

    def __init__(self, config: WebConfig, most: int | None = None) -> None:
        self.engine = Engine()
        self.ingress = Ingress(config, self.engine.connect, lambda function_id, _: function_id, lambda _: None, most)

    def ask(self, path: str = "/app-f", **how: Any) -> Browser:
        return Browser(self.ingress, path, **how)

    async def answered(self, browser: Browser) -> Browser:
        """Wait for the end of a request."""
        async with asyncio.timeout(10_000):
            await browser.task
        return browser


@asynccontextmanager
async def web_stage(*apps: WebApp, most: int | None = None, **config: Any) -> AsyncIterator[WebStage]:
    """An ingress with these apps (one with one function "f", unless given), each of which takes `most` requests at once."""
    stage = WebStage(WebConfig(**config), most)
    for app in apps or (WebApp(),):
        stage.ingress.open(app)
    try:
        yield stage
    finally:
        await stage.ingress.stop()
