"""A client's conversation with the server, which outlives the connections that it is held over."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import weakref
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from motet.errors import ConnectionError, RequestSizeError
from motet.server.peers import UNSENT_BYTES, Handler, SocketPeer, sendable
from motet.wire import codec
from motet.wire.codec import ToServer
from motet.wire.conversation_messages import NOT_COUNTED, Goodbye, LeadTold, Taken
from motet.wire.hello import Hello
from motet.wire.kept_messages import KeptMessages
from motet.wire.message import Message

logger = logging.getLogger("motet.server")

GRACE = 30.0
"""Seconds that a client whose connection broke has to come back, unless MOTET_CONNECTION_GRACE says otherwise."""

ACKNOWLEDGE_AFTER = 0.1
"""Seconds after which a client is told that what it said is here: it keeps it until then."""

KEPT_BYTES = UNSENT_BYTES
"""What is kept for a client beside the oldest message. Who has been told more, and has not said that it has it, cannot come
back for it."""

MOST_SILENT = 3
"""Heartbeats without a sign of the client after which its connection is broken. They are counted, and not seconds: a server
that stands still itself has heard nobody."""

SHORTEST_HEARTBEAT, LONGEST_HEARTBEAT = 1.0, 600.0
"""Seconds. A client that asks for more or fewer gets these."""


class Stays(Handler, Protocol):
    """Who is let in by the door (see `Guest`): what it says goes here."""

    is_away: bool


class Conversation:
    """One client's. For its session it is the peer, for each of its connections the handler.

    While no connection is there, what the session says is kept, for `grace` seconds: then the client is gone.
    """

    def __init__(
        self, identity: str, grace: float, ended: Callable[[], None], lead: Callable[[], LeadTold] = LeadTold
    ) -> None:
        """`identity`: of the principal that holds it, who alone may take it up. `ended` is called once, at its end. `lead`: how
        the server leads now."""
        self.identity = identity
        self._lead = lead
        self._grace = grace
        self._ended = ended
        self._guest: Stays | None = None
        self._peer: SocketPeer | None = None
        self._kept: KeptMessages | None = KeptMessages()
        """None: too much of it was not taken in."""
        self._taken = self._acknowledged = 0
        """Messages of the client's that are here, and of which it knows that."""
        self._heartbeat = 0.0
        self._silent = 0
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._is_over = False

    @property
    def can_be_taken_up(self) -> bool:
        """Whether all is here that its client may lack."""
        given_up = self._peer is not None and self._peer.is_given_up
        return self._kept is not None and not given_up and not self._is_over

    # --- the session and the door call these ---------------------------------------------------------------------------

    @property
    def unsent_bytes(self) -> int:
        """See `Peer`."""
        if self._peer is not None:
            return self._peer.unsent_bytes
        return 0 if self._kept is None else self._kept.size_bytes

    def send(self, messages: Sequence[Message]) -> None:
        """See `Peer`."""
        if self._is_over:
            return
        try:
            frames = codec.counted_frames(messages)
        except RequestSizeError:
            if (fitting := sendable(messages)) is None:
                self.close()
                return
            frames = codec.counted_frames(fitting)
        if self._kept is not None:
            self._kept.say(frames)
            if self._kept.more_than_oldest_bytes > KEPT_BYTES:
                self._kept = None
        if self._peer is not None:
            self._peer.write([frame for _, frame in frames])
        elif self._kept is None:
            logger.warning(
                "a client is given up that is away: more than %.0f MiB wait for it to come back", KEPT_BYTES / 2**20
            )
            self.end()

    def close(self) -> None:
        """See `Peer`."""
        if self._peer is not None:
            self._peer.close()
        else:
            self.end()

    def refuse(self, reason: str) -> None:
        """End it, and say why if somebody is there to hear it."""
        peer = self._peer
        self.end()
        if peer is not None:
            peer.refuse(reason)

    # --- connections ------------------------------------------------------------------------------------------------------

    def begin(self, guest: Stays, token: str, hello: Hello, peer: SocketPeer) -> None:
        """Its first connection is here. Raises `ConnectionError` if it is over already."""
        self._guest = guest
        if self._is_over:
            raise ConnectionError("the token has expired")
        self._attach(token, hello, peer, [])

    def take_up(self, hello: Hello, peer: SocketPeer) -> None:
        """Its client is here again, over another connection: it is told what it lacks. Raises `ConnectionError` for a client
        that says what cannot be."""
        assert self._kept is not None
        frames = self._kept.after(hello.taken)
        before, self._peer = self._peer, None
        if before is not None:
            before.let_go()
        self._attach(hello.conversation_token, hello, peer, frames)

    def _attach(self, token: str, hello: Hello, peer: SocketPeer, frames: list[bytes]) -> None:
        self._stop_timers()
        assert self._guest is not None
        self._guest.is_away = False
        self._peer = peer
        self._acknowledged = self._taken
        peer.agree(token, self._taken)
        if frames:
            peer.write(frames)
        if (lead := self._lead()) != LeadTold():
            self.tell(lead)
        self._silent = 0
        if hello.heartbeat_ms > 0:
            self._heartbeat = min(max(hello.heartbeat_ms / 1000, SHORTEST_HEARTBEAT), LONGEST_HEARTBEAT)
            self._later("heartbeat", self._heartbeat, self._beat)

    def tell(self, lead: LeadTold) -> None:
        """How the server leads, to its client if that is there; who comes back is told then."""
        if self._peer is not None:
            self._acknowledged = self._taken
            self._peer.send((Taken(self._taken, lead),))

    def receive(self, messages: Sequence[ToServer]) -> None:
        """See `Handler`."""
        assert self._guest is not None
        said: list[Any] = []
        leaves = False
        for message in messages:
            if isinstance(message, Taken):
                if self._kept is not None:
                    self._kept.taken(message.count)
            elif isinstance(message, Goodbye):
                leaves = True
            else:
                said.append(message)
                if not isinstance(message, NOT_COUNTED):
                    self._taken += 1
        if said:
            self._guest.receive(said)
        if leaves:
            peer = self._peer
            self.end()
            if peer is not None:
                peer.close()
        elif self._taken > self._acknowledged and "acknowledge" not in self._timers:
            self._later("acknowledge", ACKNOWLEDGE_AFTER, self._acknowledge)

    def disconnected(self) -> None:
        """See `Handler`: the connection broke, or somebody ended it."""
        peer, self._peer = self._peer, None
        if self._is_over:
            return
        # Also for one of which nothing has come: what it said may have been lost with the connection.
        if peer is None or peer.is_given_up or self._kept is None:
            self.end()
            return
        assert self._guest is not None
        self._guest.is_away = True
        self._stop_timers()
        self._later("grace", self._grace, self.end)

    def end(self) -> None:
        """Nobody will take it up: what only its client wanted ends now. Idempotent."""
        if self._is_over:
            return
        self._is_over = True
        self._peer, self._kept = None, None
        self._stop_timers()
        self._ended()
        if self._guest is not None:
            self._guest.disconnected()

    # --- timers ---------------------------------------------------------------------------------------------------------------

    def _acknowledge(self) -> None:
        if self._peer is not None:
            self._acknowledged = self._taken
            self._peer.send((Taken(self._taken),))

    def _beat(self) -> None:
        peer = self._peer
        if peer is None:
            return
        self._silent = 0 if peer.heard or peer.is_behind else self._silent + 1
        peer.heard = False
        if self._silent >= MOST_SILENT:
            peer.abort()
            return
        self._acknowledge()
        self._later("heartbeat", self._heartbeat, self._beat)

    def _later(self, name: str, seconds: float, act: Callable[[], None]) -> None:
        def due() -> None:
            del self._timers[name]
            act()

        self._timers[name] = asyncio.get_running_loop().call_later(seconds, due)

    def _stop_timers(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()


class Conversations:
    """All of a server's that may be taken up. `grace`: seconds that each is kept without a connection; 0: none is, and clients
    cannot be told how the server leads: where another one may lead by now, their connections end with an error."""

    def __init__(self, grace: float = GRACE) -> None:
        self._grace = grace
        self._all: dict[bytes, Conversation] = {}
        """By a hash of the secret that takes it up."""
        self._not_kept: weakref.WeakSet[SocketPeer] = weakref.WeakSet()
        """Connections of clients that have none."""
        self.lead = LeadTold()
        """How this server leads, of which all are told."""

    def __len__(self) -> int:
        return len(self._all)

    def tell(self, lead: LeadTold) -> None:
        """This is how this server leads from now on."""
        if lead != self.lead:
            self.lead = lead
            for each in list(self._all.values()):
                each.tell(lead)
            if doubt := _doubt(lead):
                for peer in list(self._not_kept):
                    peer.refuse(doubt)

    def greet(self, hello: Hello, peer: SocketPeer, identity: str, enter: Callable[[Any], Stays]) -> Handler:
        """The handler for a client's connection, which was let in as the principal with this identity. `enter` lets it in as a
        new client, whose session is to speak to the peer that it gets. Who names a conversation that is not here, or another's,
        begins one of its own: it sees that by the secret that it is given. Raises `ConnectionError`."""
        if not hello.lasts:
            return enter(peer)
        if self._grace <= 0:
            if doubt := _doubt(self.lead):
                raise ConnectionError(doubt)
            self._not_kept.add(peer)
            return enter(peer)
        found = self._all.get(_hashed(hello.conversation_token)) if hello.conversation_token else None
        if found is not None and found.identity == identity:
            if found.can_be_taken_up:
                found.take_up(hello, peer)
                return found
            found.end()
        token = secrets.token_urlsafe(24)
        key = _hashed(token)
        conversation = Conversation(identity, self._grace, lambda: self._forget(key), lambda: self.lead)
        conversation.begin(enter(conversation), token, hello, peer)
        self._all[key] = conversation
        return conversation

    def _forget(self, key: bytes) -> None:
        self._all.pop(key, None)


def _doubt(lead: LeadTold) -> str:
    """Why a client is to leave that cannot go over by itself; empty if there is no other server for it, or no doubt."""
    if not lead.in_doubt or not lead.others:
        return ""
    return (
        "it cannot reach its database, and another server may lead by now: "
        f"{', '.join(address for address, _ in lead.others)}. Spawned calls go on there; name all servers "
        "(MOTET_SERVER=ADDRESS,ADDRESS), and the one that leads is found. With a MOTET_CONNECTION_GRACE above 0 on the "
        "servers, programs go over by themselves"
    )


def _hashed(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
