"""How a server shows that it knows a token, before it is shown the token: it keeps a hash of it, which nobody else has.

A client that has several addresses asks each for such a proof first. One that is not of this installation learns nothing from
the question: a token's name does not lead to the token, nor to its hash.
"""

from __future__ import annotations

import hashlib
import hmac


def token_digest(token: str) -> str:
    """What servers keep of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def token_name(digest: str) -> str:
    """What the token with this digest is called by who must not show it."""
    return _made(digest, "name")


def server_proof(digest: str, challenge: str, key: str) -> str:
    """What only a server with the token's digest can say to a challenge. `key`: the fingerprint of the TLS key that the client
    sees, so that nobody can pass on the proof of another server; empty: it sees none, or one of a proxy."""
    return _made(digest, f"server\0{challenge}\0{key}")


def _made(digest: str, what: str) -> str:
    return hmac.new(digest.encode(), what.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
