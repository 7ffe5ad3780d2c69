"""What a server that stays does where it shares a database with others: it stands by, leads, and is found by clients."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from motet.agent.presence import Presence
from motet.client.cluster import MOST_TOLD
from motet.client.home import standing_directory
from motet.server.clients.conversation import Conversations
from motet.server.config import ServerConfig
from motet.server.lead import RENEWALS, Lead
from motet.server.membership import Membership
from motet.server.port.port import Port
from motet.server.server import Server
from motet.server.standby import Standby
from motet.server.wiring import StandingStores
from motet.store.lease import Leader
from motet.wire.client_messages import RequestBody
from motet.wire.conversation_messages import LeadTold
from motet.wire.operator_messages import MemberViewed, StatusViewed, ViewStatus

if TYPE_CHECKING:
    from motet.agent.agents import Agents
    from motet.server.shared_database import SharedDatabase

TAKEOVER = 1.0
"""Seconds after the end of a lease in which another server comes to run what the one before it ran."""

DOUBT_LOOK = 0.25
"""Seconds between two looks at whether a lead that may be over has been renewed."""

ANYWHERE = ("0.0.0.0", "::", "")


class Sharing:
    """That of one server. Made by `of`."""

    def __init__(self, config: ServerConfig, shared: SharedDatabase, agents: Agents) -> None:
        self._shared = shared
        self._agents = agents
        self._presence: Presence | None = None
        self._telling: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self.config = config
        """With the port that it has listened on."""
        self.standby = Standby(config, shared.membership, shared.tokens, agents.roots)
        shared.look = self.standby.look

    @classmethod
    async def of(cls, config: ServerConfig, directory: Path, agents: Agents, say: Callable[[str], None]) -> Sharing:
        """Raises `ServiceError`, and `InvalidError` for a URL of a database that makes no sense."""
        # Late: most servers have their home to themselves.
        from motet.server.shared_database import BesideDatabase, SharedDatabase

        url, elsewhere = config.store_credentials, BesideDatabase(config.blobs, config.secrets_key)
        shared = await asyncio.to_thread(SharedDatabase, directory, url, elsewhere, config.lease, say)
        return cls(config, shared, agents)

    async def lead(self, on_over: Callable[[str], None]) -> StandingStores:
        """When this server leads. `on_over` is told, on any thread, that it does not any more. Raises `ServiceError`."""
        try:
            stores = await asyncio.to_thread(self._shared.lead, on_over, self._waits_for)
        except BaseException:
            self.standby.close()
            raise
        await self._agents.follow(map(standing_directory, self._shared.homes), self._shared.membership.own.term)
        self._be_present()
        if self.config.port is not None and self.standby.port is not None:
            number = int(self.standby.port.address.rpartition(":")[2])
            self.config = replace(self.config, port=replace(self.config.port, port=number))
        return stores

    def serves(self, server: Server, lead: Lead) -> None:
        """Clients reach it from now on, and are told how it leads."""
        self.standby.close()
        self._reached_at(server.port, server.address)
        answer = server.operations.answers[ViewStatus]

        def with_members(body: RequestBody) -> StatusViewed:
            found = answer(body)
            assert isinstance(found, StatusViewed)
            return with_sharing(found, self._shared.membership)

        server.operations.answers[ViewStatus] = with_members
        membership = self._shared.membership
        server.health.watch("lease", lambda: membership.complaint, is_needed=False)
        server.admittance.term, server.admittance.is_in_doubt = membership.own.term, lambda: lead.left <= 0
        self._telling = self._loop.create_task(self._tell(server.conversations, lead))

    async def _tell(self, conversations: Conversations, lead: Lead) -> None:
        """Clients, until this is cancelled."""
        while True:
            left = lead.left
            others = [each.member for each in self._shared.membership.others]
            places = sorted((each.address, each.fingerprint) for each in others if is_reached_from_afar(each.address))
            conversations.tell(LeadTold(left <= 0, tuple(places[:MOST_TOLD])))
            # It is renewed meanwhile. While it may be over, it is looked at whether the database is back.
            await asyncio.sleep(left if left > 0 else DOUBT_LOOK)

    def close(self) -> None:
        """Idempotent."""
        if self._telling is not None:
            self._telling.cancel()
        self.standby.close()
        if self._presence is not None:
            self._presence.close()
        self._shared.close()

    def _be_present(self) -> None:
        membership = self._shared.membership

        def seconds() -> float:
            return membership.lease + TAKEOVER if membership.has_others_elsewhere else 0.0

        self._presence = Presence(lambda: self._agents.paths, membership.own.term, membership.lease / RENEWALS, seconds)

    def _waits_for(self, leader: Leader) -> None:
        """On the thread that waits."""
        asyncio.run_coroutine_threadsafe(self._stand_by(leader), self._loop).result()

    async def _stand_by(self, leader: Leader) -> None:
        if leader.holder and f" on {self._shared.membership.own.host}, " not in leader.holder:
            # That one has begun anew what they do.
            self._agents.end_left(leader.term)
        await self.standby.open()
        self._reached_at(self.standby.port, "" if self.config.socket is None else f"unix:{self.config.socket}")

    def _reached_at(self, port: Port | None, socket_address: str) -> None:
        address, fingerprint = socket_address, ""
        if port is not None:
            address, fingerprint = (
                advertised(port.address, self.config.names),
                "" if port.tls is None else port.tls.fingerprint,
            )
        self._shared.membership.reached_at(self.config.advertised or address, fingerprint)


def advertised(address: str, names: tuple[str, ...]) -> str:
    """Where clients of other machines reach a port.

    >>> advertised("tls:0.0.0.0:7433", ("build.example",)), advertised("tls:10.0.0.7:7433", ())
    ('tls:build.example:7433', 'tls:10.0.0.7:7433')
    """
    kind, _, where = address.partition(":")
    host, _, number = where.rpartition(":")
    if host.strip("[]") not in ANYWHERE:
        return address
    return f"{kind}:{names[0] if names else socket.gethostname()}:{number}"


def is_reached_from_afar(address: str) -> bool:
    """Whether clients of other machines can use it."""
    return bool(address) and not address.startswith("unix:")


def with_sharing(found: StatusViewed, membership: Membership) -> StatusViewed:
    """The status of a server that leads, with what is known of the others."""
    members = tuple(
        MemberViewed(each.holder.rstrip(","), each.address, each.motet, each.term, age, each.lease)
        for each, age in membership.all
    )
    return msgspec.structs.replace(found, term=membership.own.term, lease=membership.lease, members=members)
