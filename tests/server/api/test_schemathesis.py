"""Requests made from the OpenAPI document, right ones and wrong ones: the answers are what it says, and none is a crash.

MOTET_API_EXAMPLES says how many for each operation; the nightly checks have more than the suite.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import cbor2
import pytest
import schemathesis
from hypothesis import HealthCheck, assume, settings
from schemathesis.checks import CheckContext
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from motet.server.api.openapi import document
from motet.wire import payload
from motet.wire.encoding import wanted_by
from tests.server.api.asking import Web, deploy, finish, generator, send_items, web
from tests.server.stage import Container, function

EXAMPLES = int(os.environ.get("MOTET_API_EXAMPLES", "6"))
EXPECTED = ("timed-out", "exhausted")
KNOWS_QUERY = tuple(int(part) for part in version("httptools").split(".")[:2]) >= (0, 9)


@schemathesis.serializer("application/cbor")
def in_cbor(_: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else cbor2.dumps(value)


schema = schemathesis.openapi.from_dict(document())


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Where a server listens whose containers answer at once."""
    started, told = threading.Event(), list[Any]()

    async def main() -> None:
        ending = asyncio.Event()
        async with web(listen="tcp") as asks, asyncio.TaskGroup() as tasks:
            await deploy(asks.on, function("f"), generator("g"))
            serving = tasks.create_task(_serve(asks))
            told.extend((asks.on.server.address.removeprefix("tcp:"), asyncio.get_running_loop(), ending))
            started.set()
            await ending.wait()
            serving.cancel()

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    assert started.wait(10)
    yield f"http://{told[0]}"
    told[1].call_soon_threadsafe(told[2].set)
    thread.join()


async def _serve(asks: Web) -> None:
    async with asyncio.TaskGroup() as tasks:
        number = 0
        while True:
            while len(asks.on.backend.launches) <= number:  # noqa: ASYNC110 - a fake backend tells nobody
                await asyncio.sleep(0.005)
            container = await asks.on.container(number)
            tasks.create_task(_answer(container))
            number += 1


async def _answer(container: Container) -> None:
    while True:
        try:
            attempts = await container.deliveries()
        except TimeoutError:
            continue
        for attempt in attempts:
            result = payload.dumps_in(wanted_by(attempt.payload), 1, "it")
            if container.configure.spec.name == "g":
                send_items(container, attempt, result)
            finish(container, [attempt], result)


def no_crash(_: CheckContext, response: Any, case: Any) -> None:
    """No answer is a bug, or a stranger."""
    if response.status_code >= 400:
        problem = response.json()
        assert problem["status"] == response.status_code
        slug = problem["type"].removeprefix("urn:motet:problem:")
        assert response.status_code < 500 or slug in EXPECTED, problem


@schema.parametrize()
@settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None
)
def test_answers_are_as_the_document_says(case: Any, url: str) -> None:
    if "function" in case.path_parameters:  # else hardly any would be there
        case.path_parameters |= {"app": "shop", "function": "g" if case.operation.path.endswith("stream") else "f"}
    case.query = {**(case.query or {})}
    if "wait" in case.query:
        case.query["wait"] = "0"
    case.query.pop("follow", None)  # would go on for as long as the app
    headers = {"Authorization": "Bearer all"}
    # Parsers of HTTP that are older than the method refuse it themselves, in plain text.
    assume(case.method.upper() != "QUERY" or KNOWS_QUERY)
    checks = [no_crash, status_code_conformance, content_type_conformance, response_schema_conformance]
    case.call_and_validate(base_url=url, headers=headers, checks=checks, timeout=20)
