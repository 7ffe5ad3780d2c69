"""The hosts of a cluster: what is asked of it, what hosts have then, and what becomes of that when parts of it go."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from motet.core.commands import Command, StartContainer
from motet.core.engine import Engine
from motet.core.events import Event, HostChanged, HostJoined, HostLost
from motet.core.host import HostLimits
from motet.model.gpu import Gpu, GpuRequest
from motet.model.host import HostSpec
from motet.model.reservation import RoomAsked
from motet.server.clock import Clock
from motet.server.cluster.elastic_hosts import ElasticHosts
from motet.server.driver import Driver
from motet.server.hosts.hosts_backend import HostsBackend
from motet.testing.backends import FakeBackend
from motet.testing.transcript import cancel, ended, function, ready, submit
from motet.wire import cluster as m
from motet.wire import report
from tests.contracts.backend_contract import RecordingReports
from tests.server.cluster.played_driver import PlayedDriver
from tests.server.virtual_loop import run_virtually

KEEP = 60.0
NODE, OTHER = "node-1", "node-2"
CORE = RoomAsked(cpu=1)
H100 = RoomAsked(cpu=1, gpu=(GpuRequest.parse("H100"),))


def node(host_id: str = NODE, **resources: float) -> m.ClusterNode:
    return m.ClusterNode(host_id, {"CPU": 4.0, **resources}, {})


def agent(host_id: str = NODE, gpus: int = 0, **has: Any) -> HostSpec:
    """What an agent says of a machine: all that there is."""
    devices = tuple(Gpu(uuid=f"GPU-{host_id}-{n}", kind="H100", memory_mib=80_000) for n in range(gpus))
    return HostSpec(host_id=host_id, cpu=64, memory_mib=100_000, gpus=devices, **has)


class EngineReports(RecordingReports):
    """Hosts as the engine is told of them."""

    def __init__(self, driver: Driver) -> None:
        super().__init__()
        self.driver = driver
        self.hosts: dict[str, HostSpec] = {}

    def host_joined(self, host: HostSpec) -> None:
        self.hosts[host.host_id] = host
        self.driver.take(HostJoined(host))

    def host_changed(self, host: HostSpec) -> None:
        self.hosts[host.host_id] = host
        self.driver.take(HostChanged(host))

    def host_lost(self, host_id: str, reason: str) -> None:
        del self.hosts[host_id]
        self.driver.take(HostLost(host_id, reason))


class Scene:
    """A server's engine and hosts, and a driver that a test plays."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        limits = HostLimits(own=False, cluster="the cluster", unasked_cpu=1.0)
        self.driver = Driver(Engine(failure=report.of, limits=limits), loop, Clock.of_loop(loop))
        self.started: list[StartContainer] = []
        self.broken: list[Exception] = []
        performers = dict.fromkeys(Command.__subclasses__(), self._perform)
        self.driver.attach(performers, self.broken.append, lambda seconds: None)
        self.link = PlayedDriver()
        self.hosts = ElasticHosts(self.link, KEEP)  # type: ignore[arg-type]
        self.reports = EngineReports(self.driver)

    def _perform(self, command: Command) -> None:
        if isinstance(command, StartContainer):
            self.started.append(command)

    async def open(self) -> None:
        assert await self.hosts.find("auto", "home", "se-1") == "a played cluster"
        self.link.says(m.NodesAre((node(),)))
        self.hosts.take_part(self.driver, HostsBackend(FakeBackend(), lambda: 0.0, None), self.reports)
        self.hosts.serve("tls:server:1", "sha256:1", "token")
        assert self.link.told() == [m.ServeAgents("tls:server:1", "sha256:1", "token")]

    async def happens(self, *events: Event) -> list[Any]:
        """What the driver is told then."""
        self.driver.take(*events)
        return await self.soon()

    async def soon(self, seconds: float = 0.01) -> list[Any]:
        await asyncio.sleep(seconds)
        assert not self.broken
        return self.link.told()

    async def says(self, *messages: m.FromDriver) -> list[Any]:
        for message in messages:
            self.link.says(message)
        return await self.soon()

    def shortage(self) -> str:
        return self.driver.engine.inspection.view("fu-f", self.driver.clock.now()).shortage

    async def one_container(self) -> None:
        """Of a function that has one input, on a node whose agent has joined."""
        assert await self.happens(function("f"), submit("a", 1)) == [m.Reserve(1, CORE)]
        assert await self.says(m.RoomMade(1, NODE)) == []
        self.hosts.host_joined(agent())
        await self.soon()
        assert [(each.host, each.container_id) for each in self.started] == [(NODE, self.started[0].container_id)]


def play(scene: Callable[[Scene], Awaitable[None]]) -> None:
    async def main() -> None:
        on = Scene()
        await on.open()
        await scene(on)
        await on.hosts.close()
        assert on.link.is_closed
        assert not on.broken

    run_virtually(main())


def test_a_host_has_what_is_reserved_on_its_node_whatever_its_agent_says() -> None:
    async def scene(on: Scene) -> None:
        await on.one_container()
        host = on.reports.hosts[NODE]
        assert (host.cpu, host.memory_mib, host.leaving) == (1, 0, "")
        assert await on.happens(submit("b", 2)) == [m.Reserve(2, CORE), m.Reserve(3, CORE)]
        await on.says(m.RoomMade(2, NODE))
        assert on.reports.hosts[NODE].cpu == 2
        assert len(on.started) == 2
        on.hosts.host_changed(agent(silent="does not answer"))
        assert (on.reports.hosts[NODE].cpu, on.reports.hosts[NODE].silent) == (2, "does not answer")

    play(scene)


