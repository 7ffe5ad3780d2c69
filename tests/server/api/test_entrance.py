"""HTTP on the sockets where clients and containers speak the wire."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from motet.server.api import entrance
from tests.server.api.asking import Doors, deploy, finish
from tests.server.stage import PATIENCE, Stage, function, stage


@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_one_socket_speaks_both(kind: Any, tmp_path: Path) -> None:
    async def main() -> None:
        socket = {"socket": tmp_path / "s"} if kind == "unix" else {}
        async with stage(door=Doors(), listen=kind, **socket) as on:
            await deploy(on, function("f"))
            where = on.server.address.removeprefix(f"{kind}:")
            transport = httpx.AsyncHTTPTransport(uds=where) if kind == "unix" else None
            base = "http://localhost" if kind == "unix" else f"http://{where}"
            async with httpx.AsyncClient(transport=transport, base_url=base, timeout=PATIENCE) as http:
                http.headers["authorization"] = "Bearer all"
                asked = asyncio.create_task(
                    http.post("/v1/apps/shop/functions/f/call", json={"args": ["x" * 1_000_000]})
                )
                container = await on.container()  # which connects to the same socket
                (attempt,) = await container.deliveries()
                assert len(attempt.payload) > 1_000_000
                finish(container, [attempt], b'J"' + b"y" * 1_000_000 + b'"')
                assert len((await asked).json()) == 1_000_000
                assert (await http.get("/v1/apps")).status_code == 200  # on the same connection
            assert len(on.server._strangers) == 0

    asyncio.run(main())


def test_a_request_may_come_byte_by_byte() -> None:
    async def main() -> None:
        async with stage(door=Doors()) as on:
            reader, writer = await asyncio.open_unix_connection(on.server.address.removeprefix("unix:"))
            for byte in b"GET /v1/apps HTTP/1.1\r\nHost: localhost\r\n\r\n":
                writer.write(bytes([byte]))
                await asyncio.sleep(0)
            async with asyncio.timeout(PATIENCE):
                assert (await reader.readline()).startswith(b"HTTP/1.1 401")
            writer.close()

    asyncio.run(main())


def open_connections(on: Stage) -> int:
    listener = on.server.http_api._listener
    return 0 if listener is None else listener.count


async def raw(on: Stage) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_unix_connection(on.server.address.removeprefix("unix:"))


def test_who_only_holds_connections_open_keeps_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entrance, "MAX_CONNECTIONS", 2)

    async def main() -> None:
        async with stage(door=Doors()) as on, asyncio.timeout(PATIENCE):
            held = []
            for _ in range(2):
                reader, writer = await raw(on)
                writer.write(b"GET /v1/apps HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
                held.append((reader, writer))
                await on.wait(lambda: open_connections(on) == len(held))
            reader, writer = await raw(on)
            writer.write(b"GET /v1/apps HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert (await reader.readline()).startswith(b"HTTP/1.1 401")
            assert await held[0][0].read() == b""  # it had waited for longest
            held[1][1].write(b"1\r\n\r\n")
            assert (await held[1][0].readline()).startswith(b"HTTP/1.1 401")
            for each in (held[0][1], held[1][1], writer):
                each.close()

    asyncio.run(main())


def test_requests_that_are_being_answered_make_no_room_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entrance, "MAX_CONNECTIONS", 1)

    async def main() -> None:
        async with stage(door=Doors()) as on, asyncio.timeout(PATIENCE):
            await deploy(on, function("f"))
            transport = httpx.AsyncHTTPTransport(uds=on.server.address.removeprefix("unix:"))
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=PATIENCE) as http:
                http.headers["authorization"] = "Bearer all"
                asked = asyncio.create_task(http.post("/v1/apps/shop/functions/f/call", json={"args": [1]}))
                container = await on.container()
                (attempt,) = await container.deliveries()
                reader, writer = await raw(on)
                writer.write(b"GET /v1/apps HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert b"503 Service Unavailable" in await reader.read()
                writer.close()
                finish(container, [attempt], b"J2")
                assert (await asked).json() == 2

    asyncio.run(main())


def test_a_server_without_the_packages_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(self: Any) -> Any:
        raise entrance._missing(ImportError("no starlette"))

    async def main() -> None:
        monkeypatch.setattr(entrance.ApiEntrance, "open", missing)
        async with stage(door=Doors()) as on:
            transport = httpx.AsyncHTTPTransport(uds=on.server.address.removeprefix("unix:"))
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
                answer = await http.get("/v1/apps")
                assert (answer.status_code, "pip install 'motet[api]'" in answer.text) == (503, True)

    asyncio.run(main())
