"""The cookie of the dashboard, which no web function may see: browsers send a host's cookies to all of its ports."""

from __future__ import annotations

from motet.wire.web import Headers

DASHBOARD = "motet-dashboard"
"""How its name begins."""
_BEGINNING = DASHBOARD.encode() + b"-"


def without_own(headers: Headers) -> Headers:
    """What an app may be told of a request."""
    if not any(name == b"cookie" and _BEGINNING in value for name, value in headers):
        return headers
    return [kept for header in headers if (kept := _stripped(*header)) is not None]


def _stripped(name: bytes, value: bytes) -> tuple[bytes, bytes] | None:
    if name != b"cookie":
        return name, value
    kept = [pair for pair in value.split(b";") if not pair.strip().startswith(_BEGINNING)]
    return (name, b";".join(kept).strip()) if kept else None
