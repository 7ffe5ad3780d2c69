"""Where the dashboard is served, and from what."""

from __future__ import annotations

import asyncio
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from motet.errors import InvalidError, ServiceError
from motet.server.dashboard.app import STATIC
from motet.server.dashboard.config import DashboardConfig
from motet.server.dashboard.dashboard import Dashboard

from .made_server import MadeServer


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


async def title_of(url: str, code: str = "") -> str:
    async with httpx.AsyncClient(follow_redirects=True) as client:
        answer = await client.get(url, params={"code": code})
    return answer.text.partition("<title>")[2].partition("</title>")[0]


def test_dashboard_is_served_from_its_opening_to_its_end() -> None:
    async def scene() -> None:
        dashboard = Dashboard(DashboardConfig(port=0), MadeServer())
        url = dashboard.open()
        assert dashboard.open() == url
        assert dashboard.invite(None)[0] == url
        assert await title_of(*dashboard.invite(None)) == "Motet"
        await dashboard.close()
        await dashboard.close()
        with pytest.raises(httpx.ConnectError):
            await title_of(url)

    asyncio.run(scene())


def test_page_that_is_open_does_not_hold_up_the_end() -> None:
    async def scene() -> None:
        dashboard = Dashboard(DashboardConfig(port=0), MadeServer())
        url, code = dashboard.invite(None)
        async with httpx.AsyncClient() as client:
            await client.get(url, params={"code": code})
            await read_to_the_end(client, url, dashboard)

    async def read_to_the_end(client: httpx.AsyncClient, url: str, dashboard: Dashboard) -> None:
        async with client.stream("GET", f"{url}/api/events") as answer:
            lines = answer.aiter_lines()
            assert await anext(lines) == "retry: 1000"
            await dashboard.close()
            assert [line async for line in lines if line.startswith("never")] == []

    asyncio.run(scene())


def test_port_that_was_asked_for_and_is_taken_is_an_error(taken_port: int) -> None:
    async def scene() -> None:
        with pytest.raises(
            ServiceError, match=rf"cannot serve the dashboard on 127.0.0.1:{taken_port}.*MOTET_DASHBOARD_PORT"
        ):
            Dashboard(DashboardConfig(port=taken_port), MadeServer()).open()

    asyncio.run(scene())


def test_free_port_is_taken_if_the_usual_one_is_in_use() -> None:
    async def scene() -> None:
        first, second = (Dashboard(DashboardConfig(), MadeServer()) for _ in range(2))
        urls = {first.open(), second.open()}
        assert len(urls) == 2
        await first.close()
        await second.close()

    asyncio.run(scene())


def test_port_that_cannot_be_one_is_refused() -> None:
    with pytest.raises(InvalidError, match="MOTET_DASHBOARD_PORT must be a port, or 0 for a free one; it is 70000"):
        DashboardConfig(port=70_000)


def test_extra_is_named_if_it_is_not_installed() -> None:
    program = (
        "import sys; sys.modules['starlette'] = None\n"
        "import motet\n"
        "app = motet.App('x')\n"
        "with app.run(dashboard=True): pass\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert "ServiceError: dashboards need more packages: pip install 'motet[dashboard]'" in done.stderr


def test_pages_load_nothing_from_elsewhere() -> None:
    files = [path for path in STATIC.rglob("*") if path.is_file()]
    assert {"index.html", "main.js", "style.css", "icon.svg"} <= {path.name for path in files}
    found = {path.name: re.findall(r"https?://[^\s\"'`)]+", path.read_text()) for path in files}
    assert {name: urls for name, urls in found.items() if set(urls) - {"http://www.w3.org/2000/svg"}} == {}


@pytest.mark.parametrize("path", sorted(STATIC.rglob("*.js")), ids=lambda path: path.name)
def test_scripts_import_what_is_there_and_put_text_in_as_text(path: Path) -> None:
    source = path.read_text()
    for target in re.findall(r"(?:from|import\()\s*\"(\.[^\"]+)\"", source):
        assert (path.parent / target).is_file(), target
    assert re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", source) == []
