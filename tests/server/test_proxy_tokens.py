"""Tokens that web functions with `requires_proxy_auth` ask for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from motet.errors import InvalidError
from motet.server.http.proxy_tokens import ProxyTokens

from .virtual_loop import run_virtually
from .web_stage import WebApp, web_function, web_stage

TOKENS = ProxyTokens.parse(["ada:first", "bob:se:cond"], "here")
APP = WebApp(web_function("f", requires_proxy_auth=True), web_function("open"))


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"motet-key": "ada", "motet-secret": "first"}, None),
        ({"modal-key": "bob", "modal-secret": "se:cond"}, None),
        ({"motet-key": "ada", "motet-secret": "se:cond"}, "not valid"),
        ({"motet-key": "eve", "motet-secret": "first"}, "not valid"),
        ({"motet-key": "eve", "motet-secret": "-" * 32}, "not valid"),
        ({"motet-key": "ada", "motet-secret": ""}, "not valid"),
        ({"motet-key": "ada"}, "needs a proxy token"),
        ({"motet-key": "ada", "modal-secret": "first"}, "needs a proxy token"),
        ({"authorization": "Bearer first"}, "needs a proxy token"),
        ({}, "needs a proxy token"),
    ],
)
def test_request_is_let_in_with_a_token(headers: dict[str, str], reason: str | None) -> None:
    admitted = TOKENS.admit([(name.encode(), value.encode()) for name, value in headers.items()])
    if reason is None:
        assert admitted == tuple(it.encode() for it in next(iter(headers.items())))
    else:
        assert isinstance(admitted, str)
        assert reason in admitted


@pytest.mark.parametrize("texts", [["ada"], ["ada:"], [":first"], ["ada:first", "ada:second"]])
def test_malformed_tokens_are_reported_without_a_secret(texts: list[str]) -> None:
    with pytest.raises(InvalidError, match=r"^here: ") as error:
        ProxyTokens.parse(texts, "here")
    assert "first" not in str(error.value)
    assert "second" not in str(error.value)


def test_empty_lines_and_comments_are_passed_over() -> None:
    assert not ProxyTokens.parse(["", "  ", "# nothing: here"], "here")
    assert ProxyTokens.parse([" ada:first \n", "ada:first"], "here").secrets == {b"ada": b"first"}


def test_secrets_are_not_shown() -> None:
    assert "first" not in repr(TOKENS)


def test_request_without_a_token_is_401_and_no_input_before_its_body_is_read() -> None:
    async def run() -> None:
        async with web_stage(APP, proxy_tokens=TOKENS) as stage:
            browser = await stage.answered(stage.ask(method="POST", messages=[]))
            assert browser.status == 401
            assert b"Motet-Key and Motet-Secret" in browser.body
            assert "www-authenticate" in browser.headers
            assert stage.engine.received == []

    run_virtually(run())


TOKEN = [("motet-key", "ada"), ("motet-secret", "first")]


@pytest.mark.parametrize(
    "more",
    [
        [],
        [("motet-key", "bob")],
        [("modal-key", "bob")],
        [("modal-secret", "se:cond")],
        [("motet_key", "bob"), ("motet_secret", "x"), ("modal_key", "bob"), ("motet-key_", "bob")],
    ],
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_app_is_told_the_key_that_was_checked_and_no_other_and_no_secret(
    kind: str, more: list[tuple[str, str]]
) -> None:
    async def run() -> None:
        async with web_stage(APP, proxy_tokens=TOKENS) as stage:
            stage.ask(kind=kind, headers=[*more, *TOKEN])
            await asyncio.sleep(1)
            told = [it for it in stage.engine.head().headers if b"key" in it[0] or b"secret" in it[0]]
            assert told == [(b"motet-key", b"ada")]

    run_virtually(run())


def test_function_that_needs_no_token_is_told_of_none() -> None:
    async def run() -> None:
        async with web_stage(APP, proxy_tokens=TOKENS) as stage:
            stage.ask("/app-open", headers=[*TOKEN, ("modal-key", "ada"), ("api-key", "mine")])
            await asyncio.sleep(1)
            told = [it for it in stage.engine.head().headers if b"key" in it[0] or b"secret" in it[0]]
            assert told == [(b"api-key", b"mine")]

    run_virtually(run())


@pytest.mark.parametrize("extensions", [{}, {"websocket.http.response": {}}])
def test_websocket_without_a_token_is_refused_before_it_opens(extensions: dict[str, Any]) -> None:
    async def run() -> None:
        async with web_stage(APP, proxy_tokens=TOKENS) as stage:
            how = {"kind": "websocket", "messages": [{"type": "websocket.connect"}], "extensions": extensions}
            browser = await stage.answered(stage.ask(**how))
            assert [it["type"] for it in browser.sent if it["type"] == "websocket.accept"] == []
            assert browser.status == (401 if extensions else None)
            assert browser.sent[-1]["type"] == ("websocket.http.response.body" if extensions else "websocket.close")
            assert stage.engine.received == []

    run_virtually(run())


def test_response_that_takes_long_is_fetched_with_a_token_too() -> None:
    async def run() -> None:
        async with web_stage(APP, proxy_tokens=TOKENS) as stage:
            token = {"motet-key": "ada", "motet-secret": "first"}
            where = "/app-f" + (await stage.answered(stage.ask(headers=token))).headers["location"]
            stage.engine.answer(stage.engine.submitted[0].call_id)
            assert (await stage.answered(stage.ask(where))).status == 401
            assert (await stage.answered(stage.ask(where, headers=token))).body == b"answer"

    run_virtually(run())


def test_app_that_needs_tokens_does_not_start_where_there_are_none() -> None:
    async def run() -> None:
        async with web_stage(WebApp(web_function("open"))) as stage:
            with pytest.raises(InvalidError, match=r"f has `requires_proxy_auth=True`.* MOTET_PROXY_TOKENS=KEY:SECRET"):
                stage.ingress.open(APP)

    run_virtually(run())
