"""The server: everything put together around one engine, on one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import secrets
from collections.abc import Callable
from functools import partial
from pathlib import Path

from motet.backends.base import Backend
from motet.client.scratch import Scratch
from motet.core import events as e
from motet.core.engine import Engine
from motet.errors import ConnectionError, InternalError
from motet.model.ids import ENTROPY_BITS, id_suffix
from motet.model.quota import NO_QUOTA
from motet.model.server_identity import ServerIdentity
from motet.server.access.allowance import Allowances
from motet.server.access.audit import Audit
from motet.server.access.door import Door, OwnDoor, Principal
from motet.server.access.principal_numbers import PrincipalNumbers
from motet.server.access.rights import EVERYTHING, inside
from motet.server.access.token_answers import token_answers
from motet.server.access.tokens import OPERATOR
from motet.server.admittance import Admittance
from motet.server.api.entrance import ApiEntrance
from motet.server.api.reception import Reception
from motet.server.api.visit import Visit
from motet.server.apps.catalogue import Catalogue
from motet.server.apps.levels import LevelsHere
from motet.server.apps.lifetimes import Lifetimes
from motet.server.bundles.pruning import Pruning
from motet.server.bundles.uploads import Uploads
from motet.server.clients.calls_room import CallsServed
from motet.server.clients.conversation import Conversation, Conversations
from motet.server.clients.guests import Guest, Guests
from motet.server.clients.queues import Queues
from motet.server.clients.session import ClientSession
from motet.server.clients.shared_parts import SharedParts
from motet.server.clients.turnstile import AGAIN_WINDOW
from motet.server.clock import Clock
from motet.server.config import ServerConfig
from motet.server.containers.come_back import Inherited
from motet.server.dashboard.dashboard import Dashboard
from motet.server.dashboard.logins import Logins
from motet.server.deployments.deployments import Deployer
from motet.server.deployments.room import DeploymentsRoom
from motet.server.deployments.seen import seen
from motet.server.driver import Driver, try_step
from motet.server.effects import performers
from motet.server.entrances import Entrances
from motet.server.health import Health
from motet.server.hosts.hosts_backend import HostsBackend
from motet.server.http.ingress import Ingress
from motet.server.http.own_names import OwnNames
from motet.server.images.room import ImagesRoom
from motet.server.journal.room import calls_room
from motet.server.lines import Lines
from motet.server.metrics.endpoint import MetricsEndpoint
from motet.server.metrics.metrics import Metrics
from motet.server.metrics.opentelemetry import MeteredServer
from motet.server.metrics.tally import Tally
from motet.server.observers import attach_observers
from motet.server.operations import Operations
from motet.server.peers import Handler, Peer, SocketPeer, Strangers
from motet.server.port.port import Port
from motet.server.records.begin import OpenRecords
from motet.server.records.sampler import Sampler
from motet.server.sandboxes.launched import Launched
from motet.server.state.shared_state import NO_STATE, SharedState
from motet.server.status import server_status
from motet.server.traces.load_trace import LoadTrace
from motet.server.unattended import Unattended
from motet.store.base import BundleStore, CallStore, DeploymentStore, HomeUsage
from motet.store.blob_places import NO_BLOBS, BlobPlaces
from motet.store.journal import Journal
from motet.wire import report
from motet.wire.hello import Hello, StandsBy
from motet.wire.operator_messages import ViewStatus


class Server:
    """One control plane. All methods are called on the thread of the running loop it was made on. `tally`: what servers before
    it in this process have counted, to go on from. `scratch`: the directory for its socket, removed with the server. `door`:
    lets in those who are no containers; without one, the server has a token of its own."""

    def __init__(
        self,
        config: ServerConfig,
        backend: Backend,
        store: CallStore,
        open_records: OpenRecords | None = None,
        tally: Tally | None = None,
        tidy_records: Callable[[], object] = lambda: None,
        scratch: Scratch | None = None,
        door: Door | None = None,
        audit: Audit | None = None,
        bundles: BundleStore | None = None,
        inherited: Inherited | None = None,
        deployed: DeploymentStore | None = None,
        home_usage: Callable[[], HomeUsage] | None = None,
        journal: Journal | None = None,
        blobs: BlobPlaces = NO_BLOBS,
        images: ImagesRoom | None = None,
        state: SharedState = NO_STATE,
    ) -> None:
        self._config, self._bundles, self._state = config, bundles, state
        self._door, self._images = door or OwnDoor(), images or ImagesRoom(bundles)
        self.admittance = Admittance(self._door, audit, self._closed)
        self._clock = Clock.of_loop(loop := asyncio.get_running_loop())
        id_base = id_suffix(int(self._clock.wall_now() * 1000), secrets.randbits(ENTROPY_BITS))
        self.server_id, first = "se-" + id_base, 1 if inherited is None else inherited.first_attempt
        engine = Engine(failure=report.of, id_base=id_base, limits=config.limits, first_attempt=first)
        self._driver = Driver(engine, loop, self._clock)
        self._tally, self._sampler, self._lines = tally or Tally(), Sampler(self._driver), Lines()
        self._load_trace = None if config.trace_directory is None else LoadTrace(config.trace_directory)
        told = self._driver, self._lines, self._tally, self._sampler, self._load_trace, open_records
        self._records = attach_observers(config, *told, self._identity, tidy_records)
        self._allowances = Allowances(self._clock.now)
        self.ending = asyncio.Event()
        """Set when whoever runs this server is to `stop` it."""
        self._spawned = calls_room(journal, store, self._allowances.store, self._clock, config, self.ending.set, blobs)
        self._calls = self._spawned.calls
        self._web = Ingress(
            config.web,
            self.connect,
            lambda function_id, variant: self._room.names.bind(function_id, variant, by_request=True),
            lambda function_id: self._room.refusal(function_id),  # noqa: PLW0108 - there is no room yet
            config.app_quota.requests,
        )
        self._catalogue = Catalogue(self._driver, id_base, LevelsHere(config.isolation, backend.lacks, config.listen))
        ends = config.stop_grace, self._calls.forget_app
        self._lifetimes = Lifetimes(self._driver, self._catalogue, self._lines, self._web, *ends, config.app_quota)
        counted = self._tally, self._driver.follow, config.certificates, home_usage, backend.silence
        self._metrics = Metrics(self._catalogue.views, *counted, self._spawned.progress)
        self._backend = HostsBackend(backend, self._clock.wall_now, bundles, app_users=config.app_users)
        of_backend = self._driver, self._backend, self._catalogue, self._lifetimes, self._lines, self._images
        self.launched = Launched(*of_backend, config, inherited)
        self._containers = self.launched.containers
        self._catalogue.claim = self._spawned.claims(self._containers.returning.claim)
        self.operations = Operations(self._driver, self._catalogue, self._containers, self._records, self._calls.erase)
        self._logins = Logins(self._clock.now, *(() if door is None else (self.admittance.by_token,)))
        self.dashboard = Dashboard(
            config.dashboard, self.operations, self._metrics, logins=self._logins, names=config.names, audit=audit
        )
        metrics = config.metrics
        self._metrics_endpoint = None if metrics is None else MetricsEndpoint(metrics, self._metrics, config.names)
        self._metered, self._client_numbers = MeteredServer(self._metrics), itertools.count(1)
        self._driver.listen(self._metered.told)
        self.principals = PrincipalNumbers(lambda: next(self._client_numbers), stays=inherited is not None)
        parts = self._driver, self._catalogue, self._lifetimes, self._web, deployed, self._images.seams
        room = self._room = DeploymentsRoom(
            *(*parts, self.principals.of, self._calls.forget_app, Unattended(self._visited).spawn),
            *(self.operations.read, self._spawned.arguments_of),
        )
        self._spawned.attach(CallsServed(*parts[:3], room.names, room.place, self._containers))
        self._parts = SharedParts(
            *parts[:3],
            self._calls,
            Queues(self._allowances.store),
            self.operations,
            self.dashboard.invite,
            room.names,
            room.place,
            room.deployments,
            self.launched.requests,
            self._containers.given,
            0.0 if inherited is None else self._clock.now() + AGAIN_WINDOW,
            state.attached(self._allowances.store),
        )
        self._clients: dict[int, ClientSession] = {}
        self._driver.attach(
            performers(
                self._containers, self._catalogue, self._lifetimes, self._calls, self._clients, self._parts.given, room
            ),
            self._broke,
            self._containers.ask_standstill,
        )
        self.health = Health(self._clock.wall_now(), self.ending.is_set, lambda: self.broken is not None)
        self._stopped, self._address, self._inherited, self._scratch = asyncio.Event(), "", inherited, scratch
        self._strangers, self._guests = Strangers(), Guests(self._clock, self.disconnect, config.connections)
        self.conversations, self._entrances = Conversations(config.connection_grace), Entrances(self.new_peer)
        self.http_api = ApiEntrance(
            Reception(
                admit=self.admittance.admit,
                enter=self._visited,
                find_running=self._catalogue.find,
                has_call=self.operations.has_call,
                is_ending=lambda: bool(self._closed()),
                now=self._clock.wall_now,
            ),
            OwnNames(config.names),
            self.health,
            lambda: self.new_peer(in_websocket=True),
        )
        own = token_answers(self._door, self._cut_off), Uploads(bundles).answers, self.launched.requests.of_operators
        also = self._images.answers, self.pruning.answers, state.of_operators
        for answers in (*own, *also, seen(self._parts.deployments), self.admittance.answers):
            self.operations.answers.update(answers)

    @property
    def pruning(self) -> Pruning:
        """Lets go of what is not needed."""
        return Pruning(self._parts.deployments, self._bundles, self._spawned.bundles, self._spawned.sweep)

    broken: InternalError | None = None
    """What made it end before its time, if anything did."""
    port: Port | None = None
    """Where it listens for those who show a token, if it does, once it has started."""
    metrics_url: str | None = None
    """Where metrics are served on a port of their own, once it has started."""
    hands_over = False
    """Its containers, and the apps of clients that stay connected, are left to the server after it when it stops."""

    async def start(self) -> None:
        """Listen for containers, get the backend ready, and have what was deployed serve."""
        if self._config.port is not None:  # first of all: whoever watches over it is told that it is starting
            self.port = self._entrances.open_port(Port(self._config.port, self._strangers, self.new_peer))
        deployed = await self._room.prepare()
        await self._spawned.prepare()
        if self._metrics_endpoint is not None:
            self.metrics_url = self._metrics_endpoint.open()
        self._address = await self._entrances.open(
            self._config.listen, lambda: self._config.containers_socket or self._config.socket or self._own_socket()
        )
        for path in () if self._inherited is None else self._inherited.sockets:
            await self._entrances.open_unix(path)
        await self.launched.open(self._address)
        self._records.open()
        socket = self._config.socket if self._config.containers_socket else None
        if socket is not None:  # what clients submit again would run once more where its container is not back
            await self.launched.take_over()
        self._room.deployments.restore(deployed)  # first: who comes in finds it
        await self._spawned.restore()
        if socket is not None:
            self._address = await self._entrances.open(self._config.listen, lambda: socket)
            self._containers.returning.expect_claims()
        for name, part in (("spawned calls", self._spawned), ("records", self._records), ("notices", self._room)):
            self.health.watch(name, lambda part=part: part.problem, is_needed=False)  # type: ignore[misc]
        self.health.watch("journal", lambda: self._spawned.hang)
        self.operations.answers[ViewStatus] = lambda body: server_status(
            self.health, self.operations, self._guests, self._strangers, self.address, self.port
        )
        self.health.has_started = True

    def _own_socket(self) -> Path:
        self._scratch = self._scratch or Scratch("server")
        return self._scratch.path / "socket"

    async def stop(self) -> None:
        """Stop all apps (exit hooks run), then everything else. Idempotent."""
        await self._room.schedules.close()  # first: nothing is run any more that would be cancelled
        self._spawned.ending()
        if self.broken is None and not self.hands_over:
            for session in self._clients.values():
                session.farewell()  # first: a second signal may end this process at any moment
            self.launched.sandboxes.end_all_nowait("its server stopped")
            await self._stop_apps()
        self._containers.heartbeats.stop()
        await self._images.close()
        await self._room.close()
        self.http_api.end()
        await self._web.stop()
        for part in (self._metered, self.dashboard, self.http_api, self._state):
            await part.close()
        if self._metrics_endpoint is not None:
            await self._metrics_endpoint.close()
        if self.hands_over and self._inherited is not None:
            await self._driver.finish()  # first: connections that end from here on mean nothing
            await self._inherited.leave()
        else:
            await self._backend.close()
            self._driver.close()
        self._sampler.stop()
        await self._spawned.close()
        await self._records.close()
        if self._load_trace is not None:
            self._load_trace.save()
        self._entrances.close()
        if self._scratch is not None:
            self._scratch.remove()

    @property
    def address(self) -> str:
        """Where it listens for clients, once it does."""
        return self._address

    @property
    def token(self) -> str:
        """What proves that a client is one of the user who runs it."""
        return self._door.token

    async def _stop_apps(self) -> None:
        self._lifetimes.stop_all(self._stopped.set, leaves_spawned=self._spawned.outlives)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), self._config.stop_grace + 5)

    def _broke(self, error: InternalError) -> None:
        """A promise was broken: nobody is to wait for what may never come. All clients are told, and all containers go."""
        self.broken = error  # first: who connects while the others are told is told, too
        problem = report.of(error)
        for session in list(self._clients.values()):
            try_step(session.broken, problem)
        try_step(self._containers.kill_all)
        self._stopped.set()
        self.ending.set()

    def new_peer(self, *, in_websocket: bool = False) -> SocketPeer:
        """The server's end of a connection that comes in over a socket, or over what stands in for one."""
        http = None if in_websocket else self.http_api.new_protocol
        return SocketPeer(self._accept, self._strangers, http, "" if self._inherited is None else self.server_id)

    def connect(
        self,
        peer: Peer,
        principal: Principal | None = None,
        *,
        container_id: str | None = None,
        where: str = "here",
        confirms: bool = False,
    ) -> ClientSession:
        """A client that came in by the door, as this principal, or one in this process, or in a container: what it sends goes
        to `receive`, what it gets to `peer`. Who may operate may do with all calls and apps as their clients do. `where`: how
        it came in, for the audit log. `confirms`: it says which outcomes it has."""
        number = next(self._client_numbers)
        by = None if principal is None else self.principals.of(principal.identity, number)
        rights = EVERYTHING if principal is None else principal.rights
        if principal is not None and by is not None and principal.quota != NO_QUOTA:
            name = f"the principal {principal.name!r}"
            self._allowances.set(by, name, principal.quota)
            self._driver.take(e.PrincipalLimited(by, name, principal.quota))
        if container_id is not None:
            function_id = self._containers.function_of(container_id)
            if not self._catalogue.has(function_id):
                raise ConnectionError("the app of this container is not here yet")
            owner = self._lifetimes.life_of(self._catalogue.app_of(function_id).app_id)
            by, rights = owner.principal, inside(owner.rights)
        session = self._clients[number] = ClientSession(
            number,
            peer,
            self._parts,
            rights=rights,
            principal=by,
            by=Deployer(*((OPERATOR, OPERATOR) if principal is None else (principal.name, principal.identity)), rights),
            is_inside=container_id is not None,
            came_as=principal,
            allowance=None if by is None else self._allowances.of(by),
            audit=self.admittance.audit_of(principal, container_id, where, number),
            confirms=confirms,
        )
        return session

    def disconnect(self, session: ClientSession) -> None:
        """The client is gone."""
        if self._clients.pop(session.number, None) is not None:
            session.disconnected()

    def _cut_off(self, name: str, reason: str) -> None:
        """The principal of this name may not stay, wherever it is."""
        self._guests.cut_off(name, reason)
        self._logins.cut_off(name)
        self._backend.cut_off(name, reason)

    def _visited(self, visit: Visit, principal: Principal, where: str) -> Guest:
        return self._enter(principal, "", where, False, visit)

    def _enter(
        self, principal: Principal, whose: str, where: str, confirms: bool, peer: SocketPeer | Conversation | Visit
    ) -> Guest:
        return self._guests.add(self.connect(peer, principal, where=where, confirms=confirms), peer, principal, whose)

    def _identity(self) -> ServerIdentity:
        socket, began_at = self._config.socket, self._clock.wall_now()
        address = self._containers.walling.address if socket is None else f"unix:{socket}"
        return ServerIdentity(self.server_id, os.getpid(), began_at, address, self._door.token)

    def _closed(self) -> str:
        return self.health.closed if self.broken is None else str(self.broken)

    def _accept(self, hello: Hello, peer: SocketPeer) -> Handler:
        if self.broken is not None:
            raise ConnectionError(str(self.broken))
        if hello.role == "client" and not hello.container_id:
            peer.travels = self._backend.takes_bundles
            if (told := self.admittance.told(hello, self.port)) is not None:
                raise StandsBy("who leads was asked", told)
            principal = self.admittance.admit(hello.token, peer.process, peer.where)
            enter = partial(self._enter, principal, principal.identity, peer.where, hello.confirms)
            return self.conversations.greet(hello, peer, principal.identity, enter)
        if hello.role == "host":
            return self._backend.accept(hello, self.admittance.admit(hello.token, peer.process, peer.where), peer)
        if (handler := self.launched.accept(hello, peer)) is not None:
            return handler
        session = self.connect(peer, container_id=hello.container_id, confirms=hello.confirms)
        return self._guests.add(session, peer, None, hello.container_id)
