"""The server that stays: a process of its own, one under each home, until it is told to end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import uvloop

from motet.client.adopted import Adopted
from motet.client.descriptors import fill_standard_descriptors
from motet.client.family import adopt_orphans
from motet.client.home import standing_directory
from motet.client.scratch import sweep
from motet.errors import ServiceError
from motet.model.version import VERSION
from motet.server.access.audit import Audit
from motet.server.access.door import HomeDoor
from motet.server.access.tokens import Tokens
from motet.server.cluster.config import ClusterConfig
from motet.server.config import ServerConfig
from motet.server.containers.app_users import missing_rights
from motet.server.driver import logger
from motet.server.on_cluster import ServerCluster
from motet.server.port.config import PortConfig
from motet.server.rare_collections import collect_rarely
from motet.server.server import Server
from motet.server.service_manager import ServiceManager
from motet.server.sharing import Sharing
from motet.server.wiring import (
    StandingStores,
    attach_agents,
    build_server,
    inherited_from,
    open_audit,
    open_stores,
    take_home,
)

if TYPE_CHECKING:
    from motet.agent.agents import Agents

ENDING_GRACE = 15.0
"""Seconds that ending may take beyond what apps have to stop: then the process ends, whatever hangs."""

PRUNE_INTERVAL = 3600.0
"""Seconds between two looks for bundles that nobody needs."""

REAP_INTERVAL = 30.0
"""Seconds between two looks for processes that have ended, and whose parent is gone."""

HUNG = 1

SUPPLANTED = 75
"""The exit status of a server that does not lead any more: it may be started again, and waits then."""

FIRST_TOKEN, FIRST_RIGHT = "admin", "administer"
"""What is made when a home gets its first server."""

Say = Callable[[str], None]


def stand(
    home: Path, port: PortConfig | None, say: Say, show: Say, store: str = "", cluster: ClusterConfig | None = None
) -> int:
    """Be the server of this home until SIGTERM or SIGINT; the exit status. A second signal ends the process at once, and its
    containers with it. `store`: the URL of a database to keep things in, if it is not the environment that names one.
    `cluster`: where containers run, if that is not this machine. What is a secret is said by `show`, and not by `say`, which
    may lead to a log. Raises `AlreadyExistsError` if another server has the home, `InvalidError` and `ServiceError`."""
    fill_standard_descriptors()
    collect_rarely()
    config = _with_possible_users(ServerConfig.of_standing(home, port, store, cluster))
    place = take_home(standing_directory(home))
    try:
        audit = Audit(open_audit(place.directory), time.time, _on_a_thread)
        # What containers leave behind stays below this process, where the door knows it.
        adopt_orphans()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            try:
                return runner.run(_open_and_serve(config, place.directory, audit, say, show))
            finally:
                audit.write()
    finally:
        place.close()


def _with_possible_users(config: ServerConfig) -> ServerConfig:
    missing = missing_rights() if config.app_users else ()
    if missing:
        logger.warning(
            "containers without walls run as root: users of their own for apps take %s, which this server lacks (in a "
            "container: docker run --cap-add SYS_ADMIN); MOTET_APP_USERS=off has it no longer said",
            " and ".join(missing),
        )
        return replace(config, app_users=False)
    return config


async def _open_and_serve(config: ServerConfig, directory: Path, audit: Audit, say: Say, show: Say) -> int:
    supplanted = _Supplanted(audit)
    if not config.store_credentials:
        with contextlib.closing(open_stores(directory, config.blobs, config.secrets_key)) as stores:
            agents = await attach_agents(config, directory)
            return await _serve(config, agents, stores, audit, say, show)
    # First: then its template is warm when this server comes to lead.
    agents = await attach_agents(config, directory)
    supplanted.end_containers = agents.end_now
    with contextlib.ExitStack() as open_ones:
        try:
            with _ended_by_signals(agents.end_now):
                sharing = await Sharing.of(config, directory, agents, say)
                open_ones.callback(sharing.close)
                stores = open_ones.enter_context(contextlib.closing(await sharing.lead(supplanted.end)))
        except BaseException:
            await (agents.leave() if agents.held else agents.close())
            raise
        return await _serve(sharing.config, agents, stores, audit, say, show, sharing)


class _Supplanted:
    """What is done when another server leads: clients find that one, and nothing of this one is to go on."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit
        self.end_containers: Callable[[], None] = lambda: None

    def end(self, why: str) -> NoReturn:
        """This process, now, on whatever thread it is found out; containers first, as what they do is done again elsewhere."""
        logger.error("%s. This server ends, and its containers with it", why)
        self.end_containers()
        self._audit.write()
        os._exit(SUPPLANTED)


@contextlib.contextmanager
def _ended_by_signals(end_containers: Callable[[], None]) -> Iterator[None]:
    """While it waits to lead: nobody has anything from it yet."""
    loop = asyncio.get_running_loop()

    def asked() -> None:
        end_containers()
        os._exit(0)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


