"""What the ingress answers by itself."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from motet.errors import ResourceExhaustedError, ServiceError
from motet.model.function import AppSpec, FunctionSpec, MethodSpec, SerializedDefinition
from motet.model.outcome import InputEnd, OutcomeKind
from motet.model.web import WebSpec
from motet.server.http.answers import answer_for
from motet.server.http.config import WebConfig
from motet.server.http.ingress import Ingress
from motet.wire import report
from motet.wire.web import BodyPiece, ResponseStart

from .virtual_loop import run_virtually
from .web_stage import WebApp, web_function, web_stage

SPEC = FunctionSpec(
    name="f",
    app_name="app",
    definition=SerializedDefinition(pickled=b"", qualname="f"),
    methods=(MethodSpec(is_async=True, is_generator=True, web=WebSpec(kind="asgi")),),
)


class App:
    """One web function, "f"."""

    app_id = "ap-1"
    spec = AppSpec(name="app", functions=(SPEC,))
    declared = {"fu-f": SPEC}  # noqa: RUF012


class Session:
    """Takes messages, and nothing comes of it."""

    def __init__(self) -> None:
        self.received: list[Any] = []

    def receive(self, messages: Any) -> None:
        self.received += messages


def ask(refusal: ResourceExhaustedError | None, path: str) -> tuple[httpx.Response, Session]:
    """The answer to a request, and what became of it."""
    session: Any = Session()

    async def run() -> httpx.Response:
        ingress = Ingress(
            WebConfig(), lambda peer: session, lambda function_id, variant: function_id, lambda _: refusal
        )
        ((_, _, url),) = ingress.open(App())
        try:
            async with httpx.AsyncClient(timeout=30) as client:
                return await client.get(url + path)
        finally:
            await ingress.stop()

    return asyncio.run(run()), session


def test_request_beyond_the_limit_of_those_that_wait_is_asked_to_come_back() -> None:
    answer, session = ask(ResourceExhaustedError("the queue is full", 2.3), "/")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "3"
    assert answer.text == "the queue is full\n"
    assert session.received == []


def test_request_beyond_a_limit_of_its_app_is_too_many() -> None:
    answer, session = ask(ResourceExhaustedError("it may have 3", 2.3, "inputs"), "/")
    assert (answer.status_code, answer.headers["retry-after"], answer.text) == (429, "3", "it may have 3\n")
    assert session.received == []


def test_requests_of_an_app_at_once_are_so_many_at_most() -> None:
    async def run() -> tuple[int | None, int | None, int | None]:
        async with web_stage(most=1) as stage:
            first = stage.ask()
            await asyncio.sleep(1)
            second = await stage.answered(stage.ask())
            stage.engine.answer(stage.engine.submitted[0].call_id)
            await stage.answered(first)
            third = stage.ask()
            await asyncio.sleep(1)
            stage.engine.answer(stage.engine.submitted[1].call_id)
            return first.status, second.status, (await stage.answered(third)).status

    assert run_virtually(run()) == (200, 429, 200)


def test_request_for_nobody_is_not_found() -> None:
    async def run() -> int | None:
        async with web_stage() as stage:
            return (await stage.answered(stage.ask("/nobody"))).status

    assert run_virtually(run()) == 404


def test_port_that_is_taken_is_reported() -> None:
    async def run() -> None:
        first = Ingress(WebConfig(), lambda peer: Session(), lambda f, v: f, lambda _: None)  # type: ignore[arg-type, return-value]
        ((_, _, url),) = first.open(App())
        port = int(url.rpartition(":")[2])
        second = Ingress(WebConfig(port=port), lambda peer: Session(), lambda f, v: f, lambda _: None)  # type: ignore[arg-type, return-value]
        with pytest.raises(ServiceError, match="Set MOTET_WEB_PORT to a free port"):
            second.open(App())
        await first.stop()
        await second.stop()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("method", "again", "at_most_once"),
    [
        ("GET", False, False),
        ("PUT", False, False),
        ("DELETE", False, False),
        ("POST", False, True),
        ("PATCH", False, True),
        ("BREW", False, True),
        ("POST", True, False),
    ],
)
def test_request_that_is_not_idempotent_is_sent_to_an_app_once_unless_its_function_says_otherwise(
    method: str, again: bool, at_most_once: bool
) -> None:
    async def run() -> bool:
        async with web_stage(WebApp(web_function("f", redeliver_non_idempotent=again))) as stage:
            stage.ask(method=method)
            await asyncio.sleep(1)
            return stage.engine.submitted[0].at_most_once

    assert run_virtually(run()) is at_most_once


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (OutcomeKind.FAILURE, 503),
        (OutcomeKind.CANCELLED, 503),
        (OutcomeKind.REFUSED, 503),
        (OutcomeKind.LOST, 502),
        (OutcomeKind.TIMED_OUT, 504),
        (OutcomeKind.SUCCESS, 500),
    ],
)
def test_input_that_ended_without_an_answer_has_a_status(kind: OutcomeKind, status: int) -> None:
    payload = report.of(ValueError("away"))
    answer = answer_for(InputEnd(0, kind, payload))
    assert answer.status == status
    assert ("ValueError: away" in answer.text) is (kind is not OutcomeKind.SUCCESS)


@pytest.mark.parametrize(
    ("method", "headers", "left"),
    [
        ("GET", [(b"content-length", b"4")], []),
        ("HEAD", [(b"content-length", b"100")], []),
        ("GET", [(b"content-length", b"5")], ["cut off"]),
        ("GET", [], ["cut off"]),
    ],
)
def test_who_leaves_with_all_of_the_response_cancels_nothing(
    method: str, headers: list[tuple[bytes, bytes]], left: list[str]
) -> None:
    async def scene() -> tuple[int, list[Any]]:
        async with web_stage() as stage:
            browser = stage.ask(method=method)
            await asyncio.sleep(1)
            call = stage.engine.submitted[0].call_id
            stage.engine.send(call, ResponseStart(200, headers, 100.0), BodyPiece(b"data", True))
            await asyncio.sleep(1)
            browser.say({"type": "http.disconnect"})
            await asyncio.sleep(1)
            stage.engine.send(call, BodyPiece(b"", False))
            stage.engine.end(call)
            await stage.answered(browser)
            return len(stage.engine.cancelled), stage.engine.fed

    cancelled, told = run_virtually(scene())
    assert cancelled == len(told) == len(left)
