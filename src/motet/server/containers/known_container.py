"""What the server holds of one container until its backend says that it ended, and its last words are read."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable

import msgspec

from motet.backends.base import ContainerEnd
from motet.model.hidden import hides_secrets
from motet.model.host import OWN_HOST
from motet.server.containers.output import ContainerOutput
from motet.server.driver import HEARING, LATE
from motet.server.peers import Peer


@hides_secrets
class ContainerNote(msgspec.Struct, array_like=True, frozen=True):
    """What a server notes of a container that it starts, for the server that may come after it. New fields go last, with
    defaults: a server may read what one of another release has noted."""

    function_id: str
    app_id: str
    function_name: str
    token: str
    env: dict[str, str]
    gpus: tuple[str, ...] = ()
    lines_per_second: float = 0.0
    identity: str = ""
    """Whose app it is."""
    host: str = OWN_HOST


encode_note = msgspec.msgpack.Encoder().encode
decode_note = msgspec.msgpack.Decoder(ContainerNote).decode


class Doom:
    """When something is to be given up, unless it is over by then."""

    __slots__ = ("_handle",)

    def __init__(self) -> None:
        self._handle: asyncio.TimerHandle | None = None

    def set(self, timeout: float, give_up: Callable[..., None], *args: object) -> None:
        """Give up in so many seconds. If that was said before, the earlier moment counts: saying it again puts nothing off."""
        loop = asyncio.get_running_loop()
        if self._handle is not None and self._handle.when() <= loop.time() + timeout:
            return
        self.cancel()
        self._handle = loop.call_later(timeout, self._due, give_up, args)

    def cancel(self) -> None:
        """It is over. Idempotent."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _due(self, give_up: Callable[..., None], args: tuple[object, ...]) -> None:
        loop = asyncio.get_running_loop()
        if self._handle is not None and loop.time() - self._handle.when() > LATE:
            # The whole program stood still: that it is over may have been said, and is heard first.
            self._handle = loop.call_later(HEARING, self._due, give_up, args)
        else:
            give_up(*args)


class KnownContainer:
    """One container."""

    __slots__ = ("asked", "control", "doom", "ended", "executor", "frozen", "missed", "note", "output", "silent")

    def __init__(self, note: ContainerNote, output: ContainerOutput) -> None:
        self.note = note
        self.output = output
        self.executor: Peer | None = None
        self.control: Peer | None = None
        self.ended: ContainerEnd | None = None
        self.frozen = False
        self.asked: deque[float] = deque()
        """Questions whether it stood still that it has not answered: for how many seconds the server did, which is 0 where that
        only asks whether it is there."""
        self.missed = 0
        """How often it was to be asked again, and had not answered."""
        self.silent = False
        """The engine has been told that it does not answer."""
        self.doom = Doom()
        """When it is given up, if it was killed and no end is reported."""

    @property
    def function_id(self) -> str:
        """What it serves."""
        return self.note.function_id

    @property
    def env(self) -> dict[str, str]:
        """What it was started with."""
        return self.note.env


def new_token() -> str:
    """A container's credential."""
    return secrets.token_hex(16)
