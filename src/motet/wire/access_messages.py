"""Messages of those who say who may use a server: requests, then replies."""

from __future__ import annotations

from motet.model.hidden import hides_secrets
from motet.model.limits import Name
from motet.model.views import TokenView
from motet.wire.message import Message


class NewToken(Message, tag="new_token", frozen=True):
    """Make a token for a principal of this name, with these rights, for so many seconds (None: until it is revoked), which may
    have so much ("containers=8"; see `Quota`); answered by `TokenMade`."""

    name: Name
    rights: tuple[Name, ...]
    lifetime: float | None = None
    limits: tuple[Name, ...] = ()


class ListTokens(Message, tag="list_tokens", frozen=True):
    """Answered by `TokensListed`."""


class RevokeToken(Message, tag="revoke_token", frozen=True):
    """From now on a token is none; who came in with it is cut off. Answered by `Done`."""

    name: Name


@hides_secrets
class TokenMade(Message, tag="token_made", frozen=True):
    """The one time that the token is told."""

    token: str


class TokensListed(Message, tag="tokens_listed", frozen=True):
    found: list[TokenView]
