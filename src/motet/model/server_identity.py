"""How other processes of this machine find a running server."""

from __future__ import annotations

import msgspec

from motet.model.hidden import hides_secrets


@hides_secrets
class ServerIdentity(msgspec.Struct, frozen=True):
    """A server: its id and process, when it began (wall clock), and where and with what token operators connect.

    `address` is "unix:/path" or "tcp:host:port". The token is as good as the server: keep it where only its user can read.
    """

    server_id: str
    pid: int
    started_at: float
    address: str
    token: str
