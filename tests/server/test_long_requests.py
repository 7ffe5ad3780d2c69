"""Requests whose response takes long: they are sent elsewhere for it, and come back."""

from __future__ import annotations

import asyncio

import pytest

from motet.model.outcome import OutcomeKind
from motet.server.http.parked import MAX_PARKED
from motet.wire.web import BodyPiece, ResponseStart

from .virtual_loop import run_virtually
from .web_stage import Browser, WebApp, WebStage, web_function, web_stage

LIMIT, KEEP = 150, 300


async def redirected(stage: WebStage, path: str = "/app-f", **how: object) -> tuple[Browser, str, str]:
    """A request that has waited for as long as it may; where it is sent, and its call."""
    browser = await stage.answered(stage.ask(path, **how))
    assert browser.status == 303
    where = browser.headers["location"]
    assert where.startswith("?__motet_call_id=fc-")
    return browser, path.partition("?")[0] + where, where.partition("=")[2]


def test_request_without_a_response_is_sent_elsewhere_for_it_after_150_s() -> None:
    async def run() -> None:
        async with web_stage() as stage:
            began = asyncio.get_running_loop().time()
            browser, _, call = await redirected(stage)
            assert asyncio.get_running_loop().time() - began == pytest.approx(LIMIT, abs=0.2)
            assert browser.headers["motet-input-id"] == f"in-{call[3:]}-0"
            assert browser.headers["cache-control"] == "no-store"
            assert stage.engine.cancelled == []
            assert len(stage.engine.submitted) == 1

    run_virtually(run())


def test_client_that_comes_back_waits_for_the_response_which_is_given_out_once() -> None:
    async def run() -> None:
        async with web_stage() as stage:
            _, where, call = await redirected(stage)
            second = await stage.answered(stage.ask(where))
            assert second.status == 303
            assert second.headers["location"] == f"?__motet_call_id={call}"
            third = stage.ask(where)
            await asyncio.sleep(LIMIT - 1)
            assert stage.engine.fed == []
            stage.engine.answer(call)
            assert ((await stage.answered(third)).status, third.body) == (200, b"answer")
            assert third.headers["motet-cold-start"] == "true"
            fourth = await stage.answered(stage.ask(where))
            assert fourth.status == 404
            assert b"it has been fetched" in fourth.body
            assert len(stage.engine.submitted) == 1

    run_virtually(run())


def test_response_that_came_meanwhile_is_there_at_once() -> None:
    async def run() -> None:
        async with web_stage() as stage:
            _, where, call = await redirected(stage)
            stage.engine.answer(call)
            await asyncio.sleep(KEEP - 1)
            assert (await stage.answered(stage.ask(where))).body == b"answer"

    run_virtually(run())


def test_response_that_has_begun_is_not_cut() -> None:
    async def run() -> None:
        async with web_stage() as stage:
            browser = stage.ask()
            await asyncio.sleep(1)
            call = stage.engine.submitted[0].call_id
            stage.engine.send(call, ResponseStart(200, [], 0.0), BodyPiece(b"first ", True))
            await asyncio.sleep(3 * LIMIT)
            stage.engine.send(call, BodyPiece(b"last", False))
            assert ((await stage.answered(browser)).status, browser.body) == (200, b"first last")

    run_virtually(run())


def test_time_counts_from_the_end_of_the_request() -> None:
    async def run() -> None:
        async with web_stage() as stage:
            piece = {"type": "http.request", "body": b"x", "more_body": True}
            browser = stage.ask(method="POST", messages=[piece])
            await asyncio.sleep(2 * LIMIT)
            browser.say({**piece, "more_body": False})
            await asyncio.sleep(LIMIT - 1)
            assert browser.status is None
            assert (await stage.answered(browser)).status == 303

    run_virtually(run())


def test_function_that_ends_without_a_response_meanwhile_is_told_as_ever() -> None:
    async def run() -> None:
        async with web_stage() as stage:
            _, where, call = await redirected(stage)
            stage.engine.end(call, OutcomeKind.TIMED_OUT)
            assert (await stage.answered(stage.ask(where))).status == 504

    run_virtually(run())


