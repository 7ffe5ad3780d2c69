"""`motet mcp`, used by the protocol's own client."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import wait_until
from tests.e2e.standing import PATIENCE, StandingServer, standing_server

mcp = pytest.importorskip("mcp")

PROGRAM = '''
import time
from pathlib import Path
import motet
app = motet.App("shop")

@app.function()
def price(item: str, count: int = 1) -> dict[str, float]:
    """What an order costs."""
    return {"total": 2.5 * count}

@app.function()
def count_to(n: int):
    yield from range(1, n + 1)

@app.function()
async def cook(began: str, ended: str) -> None:
    import asyncio
    Path(began).touch()
    try:
        await asyncio.sleep(60)
    finally:
        Path(ended).touch()
'''


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandingServer]:
    directory = tmp_path_factory.mktemp("mcp")
    (directory / "shop.py").write_text(PROGRAM)
    with standing_server(directory / "home") as server:
        deploy = [sys.executable, "-c", "import shop; shop.app.deploy()"]
        subprocess.run(deploy, cwd=directory, env=server.client_env, check=True, timeout=PATIENCE)
        yield server


def parameters(server: StandingServer, *arguments: str) -> Any:
    command = ["-m", "motet", "mcp", "shop", *arguments]
    return mcp.StdioServerParameters(command=sys.executable, args=command, env=server.client_env)


@asynccontextmanager
async def connected(server: StandingServer) -> AsyncIterator[Any]:
    """The client that the library has: its first major version knows sessions only."""
    transport = mcp.stdio_client(parameters(server))
    if hasattr(mcp, "Client"):
        async with mcp.Client(transport) as client:
            yield client
    else:
        async with transport as streams, mcp.ClientSession(*streams) as session:
            await session.initialize()
            yield session


def plain(answer: Any) -> dict[str, Any]:
    """By the names of the protocol, which attributes have in some versions of the library only."""
    fields: dict[str, Any] = answer.model_dump(by_alias=True)
    return fields


def test_a_client_lists_and_calls_tools(server: StandingServer) -> None:
    async def main() -> None:
        async with connected(server) as client:
            tools = {tool["name"]: tool for tool in plain(await client.list_tools())["tools"]}
            assert list(tools) == ["price", "count_to", "cook"]
            assert tools["price"]["description"] == "What an order costs."
            assert tools["price"]["inputSchema"]["required"] == ["item"]
            found = plain(await client.call_tool("price", {"item": "pen", "count": 2}))
            assert (found["structuredContent"], found["isError"]) == ({"total": 5.0}, False)
            wrong = plain(await client.call_tool("price", {"item": 3}))
            assert wrong["isError"]
            assert "Expected `str`, got `int`" in wrong["content"][0]["text"]
            told: list[float] = []

            async def progress(count: float, total: float | None, text: str | None) -> None:
                told.append(count)

            items = await client.call_tool("count_to", {"n": 300}, progress_callback=progress)
            assert (items.content[0].text[:6], told[-1]) == ("[1,2,3", 300)

    asyncio.run(main())


def test_a_cancelled_request_cancels_its_call(server: StandingServer, tmp_path: Path) -> None:
    began, ended = tmp_path / "began", tmp_path / "ended"
    message = (
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"cook","arguments":{"began":"%b","ended":"%b"}}}\n'
        % (str(began).encode(), str(ended).encode())
    )
    command = [sys.executable, "-m", "motet", "mcp", "shop", "--function", "cook"]
    with subprocess.Popen(
        command, env=server.client_env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        process.stdin.write(message)
        process.stdin.flush()
        wait_until(began.exists)
        process.stdin.write(b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}\n')
        process.stdin.flush()
        wait_until(ended.exists)
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (0, b"", b"")


def test_an_app_that_is_not_there_is_told_at_once(server: StandingServer) -> None:
    command = [sys.executable, "-m", "motet", "mcp", "nobody"]
    ended = subprocess.run(
        command, env=server.client_env, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "App 'nobody' is not deployed" in ended.stderr
