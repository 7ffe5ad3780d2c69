"""The cluster driver for Ray: `python -m motet.clusters.ray_driver FD`, a child of the server, which speaks over that socket.

Ray ends the process of a driver when the head of its cluster is away for a minute; so it is never the server's. It asks for
what the server asks for, tells what comes of that, and knows of no functions, inputs or containers. When the server is gone it
gives everything back; when it is killed itself, what is reserved stays, and the next driver finds it by its name.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import msgspec

from motet.backends.channel import Channel
from motet.clusters.ray_agent import AgentSettings
from motet.clusters.ray_cluster import RayCluster
from motet.errors import ServiceError
from motet.model.gpu import Gpu
from motet.wire import cluster as m

LOOK_INTERVAL = 1.0
"""Seconds between two looks at nodes, and at reservations that are not made: Ray's API has nothing that tells of either."""

PAUSES = (1.0, 5.0, 15.0, 60.0)
"""Seconds until an agent that has ended is started once more, on a node where there are reservations."""

THREADS = 32
"""That wait for Ray."""

CREATED, PENDING = "CREATED", ("PENDING", "PREPARED", "RESCHEDULING")
"""States of placement groups. One that is rescheduled has lost its node."""

T = TypeVar("T")

logger = logging.getLogger("motet.cluster")


class _Group:
    """A reservation, as the driver knows it. `group` is None until Ray has been asked."""

    __slots__ = ("asked", "group", "host_id", "is_over", "number")

    def __init__(self, number: int, asked: Any) -> None:
        self.number = number
        self.asked = asked
        self.group: Any = None
        self.host_id = ""
        self.is_over = False


class _NodeAgent:
    """An agent of a node. `needless`: it is to end."""

    __slots__ = ("host_id", "needless")

    def __init__(self, host_id: str) -> None:
        self.host_id = host_id
        self.needless = asyncio.Event()