async def _serve(
    config: ServerConfig,
    agents: Agents,
    stores: StandingStores,
    audit: Audit,
    say: Say,
    show: Say,
    sharing: Sharing | None = None,
) -> int:
    inherited = inherited_from(agents, stores)
    door = HomeDoor(Tokens(stores.tokens, time.time, _on_a_thread), config.principal_quota, agents.roots)
    server = build_server(
        config,
        agents,
        door=door,
        audit=audit,
        bundles=stores.bundles,
        inherited=inherited,
        deployed=stores.deployments,
        journal=stores.journal,
        blobs=stores.blobs,
        state=stores.state,
    )
    if (lead := stores.lead) is not None:
        server.health.watch("database", lambda: lead.problem)
    _say_what_is_taken_over(len(inherited.held), say)
    manager = ServiceManager(os.environ)
    cluster = ServerCluster(config)
    with _signals(server, agents.end_now, say):
        try:
            if sharing is not None:
                sharing.standby.make_room()
            await cluster.find(server.server_id, say)
            await server.start()
        except BaseException:
            await cluster.close()
            await server.stop()
            raise
        if sharing is not None and lead is not None:
            sharing.serves(server, lead)
        cluster.serve(server, door)
        _say_where(server, say)
        if door.tokens.is_new:
            show(f"Admin token, which is shown this once: {door.tokens.new(FIRST_TOKEN, (FIRST_RIGHT,))}")
        if config.dashboard.port is not None:
            say(f"The dashboard is at {server.dashboard.open()}, for browsers that log in with a token")
        say(f"Ready (process {os.getpid()})")
        sweeping = asyncio.create_task(asyncio.to_thread(_sweep_and_load, server))
        pruning = asyncio.create_task(_prune_now_and_then(server))
        reaping = asyncio.create_task(_reap_now_and_then(lambda: agents.agent))
        manager.ready(f"listens at {server.address}")
        await server.ending.wait()
        manager.stopping(config.stop_grace + ENDING_GRACE)
        pruning.cancel()
        reaping.cancel()
        try:
            async with asyncio.timeout(config.stop_grace + ENDING_GRACE):
                await sweeping
                await server.stop()
                await cluster.close()
        except TimeoutError:
            say(f"The server did not end within {config.stop_grace + ENDING_GRACE:g} s, and is ended.")
            agents.end_now()
            os._exit(HUNG)
        finally:
            manager.close()
    if server.broken is not None:
        raise server.broken
    say(f"The server has ended{', and left its containers to the next one' if server.hands_over else ''}.")
    return 0


def _say_what_is_taken_over(containers: int, say: Say) -> None:
    if containers:
        say(f"Taking over {containers} container{'' if containers == 1 else 's'} from the server before this one")


def _sweep_and_load(server: Server) -> None:
    """What can wait until the server is ready, and takes a while."""
    if server.port is not None:
        server.http_api.load()
    sweep()


async def _prune_now_and_then(server: Server) -> None:
    """Until it is cancelled, as the server ends."""
    while True:
        await asyncio.sleep(PRUNE_INTERVAL)
        try:
            await server.pruning.prune()
        except ServiceError as error:
            logger.warning("bundles that nobody needs could not be removed: %s", error)


async def _reap_now_and_then(agent: Callable[[], int]) -> None:
    """Let go of processes that a host agent has left behind which was killed, until it is cancelled."""
    adopted = Adopted()
    while True:
        await asyncio.sleep(REAP_INTERVAL)
        adopted.look({agent()})


def _on_a_thread(work: Callable[[], None]) -> None:
    asyncio.get_running_loop().run_in_executor(None, work)


def _say_where(server: Server, say: Say) -> None:
    say(f"Motet {VERSION} listens at {server.address}")
    if server.port is None:
        return
    say(f"and at {server.port.address}, for clients with a token")
    if (tls := server.port.tls) is not None:
        say(f"Its key has the fingerprint {tls.fingerprint}, its certificate holds until {_day(tls.expires_at)}")


def _day(moment: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(moment))


@contextlib.contextmanager
def _signals(server: Server, end_containers: Callable[[], None], say: Say) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def asked(number: signal.Signals) -> None:
        if server.ending.is_set():
            end_containers()
            os._exit(128 + number)
        count = len(server.operations.views())
        server.ending.set()  # first: it ends whether that can be said or not
        say(f"Stopping: {count} app{'' if count == 1 else 's'} and all containers ({number.name}; again ends at once)")

    def asked_to_hand_over() -> None:
        if not server.ending.is_set():
            server.hands_over = True
            server.ending.set()
            say("Handing over: apps and containers are left to the next server (SIGUSR2)")

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked, number)
    loop.add_signal_handler(signal.SIGUSR2, asked_to_hand_over)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2):
            loop.remove_signal_handler(number)
