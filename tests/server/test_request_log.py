"""The log of a server that stays, as JSON lines, with an id for each request."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from motet.errors import InvalidError, NotFoundError, PermissionDeniedError
from motet.server.access.audit import SessionAudit, Somebody
from motet.server.log_format import JsonLines, wants_json
from motet.server.request_log import LoggedApp, LoggedAudit, current_request, logged, logger, session_audit
from motet.wire import report
from motet.wire.access_messages import RevokeToken
from motet.wire.client_messages import Done, Request, RequestFailed, StopApp
from motet.wire.operator_messages import ViewServer

ADA = Somebody("ada", "p-1", "socket")


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    """What is logged, as it is written."""
    found: list[dict[str, Any]] = []

    class Taking(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(json.loads(JsonLines().format(record)))

    handler, root = Taking(), logging.getLogger("motet.server")
    root.addHandler(handler)
    logger.setLevel(logging.INFO)
    token = current_request.set("")
    yield found
    current_request.reset(token)
    logger.setLevel(logging.NOTSET)
    root.removeHandler(handler)


def failed(error: Exception) -> RequestFailed:
    return RequestFailed(report.of(error))


def test_a_request_that_changes_something_is_told_with_who_and_how_long(lines: list[dict[str, Any]]) -> None:
    audit = session_audit(None, ADA, 7)
    audit.asked(Request(3, StopApp("ap-1")))
    audit.answered(3, Done())
    (line,) = lines
    assert line.pop("seconds") >= 0
    assert line.pop("at").endswith("+00:00")
    assert line == {
        "level": "info",
        "logger": "motet.server.requests",
        "message": "stop_app: done",
        "request_id": "7-3",
        "what": "stop_app",
        "outcome": "done",
        "who": "ada",
        "where": "socket",
    }


def test_looking_is_told_when_it_fails_alone(lines: list[dict[str, Any]]) -> None:
    audit = LoggedAudit(None, ADA, 7)
    for number, body in enumerate((Done(), failed(NotFoundError("no app ap-1")))):
        audit.asked(Request(number, ViewServer()))
        audit.answered(number, body)
    assert [(it["request_id"], it["outcome"], it["why"]) for it in lines] == [
        ("7-1", "failed", "NotFoundError: no app ap-1")
    ]


def test_what_is_refused_is_told(lines: list[dict[str, Any]]) -> None:
    audit = LoggedAudit(None, ADA, 7)
    audit.denied(RevokeToken, "it needs a right")
    audit.asked(Request(1, RevokeToken("bob")))
    audit.answered(1, failed(PermissionDeniedError("not you")))
    assert [(it["outcome"], it["why"]) for it in lines] == [
        ("refused", "it needs a right"),
        ("refused", "PermissionDeniedError: not you"),
    ]


def test_what_is_logged_while_a_request_is_answered_has_its_id(lines: list[dict[str, Any]]) -> None:
    LoggedAudit(None, ADA, 7).asked(Request(5, ViewServer()))
    logging.getLogger("motet.server").warning("the disk is %s", "full")
    assert (lines[0]["message"], lines[0]["request_id"]) == ("the disk is full", "7-5")


def test_a_traceback_stays_on_the_line(lines: list[dict[str, Any]]) -> None:
    try:
        raise ValueError("no")
    except ValueError:
        logging.getLogger("motet.server").exception("that went wrong")
    assert lines[0]["traceback"].endswith("ValueError: no")
    assert "request_id" not in lines[0]


def answered(app: Any, headers: list[tuple[bytes, bytes]] | None = None) -> list[Any]:
    """What an app sends for a request."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/a", "query_string": b"token=s3cret", "headers": headers or []}
    asyncio.run(app({**scope, "client": ("10.0.0.1", 5)}, None, send))
    return sent


async def hello(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": [(b"X-Request-Id", b"mine")]})
    await send({"type": "http.response.body", "body": current_request.get().encode()})


@pytest.mark.parametrize(
    ("came", "kept"), [(b"abc-1", True), (b"", False), (b'"><script>', False), (b"x" * 129, False)]
)
def test_a_request_of_http_keeps_its_id_or_gets_one(lines: list[dict[str, Any]], came: bytes, kept: bool) -> None:
    start, body = answered(LoggedApp(hello, "web functions"), [(b"x-request-id", came)])
    (line,) = lines
    given = line["request_id"].encode()
    assert (given == came) is kept
    assert start["headers"] == [(b"x-request-id", given)]
    assert body["body"] == given
    assert (line["message"], line["status"], line["client"]) == ("GET /a: 204", 204, "10.0.0.1")
    assert "s3cret" not in json.dumps(line)


def test_nothing_is_done_where_nobody_wants_it() -> None:
    assert logged(hello, "web functions") is hello
    assert type(session_audit(None, ADA, 7)) is SessionAudit


def test_another_format_is_refused() -> None:
    assert (wants_json({}), wants_json({"MOTET_LOG_FORMAT": "json"})) == (False, True)
    with pytest.raises(InvalidError, match="MOTET_LOG_FORMAT must be 'text' or 'json'; it is 'xml'"):
        wants_json({"MOTET_LOG_FORMAT": "xml"})
