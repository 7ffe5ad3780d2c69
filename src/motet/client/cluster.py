"""The servers that share a database, as a client knows them: which of them leads is asked, and the token is shown to that one.

A server that is asked says who leads, if it does not itself, and where; so the client finds servers that nobody named to it. It
shows its token to none that has not proved that it knows it (see `server_proof`), wherever its address came from: not to one of
another installation, and to nobody who stands in for a server of this one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from motet.client.greeting import TurnedAway, greet
from motet.client.ground import Ground
from motet.client.sockets import ANSWER_BYTES, read_frame
from motet.client.streams import ByteStream
from motet.errors import ConnectionError, ServiceError
from motet.wire import codec
from motet.wire.hello import Agreed, Hello, Refused, StandsBy, WhoLeads
from motet.wire.server_proof import server_proof, token_digest, token_name

_SECRET = ("tls", "wss")
ASK_TIMEOUT = 2.0
"""Seconds for each step of asking one server: others may answer sooner."""
NOBODY_PATIENCE = 2.0
"""Seconds after which a client that comes for the first time believes that no server is there."""


class ServerPlace(NamedTuple):
    """Where a server is reached. `fingerprint`: of its key, or of several, with commas between them; empty: an authority has to
    vouch for it."""

    address: str
    fingerprint: str = ""


class NobodyThere(ConnectionError):
    """None of the servers is there, or knows the token: not even one that waits to lead."""


class Cluster:
    """Those that were named, and those that they told of. Not thread-safe."""

    def __init__(self, on: Ground, addresses: Sequence[str], fingerprint: str, token: str) -> None:
        self._on = on
        self._named = [ServerPlace(address, fingerprint) for address in addresses]
        self._told: ServerPlace | None = None
        """Where the one leads that is not among those that were named."""
        self._token = token
        self._checked_at, self._began_at = float("-inf"), on.now()

    @property
    def final(self) -> tuple[type[ConnectionError], ...]:
        """What it is of no use to wait after, for who has never been there. A server that comes to lead is not there for a
        moment."""
        is_over = self._on.now() - self._began_at > NOBODY_PATIENCE
        return (NobodyThere, TurnedAway) if is_over else (TurnedAway,)

    @property
    def is_one(self) -> bool:
        """Whether no more than one server is known."""
        return len(self._places()) == 1

    def __str__(self) -> str:
        return ", ".join(place.address for place in self._places())

    def learn(self, told: WhoLeads) -> None:
        """A server that stands by says who leads. What is not secret on its way is not gone over because a server says so."""
        kind = told.address.partition(":")[0]
        kinds = {place.address.partition(":")[0] for place in self._named}
        is_new = all(told.address != place.address for place in self._named)
        if is_new and (kind in _SECRET or kind in kinds):
            self._told = ServerPlace(told.address, told.fingerprint)

    def leader(self, last: str = "") -> ServerPlace:
        """Where to show the token. The one at `last` is asked last. Raises `NobodyThere`, or `ConnectionError` if some are
        there that do not lead: one of them will soon. Both say what each has said."""
        problems: list[str] = []
        anybody, asked = False, set()
        waiting = sorted(self._places(), key=lambda place: place.address == last)
        while waiting:
            place = waiting.pop(0)
            asked.add(place)
            try:
                told, key = ask(self._on, place, self._token)
            except (OSError, ConnectionError, ServiceError) as error:
                problems.append(str(error))
                continue
            if told.here:
                return ServerPlace(place.address, key or place.fingerprint)
            anybody = True
            self.learn(told)
            waiting += [each for each in self._places() if each not in asked and each not in waiting]
            leads = f"waits for {told.holder} (term {told.term})" if told.holder else "waits to lead"
            problems.append(f"the one at {place.address} {leads}")
        text = f"none of the servers leads: {'; '.join(problems)}"
        raise ConnectionError(text) if anybody else NobodyThere(text)

    def meet(self, hello: Hello, last: str) -> tuple[str, ByteStream, Agreed]:
        """Where the one is that leads, and a stream to it, over which it has agreed to talk. The server at `last` is asked
        last. Raises as `leader` does, and as `greet`."""
        place = self._named[0] if self.is_one else self.leader(last)
        try:
            return place.address, *greet(self._on, place.address, place.fingerprint, hello)
        except StandsBy as error:
            self.learn(error.told)
            raise

    def check_leads(self, here: str, every: float) -> None:
        """For who hears nothing from the server at this address: the others are asked, once in so many seconds. Raises
        `ConnectionError` if one of them leads."""
        if self.is_one or self._on.now() - self._checked_at < every:
            return
        for place in self._places():
            if place.address != here and self._leads(place):
                raise ConnectionError(f"nothing comes from the server at {here}, and the one at {place.address} leads")
        self._checked_at = self._on.now()

    def _leads(self, place: ServerPlace) -> bool:
        try:
            return ask(self._on, place, self._token)[0].here
        except (OSError, ConnectionError, ServiceError):
            return False

    def _places(self) -> list[ServerPlace]:
        return self._named if self._told is None else [*self._named, self._told]


def ask(on: Ground, place: ServerPlace, token: str) -> tuple[WhoLeads, str]:
    """What a server says about who leads, and the fingerprint of its key if it has proved that it has that. Raises
    `ConnectionError`, `OSError` or `ServiceError`."""
    import secrets  # late: most servers are the only one, and are not asked

    address = place.address
    stream = on.open_stream(address, place.fingerprint, ASK_TIMEOUT)
    try:
        stream.wait(ASK_TIMEOUT)
        challenge = secrets.token_hex(16)
        key = stream.key
        digest = token_digest(token) if token else ""
        hello = Hello(
            "client", "", challenge=challenge, token_name=token_name(digest) if token else "", binds=bool(key)
        )
        try:
            stream.send(b"".join(codec.frames([hello])))
            answer, *_ = [*codec.decode_to_client(read_frame(stream.receive_into, ANSWER_BYTES)), None]
        except OSError as error:
            raise ConnectionError(f"the server at {address} does not answer: {error}") from error
        except ConnectionError as error:
            raise ConnectionError(f"what answers at {address} is no server of Motet's: {error}") from error
    finally:
        stream.close()
    if isinstance(answer, Agreed) and address.startswith("unix:"):  # an earlier Motet, of this machine's user
        return WhoLeads(here=True), ""
    if not isinstance(answer, Refused):
        raise ConnectionError(f"what answers at {address} is no server that can be one of several")
    told = answer.who_leads
    if told is None:
        raise ConnectionError(f"the server at {address} does not say who leads: {answer.reason}")
    if digest and not secrets.compare_digest(told.proof.encode(), server_proof(digest, challenge, key).encode()):
        raise ConnectionError(
            f"the server at {address} does not know this token, so it was not shown to it: is that a server of another "
            "installation, or was the token revoked?"
        )
    return told, key
