"""Who may speak to a server, and what for: a principal for everybody who connects, with its rights."""

from __future__ import annotations

import enum
import os
import secrets
from dataclasses import dataclass
from typing import Protocol

from motet.errors import ConnectionError
from motet.server.peer_process import PeerProcess, descends_from


class Right(enum.Flag):
    """What a principal may do. `SERVE` is a container's, to carry out what it was started for: no token has it."""

    CALL = enum.auto()
    DEPLOY = enum.auto()
    LOOK = enum.auto()
    OPERATE = enum.auto()
    ADMINISTER = enum.auto()
    SERVE = enum.auto()


OPERATOR = "operator"
"""The principal that is the user a server runs as."""

EVERYTHING = Right.CALL | Right.DEPLOY | Right.LOOK | Right.OPERATE | Right.ADMINISTER


@dataclass(frozen=True, slots=True)
class Principal:
    """Whom a connection speaks for. Its calls and apps are those of its name, over whatever connection it made them."""

    name: str
    rights: Right


class Door(Protocol):
    """Lets in those who are no containers."""

    @property
    def token(self) -> str:
        """What the user's other processes on this machine are to show; empty if they need nothing."""

    def admit(self, token: str, process: PeerProcess | None) -> Principal:
        """Whom somebody speaks for, by what it shows, or by the process that it is. Raises `ConnectionError`."""


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


class HomeDoor:
    """Of a server that stays: the user it runs as may do everything from this machine, but for the processes of its
    containers, which are its descendants."""

    token = ""

    def __init__(self) -> None:
        self._uid = os.geteuid()
        self._pid = os.getpid()

    def admit(self, token: str, process: PeerProcess | None) -> Principal:
        """See `Door`."""
        if process is None:
            raise ConnectionError("a token is needed here: put one in MOTET_TOKEN")
        if process.uid != self._uid:
            raise ConnectionError(
                f"user {process.uid} needs a token (MOTET_TOKEN): the server runs as user {self._uid}"
            )
        if descends_from(process.pid, self._pid):
            raise ConnectionError(
                f"process {process.pid} belongs to a container of this server, and a container may not administer it: call "
                "functions there, or give it a token (MOTET_TOKEN)"
            )
        return Principal(OPERATOR, EVERYTHING)
