"""Web functions that show how their requests came in."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import StreamingResponse

import motet

app = motet.App("ingress")


@app.function(max_containers=1)
@motet.concurrent(max_inputs=50)
@motet.asgi_app(custom_domains=["shop.example.com"])
def site() -> Any:
    api = FastAPI()

    @api.get("/told")
    async def told(request: Request) -> dict[str, Any]:
        client = request.client
        return {
            "url": str(request.url),
            "client": client and client.host,
            "headers": dict(request.headers),
            "environment": sorted(os.environ),
        }

    @api.post("/slow")
    async def slow(request: Request, seconds: float) -> dict[str, Any]:
        body = await request.body()
        await asyncio.sleep(seconds)
        return {"body": body.decode(), "input": motet.current_input_id()}

    @api.get("/stream")
    async def stream(seconds: float) -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"first "
            await asyncio.sleep(seconds)
            yield b"last"

        return StreamingResponse(pieces())

    @api.websocket("/ws")
    async def echo(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(f"{socket.url.scheme} {await socket.receive_text()}")
        await socket.close()

    return api


@app.function(max_containers=1)
@motet.concurrent(max_inputs=50)
@motet.asgi_app(requires_proxy_auth=True)
def locked() -> Any:
    api = FastAPI()

    @api.post("/")
    async def size(request: Request) -> dict[str, Any]:
        return {"size": len(await request.body()), "key": request.headers.get("motet-key")}

    @api.websocket("/ws")
    async def greet(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("welcome")
        await socket.close()

    return api


@app.function(max_containers=1, timeout=2, startup_timeout=60)
@motet.fastapi_endpoint()
async def too_slow() -> None:
    await asyncio.sleep(60)


@app.cls(max_containers=1)
@motet.concurrent(max_inputs=50)
class Named:
    name: str = motet.parameter()

    @motet.fastapi_endpoint()
    async def greet(self, seconds: float = 0.0) -> str:
        await asyncio.sleep(seconds)
        return f"hello {self.name}"
