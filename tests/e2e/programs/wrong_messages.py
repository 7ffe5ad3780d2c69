"""What apps send that they should not, and what comes of it."""

from __future__ import annotations

from typing import Any

START = {"type": "http.response.start", "status": 200, "headers": []}
BODY = {"type": "http.response.body", "body": b"x"}
MORE = {**BODY, "more_body": True}

WRONG: dict[str, tuple[list[dict[str, Any]], int | None]] = {
    # What the app sends, and the status that the client gets; None: the connection is cut.
    "nothing": ([], 500),
    "body-first": ([BODY], 500),
    "start-alone": ([START], None),
    "unfinished": ([START, MORE], None),
    "start-twice": ([START, START], None),
    "unknown": ([{"type": "http.response.sing"}], 500),
    "unknown-later": ([START, {"type": "http.response.sing"}], None),
    "websocket-accept": ([{"type": "websocket.accept"}], 500),
    "websocket-close": ([{"type": "websocket.close"}], 500),
    "websocket-send-later": ([START, {"type": "websocket.send", "text": "x"}], None),
    "denial": ([{"type": "websocket.http.response.start", "status": 200, "headers": []}, BODY], 500),
    "no-type": ([{"status": 200}], 500),
    "no-status": ([{"type": "http.response.start"}], 500),
    "status-text": ([{**START, "status": "200"}, BODY], 500),
    "status-low": ([{**START, "status": 99}, BODY], 500),
    "status-high": ([{**START, "status": 600}, BODY], 500),
    "status-interim": ([{**START, "status": 101}, BODY], 500),
    "two-lengths": ([{**START, "headers": [(b"content-length", b"1")] * 2}, BODY], 500),
    "length-and-coding": (
        [{**START, "headers": [(b"content-length", b"1"), (b"transfer-encoding", b"chunked")]}, BODY],
        500,
    ),
    "status-float": ([{**START, "status": 200.5}, BODY], 500),
    "header-text": ([{**START, "headers": [("x-a", "b")]}, BODY], 500),
    "header-number": ([{**START, "headers": [(b"x-a", 5)]}, BODY], 500),
    "header-single": ([{**START, "headers": [(b"x-a",)]}, BODY], 500),
    "header-name-space": ([{**START, "headers": [(b"x a", b"b")]}, BODY], 500),
    "header-name-empty": ([{**START, "headers": [(b"", b"b")]}, BODY], 500),
    "header-newline": ([{**START, "headers": [(b"x-a", b"b\r\nx-evil: 1")]}, BODY], 500),
    "header-nul": ([{**START, "headers": [(b"x-a", b"b\0")]}, BODY], 500),
    "length-nonsense": ([{**START, "headers": [(b"content-length", b"many")]}, BODY], 500),
    "body-text": ([START, {**BODY, "body": "x"}], None),
    "body-none": ([START, {**BODY, "body": None}], None),
    "body-number": ([START, {**BODY, "body": 7}], None),
    "too-long": ([{**START, "headers": [(b"content-length", b"1")]}, {**BODY, "body": b"xx"}], None),
    "too-short": ([{**START, "headers": [(b"content-length", b"2")]}, BODY], None),
    "body-of-204": ([{**START, "status": 204}, BODY], 204),
    "body-after-the-end": ([START, BODY, BODY], 200),
}
"""The clients of the last two have their responses before the app's mistake."""

WRONG_SOCKETS: dict[str, tuple[list[dict[str, Any]], int | None, int | None]] = {
    # What the app sends, the status of the opening request (None: no answer), and the code that the WebSocket is closed with.
    "nothing": ([], 500, None),
    "send-first": ([{"type": "websocket.send", "text": "x"}], 500, None),
    "unknown": ([{"type": "websocket.sing"}], 500, None),
    "http": ([START, BODY], 500, None),
    "accept-twice": ([{"type": "websocket.accept"}, {"type": "websocket.accept"}], 101, 1011),
    "denied-late": (
        [{"type": "websocket.accept"}, {"type": "websocket.http.response.start", "status": 403}],
        101,
        1011,
    ),
    "http-late": ([{"type": "websocket.accept"}, BODY], 101, 1011),
    "text-of-bytes": ([{"type": "websocket.accept"}, {"type": "websocket.send", "text": b"x"}], 101, 1011),
    "bytes-of-text": ([{"type": "websocket.accept"}, {"type": "websocket.send", "bytes": "x"}], 101, 1011),
    "neither": ([{"type": "websocket.accept"}, {"type": "websocket.send"}], 101, 1011),
    "code-text": ([{"type": "websocket.accept"}, {"type": "websocket.close", "code": "no"}], 101, 1011),
    "code-1005": ([{"type": "websocket.accept"}, {"type": "websocket.close", "code": 1005}], 101, 1011),
    "code-5000": ([{"type": "websocket.accept"}, {"type": "websocket.close", "code": 5000}], 101, 1011),
    "reason-long": (
        [{"type": "websocket.accept"}, {"type": "websocket.close", "code": 1000, "reason": "é" * 62}],
        101,
        1011,
    ),
    "subprotocol-number": ([{"type": "websocket.accept", "subprotocol": 7}], 500, None),
    "header-newline": ([{"type": "websocket.accept", "headers": [(b"x-a", b"b\r\nx-evil: 1")]}], 500, None),
    "denial-unfinished": ([{"type": "websocket.http.response.start", "status": 403, "headers": []}], None, None),
    "returns": ([{"type": "websocket.accept"}], 101, 1000),
    "send-after-close": (
        [{"type": "websocket.accept"}, {"type": "websocket.close"}, {"type": "websocket.send", "text": "x"}],
        101,
        1000,
    ),
}
