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
from motet.wire.conversation_messages import LeadTold
from motet.wire.hello import Agreed, Hello, Refused, StandsBy, WhoLeads
from motet.wire.server_proof import server_proof, token_digest, token_name

_SECRET = ("tls", "wss")
ASK_TIMEOUT = 2.0
"""Seconds for each step of asking one server: others may answer sooner."""
NOBODY_PATIENCE = 2.0
"""Seconds after which a client that comes for the first time believes that no server is there."""
DOUBT_INTERVAL = 0.25
"""Seconds between two looks at whether another server leads, while the one that is used cannot know that it still does."""
MOST_TOLD = 16
"""Servers that nobody named, and that are remembered."""


class ServerPlace(NamedTuple):
    """Where a server is reached. `fingerprint`: of its key, or of several, with commas between them; empty: an authority has to
    vouch for it."""

    address: str
    fingerprint: str = ""


class NobodyThere(ConnectionError):
    """None of the servers is there, or knows the token: not even one that waits to lead."""


class AnotherLeads(ConnectionError):
    """The server that this client uses leads no more, whatever it knows itself."""


class Cluster:
    """Those that were named, and those that they told of. Not thread-safe."""

    def __init__(self, on: Ground, addresses: Sequence[str], fingerprint: str, token: str) -> None:
        self._on = on
        self._named = [ServerPlace(address, fingerprint) for address in addresses]
        self._told: list[ServerPlace] = []
        """Those that are not among those that were named."""
        self._token = token
        self._check_at, self._began_at = float("-inf"), on.now()
        self._term = 0
        """The latest that is known of."""
        self.in_doubt = False
        """The server that is used has said that another one may lead by now."""

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
        """A server that stands by says who leads."""
        self._remember(ServerPlace(told.address, told.fingerprint))

    def hear(self, lead: LeadTold) -> None:
        """The server that is used says how it leads, and which others there are."""
        self.in_doubt = lead.in_doubt
        for address, fingerprint in lead.others:
            self._remember(ServerPlace(address, fingerprint))

    def _remember(self, place: ServerPlace) -> None:
        """What is not secret on its way is not gone over because a server says so."""
        kind = place.address.partition(":")[0]
        kinds = {each.address.partition(":")[0] for each in self._named}
        if any(place.address == each.address for each in self._named) or not (kind in _SECRET or kind in kinds):
            return
        self._told = [place, *(each for each in self._told if each.address != place.address)][:MOST_TOLD]

    def leader(self, last: str = "") -> ServerPlace:
        """Where to show the token. Those that were named are asked first, and of them the one at `last` last; one whose lead is
        in doubt is taken if no other leads, and none is known to have led since. Raises `NobodyThere`, or `ConnectionError` if
        some are there that do not lead: one of them will soon. Both say what each has said."""
        problems: list[str] = []
        anybody, asked = False, set()
        doubtful: ServerPlace | None = None
        waiting = sorted(self._places(), key=lambda place: (place in self._told, place.address == last))
        while waiting:
            place = waiting.pop(0)
            asked.add(place)
            try:
                told, key = ask(self._on, place, self._token)
            except (OSError, ConnectionError, ServiceError) as error:
                problems.append(str(error))
                continue
            anybody = True
            if told.here:
                found = ServerPlace(place.address, key or place.fingerprint)
                if not told.in_doubt:
                    self._term = max(self._term, told.term)
                    return found
                if told.term >= self._term:
                    doubtful = doubtful or found
                problems.append(f"the one at {place.address} cannot know whether it still leads (term {told.term})")
                continue
            self.learn(told)
            waiting += [each for each in self._places() if each not in asked and each not in waiting]
            leads = f"waits for {told.holder} (term {told.term})" if told.holder else "waits to lead"
            problems.append(f"the one at {place.address} {leads}")
        if doubtful is not None:
            return doubtful
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
        """For who hears nothing from the server at this address, or that it is in doubt: the others are asked, once in so many
        seconds, and so that most of the time is left for other things. Raises `AnotherLeads` if one of them leads."""
        began = self._on.now()
        if self.is_one or began < self._check_at:
            return
        for place in self._places():
            if place.address != here and self._leads(place):
                why = "cannot know whether it leads" if self.in_doubt else "is silent"
                raise AnotherLeads(f"the server at {here} {why}, and the one at {place.address} leads")
        now = self._on.now()
        took = now - began
        # On a busy machine all is slow, and the next to lead is to be found soon; one that says nothing is another matter.
        self._check_at = now + max(every, took if took < ASK_TIMEOUT else 4 * took)

    def check_doubt(self, here: str) -> None:
        """The same, as soon as may be, while the server at this address is in doubt."""
        if self.in_doubt:
            self.check_leads(here, DOUBT_INTERVAL)

    def _leads(self, place: ServerPlace) -> bool:
        try:
            told = ask(self._on, place, self._token)[0]
        except (OSError, ConnectionError, ServiceError):
            return False
        if not told.here or told.in_doubt:
            return False
        self._term = max(self._term, told.term)
        return True

    def _places(self) -> list[ServerPlace]:
        return [*self._named, *self._told]


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
