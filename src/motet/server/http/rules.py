"""What HTTP asks of the head of a request, beyond what a parser sees to."""

from __future__ import annotations

import re
from collections.abc import Iterable

from motet.wire.web import Headers

IDEMPOTENT = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "PROPFIND", "REPORT", "SEARCH", "QUERY"))
"""Methods whose requests mean the same once and twice: others may not be repeated by who passes them on (RFC 9110, 9.2.2)."""

_HOST = re.compile(rb"(\[[0-9a-fA-F:.%\w-]+\]|[\w.~%-]*)(:[0-9]*)?", re.ASCII)
_ABSOLUTE = re.compile(rb"([a-zA-Z][a-zA-Z0-9+.-]*)://([^/?#]*)")
_DEFAULT_PORTS = {b"http": b":80", b"https": b":443"}


def fault_of_head(method: bytes, version: str, target: bytes, headers: Headers) -> str | None:
    """What is wrong with it; None for nothing. Where a request is for two hosts, or for none, who is meant is a guess, and a
    proxy before us may have guessed otherwise."""
    if method == b"CONNECT":
        return "CONNECT means nothing here"
    hosts = [value for name, value in headers if name == b"host"]
    if len(hosts) != 1:
        if hosts:
            return "the request has more than one Host header"
        return "the request has no Host header" if version == "1.1" else None
    if _HOST.fullmatch(hosts[0]) is None:
        return "the Host header is malformed"
    if target[:1] not in b"/*" and (absolute := _ABSOLUTE.match(target)) is not None:
        port = _DEFAULT_PORTS.get(absolute[1].lower(), b"")
        if absolute[2].lower().removesuffix(port) != hosts[0].lower().removesuffix(port):
            return "the target of the request is on another host than the Host header says"
    return None


def tokens(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> set[bytes]:
    """The members of a header that is a list, in lower case; it may come several times."""
    return {
        token.strip().lower()
        for other, value in headers
        if other == name
        for token in value.split(b",")
        if token.strip()
    }
