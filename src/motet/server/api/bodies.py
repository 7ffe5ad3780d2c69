"""What a request has in its body and wants in its answer, and answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from motet.model.limits import MAX_PAYLOAD_BYTES
from motet.server.api.problems import Problem
from motet.wire.encoding import Encoding
from motet.wire.plain import HOW_TO_GIVE_ARGUMENTS, check_json_arguments

MEDIA_TYPES = {Encoding.JSON: "application/json", Encoding.CBOR: "application/cbor"}
MAX_BODY_BYTES = MAX_PAYLOAD_BYTES - 16
MAX_HELD_BYTES = 512 * 1024 * 1024
"""Of all bodies that are being read."""
CHECKED_BYTES = 256 * 1024
"""A longer body is checked on another thread."""

Receive = Callable[[], Awaitable[Any]]


class Bodies:
    """Reads bodies of requests, no more at a time than there is room for."""

    def __init__(self, most: int = MAX_BODY_BYTES, together: int = MAX_HELD_BYTES) -> None:
        self._most = most
        self._left = together

    async def read(self, receive: Receive, length: str | None) -> bytes:
        """The body. `length`: what its head says of it. Raises `Problem` for one that is too long, or has no end."""
        if length is not None and length.isdecimal() and int(length) > self._most:
            raise self._too_large()
        parts: list[bytes] = []
        size = 0
        try:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Problem("bad-request", "the body did not come to its end")
                part = message.get("body", b"")
                size += len(part)
                self._left -= len(part)
                if size > self._most:
                    raise self._too_large()
                if self._left < 0:
                    raise Problem("unavailable", "too many large requests are on their way", retry_after=1.0)
                parts.append(part)
                if not message.get("more_body", False):
                    return b"".join(parts)
        finally:
            self._left += size

    def _too_large(self) -> Problem:
        return Problem(
            "too-large",
            f"a body may have {self._most // 2**20} MiB at most: pass a path or a URL to larger data instead",
        )


def encoding_of_body(content_type: str | None, body: bytes) -> Encoding:
    """What a body is in. Raises `Problem`."""
    kind = (content_type or "").partition(";")[0].strip().lower()
    for encoding, media_type in MEDIA_TYPES.items():
        if kind == media_type:
            return encoding
    if not body:
        return Encoding.JSON
    raise Problem(
        "unsupported-encoding",
        f"the body is {kind or 'of no type'}; send it with `Content-Type: application/json` (curl: `--json`, or "
        "`-H 'Content-Type: application/json'`), or application/cbor",
    )


async def check_arguments(body: bytes, encoding: Encoding) -> None:
    """Raise `Problem` for JSON that is none, or no arguments. CBOR is for the container to read."""
    if encoding is not Encoding.JSON or not body:
        return
    try:
        if len(body) > CHECKED_BYTES:
            await asyncio.to_thread(check_json_arguments, body)
        else:
            check_json_arguments(body)
    except RecursionError:
        raise Problem("bad-request", "the body is nested too deeply") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Problem(
            "bad-request", f"the body is no JSON, or no arguments: {error}. {HOW_TO_GIVE_ARGUMENTS}"
        ) from None


def accepted(accept: str | None) -> list[Encoding]:
    """The encodings that a request accepts for a result, the one it likes best first."""
    said: dict[str, tuple[float, int]] = {}
    for place, part in enumerate((accept or "*/*").split(",")):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        said[kind] = (_quality(parameters), place)
    found: list[tuple[float, int, Encoding]] = []
    for encoding, media_type in MEDIA_TYPES.items():
        # What is said of a type itself counts, and not what is said of all.
        quality, place = next((said[kind] for kind in (media_type, "application/*", "*/*") if kind in said), (0.0, 0))
        if quality > 0:
            found.append((-quality, place, encoding))
    return [encoding for _, _, encoding in sorted(found, key=lambda each: each[:2])]


def _quality(parameters: list[str]) -> float:
    text = next((each.partition("=")[2] for each in parameters if each.startswith("q=")), "1")
    try:
        return float(text)
    except ValueError:
        return 0.0


def wanted_result(accept: str | None, arguments: Encoding) -> Encoding:
    """What the result is to be in: as the arguments are, if the request accepts that as well as anything. Raises `Problem`."""
    found = accepted(accept)
    if not found:
        raise Problem("not-acceptable", f"results are {' or '.join(MEDIA_TYPES.values())}; Accept: has {accept!r}")
    return arguments if arguments in found and _likes_all(accept) else found[0]


def _likes_all(accept: str | None) -> bool:
    return accept is None or "*/*" in accept or "application/*" in accept
