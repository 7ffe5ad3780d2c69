"""How a connection begins: whoever opened it says who it is, and the server may refuse.

Three kinds of connection: a *client* declares apps and makes calls (the user's process, and any container that calls
functions); a container opens an *executor* connection, which carries attempts and outcomes, and a *control* one, which
stays readable while user code blocks the other.
"""

from __future__ import annotations

from typing import Literal

from motet.model.hidden import hides_secrets
from motet.wire.message import Message

WIRE_VERSION = 1

Role = Literal["client", "executor", "control"]


@hides_secrets
class Hello(Message, tag="hello", frozen=True):
    """The first message on a connection, from the side that opened it. `token` proves that it may."""

    role: Role
    token: str
    container_id: str = ""
    version: int = WIRE_VERSION


class Refused(Message, tag="refused", frozen=True):
    """The server will not talk on this connection, and closes it."""

    reason: str
