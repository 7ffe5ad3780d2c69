"""Where failures are told: an address that somebody gave, checked."""

from __future__ import annotations

from urllib.parse import urlsplit

from motet.errors import InvalidError

MAX_URL = 2000


def checked_url(url: str) -> str:
    """An address that JSON can be posted to; "" is none. Raises `InvalidError`."""
    if not url:
        return url
    try:
        parts = urlsplit(url)
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_one = False
    if not is_one or len(url) > MAX_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise InvalidError(
            f"on_failure is an address that failures are posted to, such as https://example.com/failed; it is {url[:200]!r}"
        )
    if parts.username is not None or parts.password is not None:
        raise InvalidError("on_failure must have no user or password: put a secret that nobody can guess into its path")
    return url
