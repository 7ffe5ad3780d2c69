"""Where failures are told: an address that somebody gave, and secrets that what is told is signed with, both checked."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from urllib.parse import urlsplit

from motet.errors import InvalidError

MAX_URL = 2000
SECRET_PREFIX = "whsec_"
MIN_SECRET = 24
MAX_SECRET = 64
"""Bytes of a secret, as Standard Webhooks has them."""
MAX_SECRETS = 4


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
        raise InvalidError(
            "on_failure must have no user or password: sign what is posted there, with on_failure_secret"
        )
    return url


def checked_secrets(secrets: str, url: str) -> str:
    """What notices to this address are signed with: one secret, or several with spaces between them; "" is none. Raises
    `InvalidError`, which does not show them."""
    if not secrets:
        return secrets
    if not url:
        raise InvalidError("on_failure_secret signs what is posted to on_failure, and there is no such address")
    if len(secrets.split()) > MAX_SECRETS:
        raise InvalidError(f"on_failure_secret has {len(secrets.split())} secrets; it may have {MAX_SECRETS}")
    for place, secret in enumerate(secrets.split(), start=1):
        key = _key(secret)
        if key is None or not MIN_SECRET <= len(key) <= MAX_SECRET:
            raise InvalidError(
                f"secret {place} of on_failure_secret is none: it must be {SECRET_PREFIX} and {MIN_SECRET} to {MAX_SECRET} "
                f'random bytes in base64, as `echo "{SECRET_PREFIX}$(openssl rand -base64 32)"` makes one'
            )
    return " ".join(secrets.split())


def signatures(secrets: str, message_id: str, at: int, body: bytes) -> str:
    """What proves to whoever knows one of the secrets that this was said by whoever has them, and when: a signature with each,
    as Standard Webhooks has them (HMAC-SHA256 of id, seconds of the wall clock, and body)."""
    said = f"{message_id}.{at}.".encode() + body
    keys = (_key(secret) or b"" for secret in secrets.split())
    return " ".join(
        "v1," + base64.b64encode(hmac.new(key, said, hashlib.sha256).digest()).decode() for key in keys if key
    )


def _key(secret: str) -> bytes | None:
    if not secret.startswith(SECRET_PREFIX):
        return None
    try:
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return None
