"""How a connection begins: whoever opened it says who it is and what it speaks; the server agrees to a version, or refuses.

Five kinds of connection: a *client* declares apps and makes calls (the user's process, and any container that calls
functions); a container opens an *executor* connection, which carries attempts and outcomes, and a *control* one, which
stays readable while user code blocks the other; a *sandbox* has one, for all that is asked of it, and so has the agent of a
*host* that has joined.

Messages are arrays. A field that is added goes last, with a default: peers that do not know it ignore it, and leave it
out. Every other change (a new message, or a new value of an enumeration, too) makes a new version, which a Motet may speak
beside older ones. The three messages here are what peers of any two versions have in common: they only get such fields.
"""

from __future__ import annotations

import sys
from typing import Literal

import msgspec

from motet.errors import ConnectionError, Error, VersionError
from motet.model.hidden import hides_secrets
from motet.model.limits import Index, Name
from motet.model.version import VERSION
from motet.wire.message import Message

WIRE_VERSIONS = (1, 1)
"""The oldest and the newest version of the wire that this Motet speaks."""

PYTHON = ".".join(map(str, sys.version_info[:3]))

Role = Literal["client", "executor", "sandbox", "control", "host"]


@hides_secrets
class Hello(Message, tag="hello", frozen=True):
    """The first message on a connection, from the side that opened it. `token` proves that it may. `versions`: the oldest and
    the newest of the wire that it speaks. `resumes`: it was connected before, and comes back.
    `confirms`: a client that says which outcomes it has.

    `lasts`: a client whose conversation is to outlive this connection (see `conversation_messages`). `conversation_token`: it
    takes up the one that it was given this secret for, and has so many messages of it (`taken`). `heartbeat_ms`: it says
    something as often as this at least, and wants to hear something as often; 0: neither does.

    `challenge`: not empty: the client asks who leads, and is always answered with `Refused`. It shows no token, and only says
    which it would show (`token_name`), if any: see `server_proof`. `binds`: the proof is to be for the TLS key of this
    connection."""

    role: Role
    token: str
    container_id: str = ""
    versions: tuple[Index, Index] = WIRE_VERSIONS
    python: Name = PYTHON
    motet: Name = VERSION
    resumes: bool = False
    confirms: bool = False
    lasts: bool = False
    conversation_token: Name = ""
    taken: Index = 0
    heartbeat_ms: Index = 0
    challenge: Name = ""
    token_name: Name = ""
    binds: bool = False


@hides_secrets
class Agreed(Message, tag="agreed", frozen=True):
    """The server's first message, for a `Hello` it can talk to: the version of the wire that both speak from here on.

    Who speaks one version alone need not wait for it. `python`, `cloudpickle` and `motet`: what its containers have, for
    whoever sends them code by value; empty: not said. `run`: which run of a server this is, if clients can come back to the
    next one.

    `conversation_token`: what takes up this conversation over another connection; empty: it ends with this one. `taken`: how
    many messages of it the server has; 0 for one that begins here. `travels`: hosts have joined, so programs are to send
    their source, also from the server's own machine.
    """

    version: int
    python: Name = ""
    cloudpickle: Name = ""
    motet: Name = ""
    run: Name = ""
    conversation_token: Name = ""
    taken: Index = 0
    travels: bool = False


class WhoLeads(msgspec.Struct, array_like=True, frozen=True):
    """Which of the servers that share a database leads, as one of them knows it. `here`: the one that says so does, and takes
    clients. `proof`: see `server_proof`; empty: it was not asked for one. `holder`: the one that leads, in words; empty if it
    is not known, or not told. `address`: where that one is reached, and the `fingerprint` of its key, if it has one.
    `in_doubt`: see `LeadTold`; with the `term` of its lead."""

    here: bool
    proof: Name = ""
    holder: Name = ""
    term: Index = 0
    address: Name = ""
    fingerprint: Name = ""
    in_doubt: bool = False


class StandsBy(ConnectionError):
    """A server does not take a client, because another one leads. `told`: which, as far as it knows."""

    def __init__(self, reason: str, told: WhoLeads) -> None:
        super().__init__(reason)
        self.told = told


class Refused(Message, tag="refused", frozen=True):
    """The server will not talk on this connection, and closes it. `versions`: those it speaks, if none of the peer's is one.
    `who_leads`: in place of a connection, to who asked for that, or came to a server that waits to lead."""

    reason: str
    versions: tuple[int, int] | None = None
    who_leads: WhoLeads | None = None

    def error(self, what: str) -> Error:
        """What to raise where `what` ("the connection") was refused."""
        if self.who_leads is not None:
            return StandsBy(self.reason, self.who_leads)
        kind = ConnectionError if self.versions is None else VersionError
        return kind(f"the server refused {what}: {self.reason}")


def agreed_version(hello: Hello, versions: tuple[int, int] = WIRE_VERSIONS) -> int:
    """The newest version that a peer and a server of these `versions` speak. Raises `VersionError`, which says which side to
    upgrade, or `ConnectionError` for versions that are none."""
    (oldest, newest), (low, high) = versions, hello.versions
    if not 0 < low <= high:
        raise ConnectionError(f"versions {low} to {high} of the wire are none")
    if low <= newest and oldest <= high:
        return min(newest, high)
    peer = "container" if hello.container_id else "client"
    raise VersionError(
        f"the {peer} runs Motet {hello.motet}, which speaks {_said(low, high)} of the wire (on Python {hello.python}), and the "
        f"server Motet {VERSION}, which speaks {_said(oldest, newest)} (on Python {PYTHON}): upgrade Motet where the "
        f"{peer if high < oldest else 'server'} runs"
    )


def _said(oldest: int, newest: int) -> str:
    return f"version {newest}" if oldest == newest else f"versions {oldest} to {newest}"
