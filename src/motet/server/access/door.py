"""Who may speak to a server, and what for: a principal for everybody who connects, with its rights."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from motet.client.peer_process import PeerProcess, descends_from, is_marked_as_containers
from motet.errors import ConnectionError, InvalidError
from motet.model.quota import NO_QUOTA, Quota
from motet.server.access.rights import EVERYTHING, Right, named_rights
from motet.server.access.tokens import OPERATOR, Tokens
from motet.wire.server_proof import token_digest


@dataclass(frozen=True, slots=True)
class Principal:
    """Whom a connection speaks for. Its calls and apps are its own, over whatever connection it made them."""

    name: str
    rights: Right
    until: float | None = None
    """When its rights end, on the wall clock."""
    quota: Quota = NO_QUOTA
    key: str = ""
    """What tells it from all others, also from those who had its name before, and will; empty: its name does."""

    @property
    def identity(self) -> str:
        """By which what is its own is known."""
        return self.key or self.name


def principal_number(identity: str) -> int:
    """A number for a principal that no client has, and that all servers make of it: containers that come back to another server
    say whose inputs they run."""
    return -1 - int.from_bytes(hashlib.sha256(identity.encode()).digest()[:7])


class Door(Protocol):
    """Lets in those who are no containers."""

    @property
    def token(self) -> str:
        """What the user's other processes on this machine are to show; empty if they need nothing."""
        ...

    def admit(self, token: str, process: PeerProcess | None) -> Principal:
        """Whom somebody speaks for, by what it shows, or by the process that it is. Raises `ConnectionError`."""
        ...

    @property
    def tokens(self) -> Tokens:
        """Those that it lets in by. Raises `InvalidError` if it has none."""
        ...


class OwnDoor:
    """Of a server inside a program: one token, which the program's user alone can read."""

    def __init__(self) -> None:
        self._token = secrets.token_hex(16)

    @property
    def token(self) -> str:
        """See `Door`."""
        return self._token

    def admit(self, token: str, process: PeerProcess | None) -> Principal:
        """See `Door`."""
        if not secrets.compare_digest(self._token.encode(), token.encode()):
            raise ConnectionError("not an operator of this server")
        return Principal(OPERATOR, EVERYTHING)

    @property
    def tokens(self) -> Tokens:
        """See `Door`."""
        raise InvalidError("this server ends with its program, and has no tokens: `motet server` is one that has")


class HomeDoor:
    """Of a server that stays: who shows a token may do what that is for. Without one, the user that the server runs as may do
    everything from this machine, but for the processes of its containers. These descend from it, or from one of `roots`."""

    token = ""

    def __init__(self, tokens: Tokens, quota: Quota = NO_QUOTA, roots: Callable[[], Iterable[int]] = tuple) -> None:
        """`quota`: what whoever shows a token may have, as far as that does not say otherwise."""
        self.tokens = tokens
        self._own: dict[str, Principal] = {}
        self._quota = quota
        self._roots = roots
        self._uid = os.geteuid()
        self._pid = os.getpid()

    def new_own(self, name: str, rights: Right) -> str:
        """A token that is kept nowhere, for what this server starts itself elsewhere."""
        token = secrets.token_urlsafe(32)
        self._own[token_digest(token)] = Principal(name, rights, key=secrets.token_hex(8))
        return token

    def admit(self, token: str, process: PeerProcess | None) -> Principal:
        """See `Door`."""
        if token and (own := self._own.get(token_digest(token))) is not None:
            return own
        if token:
            found = self.tokens.find(token)
            if found is None:
                raise ConnectionError("the token (MOTET_TOKEN) is none here: it was revoked, has expired or never was")
            quota = Quota.parse(found.limits, f"token {found.name}").over(self._quota)
            return Principal(found.name, named_rights(found.rights), found.expires_at, quota, found.principal)
        if process is None:
            raise ConnectionError("a token is needed here: put one in MOTET_TOKEN")
        if process.uid != self._uid:
            raise ConnectionError(
                f"user {process.uid} needs a token (MOTET_TOKEN): the server runs as user {self._uid}"
            )
        roots = (self._pid, *self._roots())
        if any(descends_from(process, root) for root in roots) or is_marked_as_containers(process.pid):
            raise ConnectionError(
                f"process {process.pid} belongs to a container, or has ended, and a container may not administer this server: "
                "call functions there, or give it a token (MOTET_TOKEN)"
            )
        return Principal(OPERATOR, EVERYTHING)
