"""The hosts of a cluster: room is reserved for what waits, and is given back when nobody needs it.

A node's host has what is reserved there, whatever its agent says of the machine. The engine is told of less before that is
given back, and of more when it is there.
"""

from __future__ import annotations

import asyncio
import logging

from msgspec.structs import replace

from motet.backends.base import HostReports
from motet.clusters.driver_link import DriverLink
from motet.clusters.ray_bundles import may_have
from motet.core import commands as c
from motet.core import events as e
from motet.core.reservations import Reservations
from motet.model.gpu import Gpu
from motet.model.host import HostSpec
from motet.model.reservation import HostUse, RoomAsked, RoomGranted
from motet.server.driver import Driver
from motet.server.hosts.hosts_backend import HostsBackend
from motet.wire import cluster as m

logger = logging.getLogger("motet.server")

LOOK_INTERVAL = 1.0
"""Seconds between two looks at what nobody needs, and at what does not come."""

SOON = 1.0
"""Seconds after which room that has not come is said not to come."""


class ElasticHosts:
    """Takes the place of who is told of hosts. `keep`: see `Reservations`."""

    def __init__(self, link: DriverLink, keep: float) -> None:
        self._link = link
        self._loop = asyncio.get_running_loop()
        self._reservations = Reservations(keep)
        self._driver: Driver | None = None
        self._reports: HostReports | None = None
        self._told: dict[str, HostSpec] = {}
        """What hosts that have joined say of themselves."""
        self._ours: set[str] = set()
        """Hosts on whose nodes something is reserved, and which may have an agent."""
        self._ever: set[str] = set()
        """Hosts that are nodes of the cluster, or were: they have what is reserved there, and nothing else."""
        self._nodes: tuple[m.ClusterNode, ...] = ()
        self._wanted: tuple[tuple[RoomAsked, int], ...] = ()
        self._serving: m.ServeAgents | None = None
        self._away = ""
        self._delay = ""
        self._agents_said: dict[str, str] = {}
        """Why there is no agent where there is room."""
        self._soon: asyncio.Handle | None = None
        self._home = self._run = self._address = ""

    async def find(self, address: str, home: str, run: str) -> str:
        """Find the cluster; what it is, in words. Raises `ServiceError`."""
        self._address, self._home, self._run = address, home, run
        return await self._link.open(self._begin, self._received, self._ended)

    def _begin(self) -> m.BeginOnCluster:
        made = (each for each in self._reservations.all if each.granted is not None)
        kept = tuple((each.number, each.granted.host_id) for each in made if each.granted is not None)
        return m.BeginOnCluster(self._address, self._home, self._run, kept)

    def take_part(self, driver: Driver, hosts: HostsBackend, reports: HostReports) -> None:
        """Carry out what the engine seeks from now on, and tell it of hosts."""
        self._driver, self._reports = driver, reports
        driver.perform({c.SeekRoom: self._sought})
        hosts.report_to(_HostsTold(self, reports))

    def serve(self, server: str, fingerprint: str, token: str) -> None:
        """Agents may come from now on, to there."""
        self._serving = m.ServeAgents(server, fingerprint, token)
        self._link.send(self._serving)

    async def close(self) -> None:
        """Give everything back. Idempotent."""
        self._driver = None
        if self._soon is not None:
            self._soon.cancel()
        await self._link.close()

    @property
    def problem(self) -> str:
        """What is wrong with the cluster; empty: nothing."""
        return self._away or next((f"{host_id}: {why}" for host_id, why in self._agents_said.items()), "")

    # --- what the engine seeks ---------------------------------------------------------------------------------------------

    def _sought(self, command: c.SeekRoom) -> None:
        self._wanted = command.wanted
        self._plan_soon(0.0)

    def _plan_soon(self, seconds: float) -> None:
        """Not now: the engine is in the middle of a turn, perhaps."""
        if self._soon is not None:
            self._soon.cancel()
        self._soon = self._loop.call_later(seconds, self._plan) if seconds else self._loop.call_soon(self._plan)

    def _plan(self) -> None:
        if self._driver is not None:
            self._driver.guard(self._carry_out_plan, self._driver)

    def _carry_out_plan(self, driver: Driver) -> None:
        self._soon = None
        uses = {host_id: self._by_number(host_id, use) for host_id, use in self._uses(driver).items()}
        plan = self._reservations.plan(self._wanted, uses, self._loop.time())
        for host_id in plan.smaller:  # first: nothing is to be started on what is given back
            self._tell_host(host_id)
        for number in plan.give_up:
            self._link.send(m.GiveBack(number))
        for each in plan.ask:
            self._link.send(m.Reserve(each.number, each.asked))
        for host_id in self._ours.difference(self._reservations.hosts):
            self._ours.discard(host_id)
            self._agents_said.pop(host_id, None)
            self._tell_host(host_id)
            self._link.send(m.EndAgent(host_id))
            logger.info("host %s is not needed, and given back to the cluster", host_id)
        self._tell_delay(driver)
        if len(self._reservations) or self._wanted:
            self._plan_soon(LOOK_INTERVAL)

    def _uses(self, driver: Driver) -> dict[str, HostUse]:
        found = driver.engine.inspection.uses()
        return {host_id: use for host_id, use in found.items() if host_id in self._told and host_id in self._ours}

    def _tell_delay(self, driver: Driver) -> None:
        delay, now = "", self._loop.time()
        late = [each for each in self._reservations.pending if now - each.since >= SOON]
        if self._wanted and self._away:
            delay = self._away
        elif self._wanted and late:
            able = sum(may_have(late[0].asked, node) for node in self._nodes)
            delay = (
                f"taken on {able} of {len(self._nodes)} nodes"
                if able
                else f"none of its {len(self._nodes)} nodes has that. An autoscaler is asked for it; without one, ask for "
                "less or add a node that has it"
            )
        elif self._wanted and self._agents_said:
            delay = next(f"the host agent on {host_id} ended: {why}" for host_id, why in self._agents_said.items())
        if delay != self._delay:
            self._delay = delay
            driver.take(e.RoomDelayed(delay))

    # --- what the cluster driver tells ---------------------------------------------------------------------------------------

    def _received(self, message: m.FromDriver) -> None:
        if isinstance(message, m.NodesAre):
            self._ever.update(node.host_id for node in message.nodes)
        if self._driver is not None:
            self._driver.guard(self._heard, message)
        elif isinstance(message, m.NodesAre):
            self._nodes = message.nodes

    def _heard(self, message: m.FromDriver) -> None:
        match message:
            case m.OnCluster():
                self._back(message.missing)
            case m.NodesAre():
                gone = {node.host_id for node in self._nodes} - {node.host_id for node in message.nodes}
                self._nodes = message.nodes
                for host_id in gone & self._told.keys():
                    self._tell_host(host_id)
            case m.RoomMade():
                granted = RoomGranted(host_id=message.host_id, gpus=message.gpus)
                if self._reservations.granted(message.number, granted):
                    self._ours.add(message.host_id)
                    self._ever.add(message.host_id)
                    self._tell_host(message.host_id)
            case m.RoomLost():
                self._lose(message.number, message.why)
            case m.AgentTold():
                logger.warning("the host agent on %s ended: %s", message.host_id, message.why)
                if message.host_id not in self._told:
                    self._agents_said[message.host_id] = message.why
        self._plan_soon(0.0)

    def _back(self, missing: tuple[int, ...]) -> None:
        """There is another driver: it knows of what was made, and is told of what is not."""
        self._away = ""
        for number in missing:
            self._lose(number, "it was gone when the cluster driver was back")
        if self._serving is not None:
            self._link.send(self._serving)
        for each in self._reservations.pending:
            self._link.send(m.Reserve(each.number, each.asked))

    def _lose(self, number: int, why: str) -> None:
        lost = next((each for each in self._reservations.all if each.number == number), None)
        self._reservations.lost(number)
        if lost is not None and lost.granted is not None:
            logger.warning("what was reserved on %s is lost: %s", lost.granted.host_id, why)
            self._tell_host(lost.granted.host_id)
        elif lost is not None:
            logger.warning("room for a container cannot be reserved: %s", why)

    def _ended(self, why: str) -> None:
        self._away = why
        self._plan_soon(0.0)

    # --- hosts, as they are told ---------------------------------------------------------------------------------------------

    def _tell_host(self, host_id: str) -> None:
        if (told := self._told.get(host_id)) is not None and self._reports is not None:
            self._reports.host_changed(self._shaped(told))

    def _shaped(self, told: HostSpec) -> HostSpec:
        """What is reserved there; who is no node of ours has what it says."""
        host_id = told.host_id
        if host_id not in self._ever:
            return told
        made = self._reservations.of_host(host_id)
        resources: dict[str, float] = {}
        for each in made:
            for name, amount in each.asked.resources:
                resources[name] = resources.get(name, 0.0) + amount
        is_there = any(node.host_id == host_id for node in self._nodes)
        leaving = told.leaving or ("" if made else "is not needed")
        return replace(
            told,
            cpu=sum(each.asked.cpu for each in made),
            memory_mib=sum(each.asked.memory_mib for each in made),
            gpus=tuple(_device(told, gpu) for each in made if each.granted is not None for gpu in each.granted.gpus),
            resources=resources,
            leaving=leaving if is_there else "has left the cluster",
        )

    def _by_number(self, host_id: str, use: HostUse) -> HostUse:
        """With GPUs as the cluster numbers them."""
        told = self._told[host_id]
        made = self._reservations.of_host(host_id)
        numbers = [gpu for each in made if each.granted is not None for gpu in each.granted.gpus]
        return replace(use, gpus=frozenset(gpu.uuid for gpu in numbers if _device(told, gpu).uuid in use.gpus))

    def host_joined(self, host: HostSpec) -> None:
        """An agent has come, and says what its machine has."""
        self._told[host.host_id] = host
        self._agents_said.pop(host.host_id, None)
        if self._reports is not None:
            self._reports.host_joined(self._shaped(host))
        self._plan_soon(0.0)

    def host_changed(self, host: HostSpec) -> None:
        """It says something else, or nothing."""
        self._told[host.host_id] = host
        self._tell_host(host.host_id)

    def host_lost(self, host_id: str, reason: str) -> None:
        """It is gone."""
        self._told.pop(host_id, None)
        if self._reports is not None:
            self._reports.host_lost(host_id, reason)
        self._plan_soon(0.0)


class _HostsTold:
    """See `HostReports`: of hosts the cluster's part is told first, of containers whoever was told."""

    def __init__(self, elastic: ElasticHosts, reports: HostReports) -> None:
        self.host_joined = elastic.host_joined
        self.host_changed = elastic.host_changed
        self.host_lost = elastic.host_lost
        self.container_output = reports.container_output
        self.container_frozen = reports.container_frozen
        self.container_thawed = reports.container_thawed
        self.container_ended = reports.container_ended
        self.backend_silent = reports.backend_silent
        self.backend_heard = reports.backend_heard
        self.backend_lost = reports.backend_lost
        self.template_ended = reports.template_ended


def _device(told: HostSpec, gpu: Gpu) -> Gpu:
    """The device of an agent's machine that the cluster calls by this number; what the agent cannot see goes by that."""
    if gpu.uuid.isdecimal() and int(gpu.uuid) < len(told.gpus):
        return told.gpus[int(gpu.uuid)]
    return next((each for each in told.gpus if each.uuid == gpu.uuid), gpu)
