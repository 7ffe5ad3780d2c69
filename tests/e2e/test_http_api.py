"""The HTTP API of a real server, with real containers, beside a Python client."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cbor2
import httpx
import pytest

from tests.e2e.conftest import wait_until
from tests.e2e.standing import PATIENCE, StandingServer, standing_server

PROGRAM = "from tests.e2e.programs.http_shop import app; app.deploy()"
FUNCTIONS = "/v1/apps/http-shop/functions"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandingServer]:
    with standing_server(tmp_path_factory.mktemp("api") / "home") as server:
        subprocess.run([sys.executable, "-c", PROGRAM], env=server.client_env, check=True, timeout=PATIENCE)
        yield server


@pytest.fixture
def http(server: StandingServer) -> Iterator[httpx.Client]:
    transport = httpx.HTTPTransport(uds=str(server.home / "server" / "socket"))
    with httpx.Client(transport=transport, base_url="http://localhost", timeout=PATIENCE) as client:
        yield client


def python(server: StandingServer, code: str) -> str:
    beginning = "import motet; f = lambda name: motet.Function.from_name('http-shop', name)\n"
    command = [sys.executable, "-c", beginning + code]
    return subprocess.run(
        command, env=server.client_env, check=True, timeout=PATIENCE, capture_output=True, text=True
    ).stdout.strip()


def test_plain_values_become_what_annotations_say(http: httpx.Client) -> None:
    order = {"item": "pen", "at": "2026-01-02T03:04:05Z"}
    answer = http.post(f"{FUNCTIONS}/describe/call", json={"args": [{**order, "data": "AAE="}]})
    assert answer.json() == {"type": "Order", "year": 2026, "data": "AAE="}
    body = cbor2.dumps({"kwargs": {"order": {**order, "data": b"\0\1"}}})
    answer = http.post(f"{FUNCTIONS}/describe/call", content=body, headers={"content-type": "application/cbor"})
    assert cbor2.loads(answer.content) == {"type": "Order", "year": 2026, "data": b"\0\1"}
    wrong = http.post(f"{FUNCTIONS}/describe/call", json={"args": [{"item": "pen"}]})
    assert (wrong.status_code, wrong.json()["detail"]) == (
        422,
        "describe() argument 'order': Object missing required field `at`",
    )


def test_a_method_of_a_class_with_parameters(http: httpx.Client) -> None:
    answer = http.post(f"{FUNCTIONS}/Scale.times/call", params={"parameters": '{"factor": 3}'}, json={"args": [2]})
    assert answer.json() == 6.0


def test_python_and_others_have_each_others_calls(server: StandingServer, http: httpx.Client) -> None:
    call_id = http.post(f"{FUNCTIONS}/pair/spawn", json={"args": [1]}).json()["call_id"]
    assert python(server, f"print(motet.FunctionCall.from_id({call_id!r}).get())") == "[1, 2]"
    call_id = python(server, "print(f('pair').with_result_encoding('json').spawn(1).object_id)")
    assert http.get(f"/v1/calls/{call_id}/result?wait=30").json() == [1, 2]
    call_id = python(server, "print(f('pair').spawn(1).object_id)")
    answer = http.get(f"/v1/calls/{call_id}/result?wait=30")
    assert (answer.status_code, "with_result_encoding" in answer.json()["detail"]) == (406, True)


def test_a_stream_is_read_at_the_clients_pace(http: httpx.Client) -> None:
    with http.stream("POST", f"{FUNCTIONS}/lines/stream", json={"args": [1000]}) as answer:
        found = [line for line in answer.iter_lines() if line.startswith("data: ")]
    assert (len(found), found[0], found[-1]) == (1001, 'data: {"number":0}', 'data: {"items":1000}')


@pytest.mark.parametrize("way", ["call", "stream of lines"])
def test_a_client_that_goes_away(way: str, server: StandingServer, tmp_path: Path) -> None:
    """Cancels its call; but not if it only reads what another call writes."""
    began, ended = str(tmp_path / "began"), str(tmp_path / "ended")

    async def main() -> None:
        transport = httpx.AsyncHTTPTransport(uds=str(server.home / "server" / "socket"))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=PATIENCE) as http:
            body = {"kwargs": {"began": began, "ended": ended}}
            if way == "call":
                asked = asyncio.create_task(http.post(f"{FUNCTIONS}/linger/call", json=body))
                await _exists(began)
                asked.cancel()
                await asyncio.wait([asked])
            else:
                call_id = (await http.post(f"{FUNCTIONS}/linger/spawn", json=body)).json()["call_id"]
                async with http.stream("GET", f"/v1/calls/{call_id}/logs?follow=true") as lines:
                    async for line in lines.aiter_lines():
                        if '"text":"began"' in line:
                            break
                assert (await http.get(f"/v1/calls/{call_id}")).json()["state"] == "pending"
                assert (await http.post(f"/v1/calls/{call_id}/cancel")).status_code == 202
            await _exists(ended)

    asyncio.run(main())


def test_lines_of_a_call_are_followed_to_their_end(http: httpx.Client) -> None:
    order = {"item": "ink", "at": "2026-01-02T03:04:05Z"}
    call_id = http.post(f"{FUNCTIONS}/describe/spawn", json={"args": [order]}).json()["call_id"]
    events: list[Any] = []
    with http.stream("GET", f"/v1/calls/{call_id}/logs?follow=true") as answer:
        events = [line for line in answer.iter_lines() if line.startswith(("event", "data"))]
    assert '"text":"describing ink"' in events[1]
    assert events[-2:] == ["event: end", "data: {}"]


async def _exists(path: str) -> None:
    await asyncio.to_thread(wait_until, Path(path).exists)