class RayDriver:
    """`run` it. `sock`: the end of the server's socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        self._channel = Channel(sock, m.decode_to_driver, self._received, self._server_gone)
        self._threads = ThreadPoolExecutor(THREADS, "ray")
        self._watchers = ThreadPoolExecutor(1024, "agent")
        """Each agent's end is waited for on a thread, which does nothing meanwhile."""
        self._cluster: RayCluster | None = None
        self._found: asyncio.Future[RayCluster] = self._loop.create_future()
        self._serving: asyncio.Future[m.ServeAgents] = self._loop.create_future()
        self._run = ""
        self._nodes: tuple[m.ClusterNode, ...] = ()
        self._groups: dict[int, _Group] = {}
        self._agents: dict[str, _NodeAgent] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._over = asyncio.Event()

    async def run(self) -> None:
        """Until the server is gone, or says that it ends."""
        await self._over.wait()
        for task in self._tasks:
            task.cancel()
        if self._cluster is not None:
            with contextlib.suppress(Exception):  # Ray may be away, and the server does not wait for ever
                async with asyncio.timeout(10):
                    await self._give_everything_back(self._cluster)
        await self._channel.flushed()
        self._channel.close()

    async def _give_everything_back(self, cluster: RayCluster) -> None:
        groups = await self._wait_for(cluster.groups)
        await asyncio.gather(*(self._wait_for(cluster.give_back, group) for group in groups.values()))
        await asyncio.gather(*(self._wait_for(cluster.end_agent, host_id, 3.0) for host_id in list(self._agents)))
        await self._wait_for(cluster.end_agents_before)

    # --- the server --------------------------------------------------------------------------------------------------------

    def _tell(self, message: m.FromDriver) -> None:
        self._channel.send_nowait(m.cluster_frame(message))

    def _server_gone(self) -> None:
        self._over.set()

    def _received(self, message: m.ToDriver) -> None:
        match message:
            case m.BeginOnCluster():
                self._spawn(self._begin(message))
            case m.ServeAgents():
                self._serving.set_result(message)
            case m.Reserve():
                self._groups[message.number] = group = _Group(message.number, message.asked)
                self._spawn(self._reserve(group))
            case m.GiveBack():
                if (gone := self._groups.pop(message.number, None)) is not None:
                    self._spawn(self._give_back(gone))
            case m.EndAgent():
                if (agent := self._agents.get(message.host_id)) is not None:
                    agent.needless.set()
            case m.LeaveCluster():
                self._over.set()

    def _spawn(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("the cluster driver could not do what it was to do: %s", error, exc_info=error)

    async def _wait_for(self, call: Callable[..., T], *args: Any) -> T:
        return await self._loop.run_in_executor(self._threads, call, *args)

    # --- the cluster -------------------------------------------------------------------------------------------------------

    async def _begin(self, begin: m.BeginOnCluster) -> None:
        try:
            # On the main thread: Ray has its signal handlers there.
            cluster = RayCluster(begin.address, begin.home)
        except ServiceError as error:
            self._tell(m.NotOnCluster(str(error)))
            self._over.set()
            return
        self._nodes = await self._wait_for(cluster.nodes)
        self._run, missing = begin.run, []
        found = await self._wait_for(cluster.groups)
        for number, host_id in begin.kept:
            group = found.pop(f"{begin.run}:{number}", None)
            if group is None:
                missing.append(number)
                continue
            kept = self._groups[number] = _Group(number, None)
            kept.group, kept.host_id = group, host_id
        for group in found.values():
            await self._wait_for(cluster.give_back, group)
        self._cluster = cluster
        for host_id in dict.fromkeys(host_id for number, host_id in begin.kept if number not in missing):
            self._have_agent(host_id, await self._wait_for(cluster.take_over_agent, host_id))
        await self._wait_for(cluster.end_agents_before)
        self._found.set_result(cluster)
        self._tell(m.OnCluster(cluster.what, tuple(missing)))
        self._tell(m.NodesAre(self._nodes))
        await self._look_again_and_again(cluster)

    async def _look_again_and_again(self, cluster: RayCluster) -> None:
        while True:
            await asyncio.sleep(LOOK_INTERVAL)
            try:
                nodes = await self._wait_for(cluster.nodes)
                if nodes != self._nodes:
                    self._nodes = nodes
                    self._tell(m.NodesAre(nodes))
                for group in [each for each in self._groups.values() if each.group is not None]:
                    if not group.host_id or not any(node.host_id == group.host_id for node in nodes):
                        await self._look_at(cluster, group)
            except Exception as error:  # Ray's, of whatever kind: its head may be away
                logger.warning("the cluster does not answer: %s", error)

    # --- reservations ------------------------------------------------------------------------------------------------------

    async def _reserve(self, group: _Group) -> None:
        cluster = await self._found
        try:
            name = cluster.named(f"{self._run}:{group.number}")
            group.group = await self._wait_for(cluster.reserve, name, group.asked, self._nodes)
            if group.is_over:
                await self._wait_for(cluster.give_back, group.group)
                return
            await self._wait_for(cluster.wait, group.group, 1)
            await self._look_at(cluster, group)
        except Exception as error:  # Ray's, of whatever kind
            self._lost(group, str(error))

    async def _look_at(self, cluster: RayCluster, group: _Group) -> None:
        """Tell what has become of it, if anything has."""
        state, host_id = await self._wait_for(cluster.where, group.group)
        if group.is_over or group.number not in self._groups:
            return
        if state == CREATED and host_id and not group.host_id:
            gpus: tuple[Gpu, ...] = ()
            if group.asked is not None and group.asked.gpu:
                gpus = await self._wait_for(cluster.gpus, group.group, group.asked, host_id, self._nodes)
                if group.number not in self._groups:  # given back meanwhile
                    return
            group.host_id = host_id
            self._have_agent(host_id)
            self._tell(m.RoomMade(group.number, host_id, gpus))
        elif group.host_id and (state != CREATED or host_id != group.host_id):
            self._lost(group, f"{group.host_id} has left the cluster")
            await self._wait_for(cluster.give_back, group.group)
        elif state not in (CREATED, *PENDING):
            self._lost(group, f"the cluster says that it is {state.lower()}")

    def _lost(self, group: _Group, why: str) -> None:
        if self._groups.pop(group.number, None) is not None:
            group.is_over = True
            self._tell(m.RoomLost(group.number, why))

    async def _give_back(self, group: _Group) -> None:
        group.is_over = True
        if group.group is not None and self._cluster is not None:
            await self._wait_for(self._cluster.give_back, group.group)

    # --- agents ------------------------------------------------------------------------------------------------------------

    def _have_agent(self, host_id: str, watched: Any = None) -> None:
        """On that node. `watched`: the end of one that is there already."""
        agent = self._agents.get(host_id)
        if agent is None:
            agent = self._agents[host_id] = _NodeAgent(host_id)
            self._spawn(self._keep(agent, watched))
        agent.needless.clear()

    async def _keep(self, agent: _NodeAgent, watched: Any) -> None:
        """While it is needed, and its node is there. Begun and ended here alone, one after the other."""
        cluster, pauses, host_id = await self._found, iter(PAUSES), agent.host_id
        while not agent.needless.is_set() and any(node.host_id == host_id for node in self._nodes):
            ended = asyncio.ensure_future(self._ended(cluster, host_id, watched))
            needless = asyncio.ensure_future(agent.needless.wait())
            await asyncio.wait({ended, needless}, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                self._tell(m.AgentTold(host_id, ended.result()))
            while True:  # its actor may be just starting, and then there is nothing to end yet
                await self._wait_for(cluster.end_agent, host_id)
                if (await asyncio.wait({ended}, timeout=1.0))[0]:
                    break
            watched = None
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(needless, 0 if agent.needless.is_set() else next(pauses, PAUSES[-1]))
        del self._agents[host_id]

    async def _ended(self, cluster: RayCluster, host_id: str, watched: Any) -> str:
        """Why an agent has ended, or could not be started."""
        try:
            if watched is None:
                watched = await self._wait_for(cluster.start_agent, host_id, await self._settings(host_id))
            _, why = await self._loop.run_in_executor(self._watchers, cluster.await_end, watched)
        except Exception as error:  # Ray's, of whatever kind
            why = str(error)
        return why or "it ended without a word"

    async def _settings(self, host_id: str) -> bytes:
        serving, cluster = await self._serving, self._cluster
        assert cluster is not None
        labels = next((node.labels for node in self._nodes if node.host_id == host_id), {})
        where = serving.server
        for everywhere in ("0.0.0.0", "[::]"):
            where = where.replace(f":{everywhere}:", f":{cluster.own_ip}:")
        return msgspec.json.encode(AgentSettings(where, serving.fingerprint, serving.token, host_id, labels))


async def _main(descriptor: int) -> None:
    driver = RayDriver(socket.socket(fileno=descriptor))
    await driver.run()


def main() -> None:
    """Be the driver, and end at once: threads that wait for Ray are not waited for."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    asyncio.run(_main(int(sys.argv[1])))
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