def test_what_is_not_needed_is_given_back_after_a_while_and_its_agent_is_not_needed_either() -> None:
    async def scene(on: Scene) -> None:
        await on.one_container()
        await on.happens(*ready(1))
        assert await on.soon(30.0) == []
        await on.happens(cancel("a"), ended(1))
        assert await on.soon(KEEP - 2) == [], "it may be used again"
        assert await on.soon(10.0) == [m.GiveBack(1), m.EndAgent(NODE)]
        host = on.reports.hosts[NODE]
        assert (host.cpu, host.leaving) == (0, "is not needed"), "an agent that has not ended yet has no room"
        on.hosts.host_lost(NODE, "has left")
        assert on.reports.hosts == {}

    play(scene)


def test_room_that_nobody_wants_any_more_is_given_back_at_once_also_when_it_comes_late() -> None:
    async def scene(on: Scene) -> None:
        assert await on.happens(function("f"), submit("a", 1)) == [m.Reserve(1, CORE)]
        on.driver.take(cancel("a"))
        assert await on.soon() == [m.GiveBack(1)]
        assert await on.says(m.RoomMade(1, NODE)) == []
        on.hosts.host_joined(agent())
        assert on.reports.hosts[NODE].cpu == 0

    play(scene)


def test_what_does_not_come_is_said_with_its_reason() -> None:
    async def scene(on: Scene) -> None:
        await on.happens(function("f", gpu=["H100"]), submit("a", 1))
        assert on.shortage() == "waiting for 1 x H100, 1 CPU on the cluster"
        await on.soon(2.0)
        assert on.shortage().startswith("waiting for 1 x H100, 1 CPU on the cluster: none of its 1 nodes has that. ")
        await on.says(m.NodesAre((node(), node(OTHER, GPU=1, **{"accelerator_type:H100": 1}))))
        await on.soon(2.0)
        assert on.shortage() == "waiting for 1 x H100, 1 CPU on the cluster: taken on 1 of 2 nodes"
        on.link.dies("the cluster driver has ended")
        await on.soon()
        assert on.shortage() == "waiting for 1 x H100, 1 CPU on the cluster: the cluster driver has ended"
        assert on.hosts.problem == "the cluster driver has ended"

    play(scene)


def test_devices_of_a_reservation_are_those_of_the_agents_machine_by_number() -> None:
    async def scene(on: Scene) -> None:
        assert await on.happens(function("f", gpu=["H100"]), submit("a", 2)) == [m.Reserve(1, H100), m.Reserve(2, H100)]
        unseen = Gpu(uuid="7", kind="H100", memory_mib=0)
        await on.says(m.RoomMade(1, NODE, (Gpu(uuid="1", kind="H100", memory_mib=0),)), m.RoomMade(2, NODE, (unseen,)))
        on.hosts.host_joined(agent(gpus=2))
        await on.soon()
        assert sorted(each.gpus for each in on.started) == [("7",), (f"GPU-{NODE}-1",)]
        # The one that the agent does not see goes by its number, and is given back alone when its container has ended.
        seventh = 1 + [each.gpus for each in on.started].index(("7",))
        await on.happens(cancel("a"), ended(seventh))
        assert await on.soon(KEEP + 2) == [m.GiveBack(2)]

    play(scene)


def test_a_driver_that_is_started_again_is_told_what_is_there_and_what_is_not_made() -> None:
    async def scene(on: Scene) -> None:
        await on.one_container()
        await on.happens(submit("b", 1))
        on.link.dies("it was killed")
        assert on.link.begin() == m.BeginOnCluster("auto", "home", "se-1", ((1, NODE),))
        serve = m.ServeAgents("tls:server:1", "sha256:1", "token")
        assert (await on.says(m.OnCluster("it", ())))[:2] == [serve, m.Reserve(2, CORE)]
        assert on.hosts.problem == ""
        # What it does not find is lost, and asked for anew where containers wait.
        told = await on.says(m.OnCluster("it", (1,)))
        assert on.reports.hosts[NODE].cpu == 0
        assert on.reports.hosts[NODE].leaving == "is not needed"
        assert m.EndAgent(NODE) in told

    play(scene)


def test_a_node_that_leaves_the_cluster_gets_nothing_more() -> None:
    async def scene(on: Scene) -> None:
        await on.one_container()
        await on.says(m.NodesAre((node(OTHER),)))
        assert on.reports.hosts[NODE].leaving == "has left the cluster"
        await on.says(m.RoomLost(1, "its node has left the cluster"))
        assert on.reports.hosts[NODE].cpu == 0

    play(scene)


def test_why_an_agent_does_not_come_is_said_until_one_has() -> None:
    async def scene(on: Scene) -> None:
        await on.happens(function("f"), submit("a", 1))
        await on.says(m.RoomMade(1, NODE), m.AgentTold(NODE, "this host has Python 3.12.1, and the server 3.11.7"))
        assert on.shortage().endswith(
            f"the host agent on {NODE} ended: this host has Python 3.12.1, and the server 3.11.7"
        )
        assert on.hosts.problem == f"{NODE}: this host has Python 3.12.1, and the server 3.11.7"
        on.hosts.host_joined(agent())
        await on.soon()
        assert (on.hosts.problem, on.shortage()) == ("", "")

    play(scene)


def test_a_machine_that_somebody_else_has_join_has_what_it_says() -> None:
    async def scene(on: Scene) -> None:
        await on.happens(function("f"))
        on.hosts.host_joined(agent("box"))
        assert on.reports.hosts["box"].cpu == 64
        assert await on.happens(submit("a", 1)) == []
        assert [each.host for each in on.started] == ["box"]

    play(scene)
