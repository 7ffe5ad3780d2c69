"""A web app from its startup to its shutdown, and errors that are its clients' doing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from motet.errors import ExecutionError
from motet.runtime.web.app import WebApp
from motet.runtime.web.client_left import ClientLeft, is_about_client


def lived(app: Any) -> None:
    async def run() -> None:
        web = WebApp(app)
        await web.start(1)
        await web.stop()

    asyncio.run(run())


async def _knows_none(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "http"


async def _returns(scope: Any, receive: Any, send: Any) -> None:
    return


async def _raises(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    raise ValueError("no database")


async def _raises_late(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    raise ValueError("no database")


async def _fails(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})


@pytest.mark.parametrize("app", [_knows_none, _returns])
def test_app_without_a_lifespan_has_nothing_to_say(app: Any, capsys: pytest.CaptureFixture[str]) -> None:
    lived(app)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("app", "when"), [(_raises, "its requests are served all the same"), (_raises_late, "it was shutting down")]
)
def test_error_of_a_lifespan_is_told_with_the_app_s_own_lines(
    app: Any, when: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lived(app)
    said = capsys.readouterr().err
    assert said.startswith(f"the app raised in its lifespan ({when}):\nTraceback")
    assert said.endswith("ValueError: no database\n")
    assert "motet/runtime" not in said


def test_app_that_says_that_it_failed_does_not_serve() -> None:
    with pytest.raises(ExecutionError, match="no database"):
        lived(_fails)


class WebSocketDisconnect(Exception):
    """As frameworks name it."""


def _chained(first: Exception, second: Exception) -> Exception:
    try:
        try:
            raise first
        except Exception:
            raise second  # noqa: B904 - as frameworks do
    except Exception as error:
        return error


def _of_starlette() -> Exception:
    from starlette.websockets import WebSocket, WebSocketState

    socket = WebSocket({"type": "websocket"}, None, None)  # type: ignore[arg-type]
    socket.client_state = WebSocketState.DISCONNECTED
    try:
        asyncio.run(socket.receive())
    except RuntimeError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(
    ("error", "before", "after"),
    [
        (ClientLeft(), True, True),
        (_chained(ClientLeft(), ValueError()), True, True),
        (ExceptionGroup("", [ClientLeft()]), True, True),
        (ExceptionGroup("", [ClientLeft(), ValueError()]), False, False),
        (WebSocketDisconnect(), False, True),
        (_chained(WebSocketDisconnect(), RuntimeError()), False, True),
        (ExceptionGroup("", [ExceptionGroup("", [WebSocketDisconnect()])]), False, True),
        (_of_starlette(), False, True),
        (ValueError(), False, False),
        (_chained(ValueError(), KeyError()), False, False),
    ],
)
def test_error_is_the_client_s_doing_when_it_says_so_and_the_app_knew(
    error: Exception, before: bool, after: bool
) -> None:
    assert (is_about_client(error), is_about_client(error, told=True)) == (before, after)
