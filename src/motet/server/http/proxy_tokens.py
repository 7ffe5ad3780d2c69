"""Tokens that web functions with `requires_proxy_auth` ask of their callers."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field

from motet.errors import InvalidError
from motet.model.hidden import hides_secrets
from motet.wire.web import Headers

NAMES = ((b"motet-key", b"motet-secret"), (b"modal-key", b"modal-secret"))
"""The headers that carry a token; the second pair is what programs written for Modal send."""
_CLAIMS = frozenset(name for pair in NAMES for name in pair)
_NOBODY = b"-" * 32

HOW_TO_SET = (
    "set MOTET_PROXY_TOKENS=KEY:SECRET (several: KEY:SECRET,KEY2:SECRET2), or MOTET_PROXY_TOKENS_FILE to a file with one "
    "KEY:SECRET in each line, before the server starts"
)


@hides_secrets
@dataclass(frozen=True, slots=True)
class ProxyTokens:
    """Secrets by key. They are in no `repr`."""

    secrets: dict[bytes, bytes] = field(default_factory=dict)

    @classmethod
    def parse(cls, texts: Iterable[str], where: str) -> ProxyTokens:
        """From texts of the form KEY:SECRET; empty ones and those that begin with # are passed over. Raises `InvalidError`,
        which names the text by number, so that no secret is printed."""
        secrets: dict[bytes, bytes] = {}
        for number, text in enumerate(texts, 1):
            if not (stripped := text.strip()) or stripped.startswith("#"):
                continue
            key, _, secret = stripped.partition(":")
            if not key or not secret:
                raise InvalidError(f"{where}: token number {number} is not of the form KEY:SECRET")
            if secrets.setdefault(key.encode(), secret.encode()) != secret.encode():
                raise InvalidError(f"{where}: the key {key!r} has two secrets")
        return cls(secrets)

    def merged(self, other: ProxyTokens) -> ProxyTokens:
        """The tokens of both."""
        return ProxyTokens({**self.secrets, **other.secrets})

    def __bool__(self) -> bool:
        return bool(self.secrets)

    def admit(self, headers: Headers) -> tuple[bytes, bytes] | str:
        """The header that says who asks, if a request carries a token; else why it is not let in. Secrets are compared in
        constant time."""
        given = dict(headers)
        for key_name, secret_name in NAMES:
            key, secret = given.get(key_name), given.get(secret_name)
            if key is not None and secret is not None:
                known = self.secrets.get(key)
                if hmac.compare_digest(known or _NOBODY, secret) and known is not None:
                    return key_name, key
                return "the proxy token in this request is not valid"
        return (
            "this URL needs a proxy token: send its two parts in the headers Motet-Key and Motet-Secret "
            "(or Modal-Key and Modal-Secret)"
        )


def without_tokens(headers: Headers) -> Headers:
    """What the app may be told: no secret, and no key that was not checked."""
    return [header for header in headers if header[0] not in _CLAIMS]