def test_what_nobody_fetches_is_dropped_some_time_after_it_was_there() -> None:
    async def run() -> None:
        async with web_stage() as stage:
            _, where, call = await redirected(stage)
            await asyncio.sleep(5 * KEEP)  # it works on, as nobody can tell whether its client comes back
            assert stage.engine.cancelled == []
            stage.engine.send(call, ResponseStart(200, [], 0.0), BodyPiece(b"first ", True))
            await asyncio.sleep(KEEP + 1)
            assert stage.engine.cancelled == [call]
            answer = await stage.answered(stage.ask(where))
            assert answer.status == 404
            assert b"nobody came for it in 300 s" in answer.body

    run_virtually(run())


def test_client_that_comes_back_and_leaves_cancels() -> None:
    async def run() -> None:
        async with web_stage() as stage:
            _, where, call = await redirected(stage)
            second = stage.ask(where, messages=[])
            await asyncio.sleep(1)
            second.say({"type": "http.disconnect"})
            await asyncio.sleep(1)
            assert stage.engine.cancelled == [call]
            assert (await stage.answered(stage.ask(where))).status == 404

    run_virtually(run())


def test_response_is_fetched_at_the_url_of_its_function_and_by_one_request_at_a_time() -> None:
    async def run() -> None:
        async with web_stage(WebApp(web_function("f"), web_function("g"))) as stage:
            _, where, call = await redirected(stage)
            assert (await stage.answered(stage.ask(where.replace("app-f", "app-g")))).status == 404
            second = stage.ask(where)
            await asyncio.sleep(1)
            assert b"another request waits for it" in (await stage.answered(stage.ask(where))).body
            stage.engine.answer(call)
            assert (await stage.answered(second)).status == 200

    run_virtually(run())


def test_newer_version_of_an_app_hands_out_what_the_older_one_was_asked() -> None:
    async def run() -> None:
        async with web_stage(WebApp()) as stage:
            _, where, call = await redirected(stage)
            stage.ingress.open(WebApp(app_id="ap-2"))
            stage.ingress.close("ap-1")
            stage.engine.answer(call)
            assert (await stage.answered(stage.ask(where))).body == b"answer"

    run_virtually(run())


def test_head_is_followed_by_head() -> None:
    async def run() -> None:
        async with web_stage() as stage:
            _, where, call = await redirected(stage)
            wrong = await stage.answered(stage.ask(where, method="HEAD"))
            assert (wrong.status, wrong.headers["allow"]) == (405, "GET")
            stage.engine.answer(call)
            assert (await stage.answered(stage.ask(where))).status == 200
            _, where, call = await redirected(stage, method="HEAD")
            stage.engine.answer(call)
            assert (await stage.answered(stage.ask(where, method="HEAD"))).status == 200

    run_virtually(run())


def test_other_methods_go_to_the_app_whatever_the_query_says() -> None:
    async def run() -> None:
        async with web_stage() as stage:
            _, where, _ = await redirected(stage)
            stage.ask(where, method="OPTIONS")
            await asyncio.sleep(1)
            assert stage.engine.head().method == "OPTIONS"
            assert stage.engine.head().query_string.startswith(b"__motet_call_id=")

    run_virtually(run())


def test_page_of_another_origin_may_follow() -> None:
    async def run() -> None:
        async with web_stage() as stage:
            browser, _, _ = await redirected(stage, headers={"origin": "https://page.example"})
            assert browser.headers["access-control-allow-origin"] == "https://page.example"

    run_virtually(run())


def test_client_waits_on_when_too_many_responses_are_kept() -> None:
    async def run() -> None:
        async with web_stage() as stage:
            many = [stage.ask() for _ in range(MAX_PARKED)]
            await asyncio.gather(*(stage.answered(browser) for browser in many))
            last = stage.ask()
            await asyncio.sleep(3 * LIMIT)
            assert last.status is None
            stage.engine.answer(stage.engine.submitted[-1].call_id)
            assert (await stage.answered(last)).body == b"answer"

    run_virtually(run())


def test_request_whose_body_does_not_begin_is_408_and_no_input() -> None:
    async def run() -> None:
        async with web_stage() as stage:
            began = asyncio.get_running_loop().time()
            browser = await stage.answered(stage.ask(method="POST", headers={"content-length": "3"}, messages=[]))
            assert asyncio.get_running_loop().time() - began == pytest.approx(5, abs=0.2)
            assert browser.status == 408
            assert b"Missing request, possibly due to expiry or cancellation" in browser.body
            assert browser.headers["connection"] == "close"
            assert stage.engine.received == []

    run_virtually(run())
