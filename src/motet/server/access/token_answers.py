"""Requests about tokens, answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from motet.model.views import TokenView
from motet.server.access.door import Door
from motet.wire import access_messages as a
from motet.wire.client_messages import Done, ReplyBody


def token_answers(door: Door, cut_off: Callable[[str, str], None]) -> dict[type[Any], Callable[[Any], ReplyBody]]:
    """By kind of request. `cut_off` ends the connections of a principal, with a reason."""

    def made(body: a.NewToken) -> ReplyBody:
        return a.TokenMade(door.tokens.new(body.name, body.rights, body.lifetime, body.limits))

    def listed(body: a.ListTokens) -> ReplyBody:
        return a.TokensListed(
            [
                TokenView(
                    name=each.name,
                    rights=each.rights,
                    made_at=each.made_at,
                    expires_at=each.expires_at,
                    last_used_at=each.last_used_at,
                    limits=each.limits,
                )
                for each in door.tokens.all()
            ]
        )

    def revoked(body: a.RevokeToken) -> ReplyBody:
        door.tokens.revoke(body.name)
        cut_off(body.name, "the token was revoked")
        return Done()

    return {a.NewToken: made, a.ListTokens: listed, a.RevokeToken: revoked}
