"""What a server says at its doors while it waits to lead: that it stands by, and which server leads.

It listens where it will when it leads. Load balancers see that it lives and is not ready, programs are told which server they
want, and browsers as well. It lets nobody in, and has nothing to tell to who shows no token.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, NoReturn

import msgspec

from motet.errors import ConnectionError, ServiceError
from motet.server.access.door import HomeDoor
from motet.server.access.tokens import Tokens
from motet.server.admittance import proof_of
from motet.server.api.entrance import HttpEntrance
from motet.server.config import ServerConfig
from motet.server.entrances import Entrances
from motet.server.health import Health
from motet.server.health_app import Receive, Send
from motet.server.membership import Membership
from motet.server.peers import SocketPeer, Strangers
from motet.server.port.port import Port
from motet.store.base import TokenStore
from motet.wire.hello import Hello, StandsBy, WhoLeads

RETRY_AFTER = 2
"""Seconds after which a browser may ask again: about as long as it takes until another server leads."""


class Standby:
    """That of one server. `roots`: the processes that its containers descend from."""

    def __init__(
        self, config: ServerConfig, membership: Membership, tokens: TokenStore, roots: Callable[[], Iterable[int]]
    ) -> None:
        self._config = config
        self._membership = membership
        self._store = tokens
        self._roots = roots
        self._tokens: Tokens | None = None
        self._strangers = Strangers()
        self._health = Health(time.time(), lambda: False, lambda: False)
        self._health.stands_by = True
        self._http = _StandbyHttp(self._health, lambda: self._new_peer(in_websocket=True), self._leader_address)
        self._entrances, self._home = Entrances(self._new_peer), Entrances(self._new_peer)
        self._dashboard: asyncio.Server | None = None
        self._closing: asyncio.Task[None] | None = None
        self.port: Port | None = None
        """Where it listens for those who show a token, if it does, once it is open."""

    def look(self) -> None:
        """See which tokens there are, on a thread of its own. Raises `ServiceError`."""
        if self._tokens is None:
            # When a token was used last is for the server that leads to keep.
            self._tokens = Tokens(self._store, time.time, lambda work: None)
        else:
            self._tokens.look_again()

    async def open(self) -> None:
        """Listen. Idempotent. Raises `ServiceError`."""
        if self.port is not None or self._health.has_started:
            return
        self._health.has_started = True
        config, socket = self._config, self._config.socket
        if config.port is not None:
            self.port = self._entrances.open_port(Port(config.port, self._strangers, self._new_peer))
        if socket is not None:
            await self._home.open_unix(socket)
        if config.dashboard.port:
            try:
                self._dashboard = await asyncio.get_running_loop().create_server(
                    lambda: self._http.new_protocol(None), config.dashboard.host, config.dashboard.port
                )
            except OSError as error:
                where = f"{config.dashboard.host}:{config.dashboard.port}"
                raise ServiceError(f"dashboards cannot be served on {where}: {error.strerror or error}") from error

    def make_room(self) -> None:
        """Listen at ports no more: the server itself does from now on. Idempotent."""
        self._entrances.close()
        if self._dashboard is not None:
            self._dashboard.close()
            self._dashboard = None

    def close(self) -> None:
        """Listen no more. The socket of the home may be the server's by now. Idempotent."""
        self.make_room()
        self._home.close()
        if self._closing is None:
            self._closing = asyncio.create_task(self._http.close())

    def _new_peer(self, *, in_websocket: bool = False) -> SocketPeer:
        return SocketPeer(self._accept, self._strangers, None if in_websocket else self._http.new_protocol)

    def _accept(self, hello: Hello, peer: SocketPeer) -> NoReturn:
        tokens = self._tokens
        if hello.role != "client" or hello.container_id or tokens is None:
            raise ConnectionError("this server is starting: try again in a moment")
        door = HomeDoor(tokens, roots=self._roots)
        if hello.challenge:
            proof = proof_of(door, hello, self.port)
            is_user = peer.process is not None and peer.process.uid == os.geteuid()
            raise StandsBy("who leads was asked", self._told(proof) if proof or is_user else WhoLeads(here=False))
        door.admit(hello.token, peer.process)
        told = self._told("")
        where = f", reached at {told.address}" if told.address else ""
        who = f"{told.holder} leads (term {told.term}){where}" if told.holder else "another server is about to lead"
        raise StandsBy(
            f"this server stands by: {who}. Name all servers of this database (MOTET_SERVER=ADDRESS,ADDRESS), and the one that "
            "leads is found",
            told,
        )

    def _told(self, proof: str) -> WhoLeads:
        leader = self._membership.leader
        if leader is None or leader.left <= 0:
            return WhoLeads(here=False, proof=proof)
        member = self._membership.of_leader()
        address, fingerprint = ("", "") if member is None else (member.address, member.fingerprint)
        return WhoLeads(False, proof, leader.holder, leader.term, address, fingerprint)

    def _leader_address(self) -> str:
        member = self._membership.of_leader()
        return "" if member is None or member.address.startswith("unix:") else member.address


class _StandbyHttp(HttpEntrance):
    """HTTP at the doors of a server that stands by."""

    def __init__(self, health: Health, make_peer: Callable[[], SocketPeer], leader: Callable[[], str]) -> None:
        super().__init__(health, make_peer)
        self._leader = leader

    def open(self) -> Any:
        return self._answer

    async def _answer(self, scope: Any, receive: Receive, send: Send) -> None:
        where = self._leader()
        detail = "This server stands by: another one leads" + (f", at {where}." if where else ".")
        status = HTTPStatus.SERVICE_UNAVAILABLE
        body = msgspec.json.encode({"status": int(status), "title": "This server stands by", "detail": detail})
        headers = [
            (b"content-type", b"application/problem+json"),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
            (b"retry-after", str(RETRY_AFTER).encode()),
        ]
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": int(status), "headers": headers})
            await send({"type": "http.response.body", "body": body})
