"""The HTTP API of a server without a network: requests go straight to the app, and the test is the containers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import httpx

from motet.client.peer_process import PeerProcess
from motet.errors import ConnectionError
from motet.model.function import FunctionSpec, MethodSpec
from motet.model.outcome import AttemptEnd, OutcomeKind
from motet.server.access.door import Principal
from motet.server.access.rights import EVERYTHING, named_rights
from motet.wire import client_messages as m
from motet.wire.container_messages import Finished, Items
from motet.wire.deployment_messages import DeployApp
from tests.server.stage import Client, Container, Stage, app, function, stage

TOKENS = {
    "all": Principal("all", EVERYTHING),
    "caller": Principal("caller", named_rights(["call"])),
    "other": Principal("other", named_rights(["call"])),
    "looker": Principal("looker", named_rights(["look"])),
}


class Doors:
    """Lets in by these tokens."""

    token = ""

    def admit(self, token: str, process: PeerProcess | None) -> Principal:
        if token not in TOKENS:
            raise ConnectionError("the token is none here")
        return TOKENS[token]

    @property
    def tokens(self) -> Any:
        raise NotImplementedError


class Web:
    """Whoever asks. `ask` gives the answer; `begin` a task for it."""

    def __init__(self, on: Stage) -> None:
        self.on = on
        self.app = on.server.http_api.open()
        transport = httpx.ASGITransport(self.app)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://localhost:1")

    async def ask(self, method: str, path: str, token: str | None = "all", **how: Any) -> httpx.Response:
        headers = {**({} if token is None else {"authorization": f"Bearer {token}"}), **how.pop("headers", {})}
        async with asyncio.timeout(30):
            return await self.http.request(method, path, headers=headers, **how)

    def begin(self, method: str, path: str, **how: Any) -> asyncio.Task[httpx.Response]:
        return asyncio.get_running_loop().create_task(self.ask(method, path, **how))

    async def call(self, path: str = "/v1/apps/shop/functions/f/call", **how: Any) -> asyncio.Task[httpx.Response]:
        return self.begin("POST", path, **how)


async def deploy(on: Stage, *functions: FunctionSpec, name: str = "shop") -> Client:
    """Deploy an app; who did it."""
    deployer = on.principal(TOKENS["all"])
    reply = await deployer.answer(DeployApp(name, app(*functions)))
    assert not isinstance(reply, m.RequestFailed), reply
    return deployer


def generator(name: str = "g") -> FunctionSpec:
    spec = function(name)
    return FunctionSpec(
        name=name, app_name="app", app_key="app", definition=spec.definition, methods=(MethodSpec(is_generator=True),)
    )


def finish(container: Container, attempts: Any, payload: bytes, kind: OutcomeKind = OutcomeKind.SUCCESS) -> None:
    container.executor.say(Finished([AttemptEnd(each.attempt, kind, payload) for each in attempts]))


def send_items(container: Container, attempt: Any, *items: bytes) -> None:
    container.executor.say(Items(attempt.attempt, list(items)))


def events(text: str) -> list[tuple[str, Any]]:
    """Server-sent events: names and data."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


@asynccontextmanager
async def web(**config: Any) -> AsyncIterator[Web]:
    async with stage(door=Doors(), **config) as on:
        asks = Web(on)
        try:
            yield asks
        finally:
            await asks.http.aclose()


def play(scene: Callable[[Web], Coroutine[Any, Any, None]]) -> None:
    """A scene with a server of its own, and an app `shop` that has a function `f` and a generator `g`."""

    async def main() -> None:
        async with web() as asks:
            await deploy(asks.on, function("f"), generator("g"))
            await scene(asks)

    asyncio.run(main())
