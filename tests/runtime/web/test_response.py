"""What an app sends for a request, checked."""

from __future__ import annotations

from typing import Any

import pytest

from motet.runtime.web.response import Response
from motet.wire.web import Accepted, Binary, BodyPiece, Closed, ResponseStart, Text

OWN = [(b"motet-input-id", b"in-1")]
START = {"type": "http.response.start", "status": 200}
BODY = {"type": "http.response.body", "body": b"x"}
ACCEPT = {"type": "websocket.accept"}
CLOSE = {"type": "websocket.close"}


def taken(*messages: dict[str, Any], websocket: bool = False, method: str = "GET") -> list[Any]:
    response = Response(websocket, method, OWN)
    return [response.take(message, 1.5) for message in messages]


def with_headers(*headers: Any, status: Any = 200) -> dict[str, Any]:
    return {**START, "status": status, "headers": headers}


def test_head_has_our_headers_after_the_app_s() -> None:
    start = with_headers((b"X-A", b"1"), (bytearray(b"x-b"), b""))
    assert taken(start) == [ResponseStart(200, [(b"X-A", b"1"), (b"x-b", b""), *OWN], 1.5)]


@pytest.mark.parametrize("data", [b"x", bytearray(b"x"), memoryview(b"x")])
def test_body_is_any_kind_of_bytes(data: Any) -> None:
    assert taken(START, {**BODY, "body": data})[1] == BodyPiece(b"x", False)


def test_messages_of_a_websocket_become_frames() -> None:
    sends = [{"type": "websocket.send", **it} for it in ({"text": "é"}, {"bytes": b"x"}, {"text": None, "bytes": b""})]
    closed = {**CLOSE, "code": 4000, "reason": "enough"}
    accepted = Accepted(None, OWN, 1.5)
    frames = [accepted, Text("é"), Binary(b"x"), Binary(b""), Closed(4000, "enough")]
    assert taken(ACCEPT, *sends, closed, websocket=True) == frames


def test_code_of_a_refusal_does_not_matter() -> None:
    assert taken({**CLOSE, "code": 403}, websocket=True) == [Closed(1000, "")]


@pytest.mark.parametrize(
    ("messages", "websocket", "said"),
    [
        ([BODY], False, "'http.response.body' before it started a response: it may send 'http.response.start'"),
        ([START, START], False, "'http.response.start' while its response has a body to come"),
        ([START, BODY, BODY], False, "'http.response.body' after its response was complete: nothing may follow"),
        ([CLOSE], False, "'websocket.close' before"),
        ([START], True, "it may send 'websocket.accept' or 'websocket.close' or 'websocket.http.response.start'"),
        ([ACCEPT, ACCEPT], True, "'websocket.accept' while its WebSocket is open"),
        ([ACCEPT, CLOSE, CLOSE], True, "'websocket.close' after"),
        (
            [with_headers((b"content-length", b"0")), BODY],
            False,
            "longer than its Content-Length: 0 bytes were due, not 1",
        ),
        (
            [with_headers((b"content-length", b"3")), BODY],
            False,
            "shorter than its Content-Length: 2 bytes are missing",
        ),
        ([with_headers(status=304), BODY], False, "longer than its Content-Length"),
    ],
)
def test_order_and_length_are_checked(messages: list[dict[str, Any]], websocket: bool, said: str) -> None:
    with pytest.raises(RuntimeError) as raised:
        taken(*messages, websocket=websocket)
    assert said in str(raised.value)


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 304)])
def test_length_of_a_body_that_is_not_sent_is_the_app_s_business(method: str, status: int) -> None:
    start = with_headers((b"content-length", b"9"), status=status)
    assert taken(start, {**BODY, "body": b""}, method=method) == [
        ResponseStart(status, [(b"content-length", b"9"), *OWN], 1.5),
        BodyPiece(b"", False),
    ]


def test_response_204_goes_without_a_length_as_http_wants_it() -> None:
    start = with_headers((b"content-length", b"9"), status=204)
    assert taken(start, {**BODY, "body": b""}) == [ResponseStart(204, OWN, 1.5), BodyPiece(b"", False)]


def test_server_says_itself_how_a_body_is_framed_and_who_answered() -> None:
    start = with_headers((b"Transfer-Encoding", b"chunked"), (b"Motet-Input-Id", b"in-mine"), (b"x-a", b"1"))
    assert taken(start, BODY) == [ResponseStart(200, [(b"x-a", b"1"), *OWN], 1.5), BodyPiece(b"x", False)]


def test_denied_websocket_has_a_body_of_the_length_that_it_tells() -> None:
    denied = {**with_headers((b"content-length", b"5"), status=403), "type": "websocket.http.response.start"}
    with pytest.raises(RuntimeError, match="4 bytes are missing"):
        taken(denied, {**BODY, "type": "websocket.http.response.body"}, websocket=True)


@pytest.mark.parametrize("subprotocol", ["x\r\nset-cookie: a=1", "a b", "a,b", ""])
def test_subprotocol_is_a_word(subprotocol: str) -> None:
    with pytest.raises(ValueError, match="the subprotocol"):
        taken({**ACCEPT, "subprotocol": subprotocol}, websocket=True)


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (with_headers(status="200"), ValueError),
        (with_headers(status=True), ValueError),
        (with_headers(status=600), ValueError),
        (with_headers(status=100), ValueError),
        (with_headers(status=101), ValueError),
        (with_headers(status=103), ValueError),
        (with_headers((b"content-length", b"1"), (b"Content-Length", b"1")), ValueError),
        (with_headers((b"content-length", b"1"), (b"content-length", b"2")), ValueError),
        (with_headers((b"content-length", b"1"), (b"transfer-encoding", b"chunked")), ValueError),
        (with_headers((b"content-length", b"1, 1")), ValueError),
        (with_headers((b"transfer-encoding", b"gzip, chunked")), ValueError),
        (with_headers(("x-a", "1")), TypeError),
        (with_headers((b"x-a", 5)), TypeError),
        (with_headers((b"x a", b"1")), ValueError),
        (with_headers((b"", b"1")), ValueError),
        (with_headers((b"x-a", b"1\r\nx-b: 2")), ValueError),
        (with_headers((b"content-length", b"-1")), ValueError),
    ],
)
def test_what_is_refused_leaves_the_response_unstarted(message: dict[str, Any], error: type[Exception]) -> None:
    response = Response(False, "GET", OWN)
    with pytest.raises(error):
        response.take(message, 0.0)
    assert not response.started
    assert response.take(START, 0.0) == ResponseStart(200, OWN, 0.0)
