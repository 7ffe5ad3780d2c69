"""Hosts that join a server: who may bring one, what it is told, what it may say, and what becomes of it when it is silent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from motet.backends.base import ContainerEnd, Launch
from motet.errors import ConnectionError
from motet.model.gpu import Gpu
from motet.model.host import HostSpec, why_not_a_host
from motet.server.access.door import Principal
from motet.server.access.rights import CALL, HOST
from motet.server.hosts.hosts_backend import HostsBackend
from motet.server.hosts.joined_host import INTERVAL, LOST_AFTER, SILENT_AFTER
from motet.store.base import BundleStore
from motet.testing.backends import FakeBackend
from motet.wire import host_messages as m
from motet.wire.hello import Hello
from motet.wire.message import Message
from tests.contracts.backend_contract import RecordingReports
from tests.server.virtual_loop import run_virtually

BRINGER = Principal("bringer", HOST)
BOX = HostSpec(host_id="box", cpu=4)


class HostReports(RecordingReports):
    """With the hosts that there are."""

    def __init__(self) -> None:
        super().__init__()
        self.hosts: dict[str, HostSpec] = {}
        self.lost_hosts: list[tuple[str, str]] = []

    def host_joined(self, host: HostSpec) -> None:
        assert host.host_id not in self.hosts
        self.hosts[host.host_id] = host

    def host_changed(self, host: HostSpec) -> None:
        assert host.host_id in self.hosts
        self.hosts[host.host_id] = host

    def host_lost(self, host_id: str, reason: str) -> None:
        del self.hosts[host_id]
        self.lost_hosts.append((host_id, reason))


class Line:
    """The server's end of an agent's connection, which keeps what is sent."""

    unsent_bytes = 0

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.is_closed = False

    def send(self, messages: Any) -> None:
        self.sent += messages

    def close(self) -> None:
        self.is_closed = True

    def told(self, kind: type[Message]) -> list[Any]:
        return [each for each in self.sent if isinstance(each, kind)]


class Scene:
    """A server's hosts, and agents that speak to them."""

    def __init__(self, store: BundleStore | None = None, **options: Any) -> None:
        self.now = 0.0
        self.store = store
        self.reports = HostReports()
        self.own = FakeBackend()
        self.backend = HostsBackend(self.own, lambda: self.now, self.store, **options)

    async def open(self) -> None:
        await self.backend.open(self.reports)
        self.backend.report_to(self.reports)

    def join(
        self, host: HostSpec = BOX, agent: str = "first", holds: tuple[str, ...] = (), principal: Principal = BRINGER
    ) -> tuple[Any, Line]:
        line = Line()
        handler = self.backend.accept(Hello("host", ""), principal, line)
        handler.receive([m.HostJoins(host, agent, holds)])
        return handler, line

    def start(self, container_id: str, host: str = "box") -> None:
        self.backend.start_nowait(
            Launch(container_id=container_id, address="unix:/s", token="t", env={"A": "1"}, host=host, paths=("/p",))
        )


def play(scene: Callable[[Scene], Awaitable[None]], **options: Any) -> None:
    async def main() -> None:
        on = Scene(**options)
        await on.open()
        await scene(on)

    run_virtually(main())


def test_what_is_to_run_on_a_host_is_said_to_its_agent_and_what_it_says_of_that_is_reported() -> None:
    async def scene(on: Scene) -> None:
        handler, line = on.join()
        assert on.reports.hosts == {"box": BOX}
        assert line.told(m.HostIsWelcome) == [m.HostIsWelcome()]
        on.start("ta-1")
        on.start("ta-own", host="")
        assert [each.container_id for each in on.own.launches] == ["ta-own"]
        assert line.told(m.StartHosted) == [m.StartHosted("ta-1", "t", {b"A": b"1"}, paths=("/p",))]
        handler.receive([m.HostedWrote("ta-1", "stdout", b"hello"), m.HostedFroze("ta-1"), m.HostedFroze("ta-1", True)])
        handler.receive([m.HostedEnded("ta-1", 3, "why"), m.HostedEnded("ta-1", 4), m.HostedEnded("ta-own", 5)])
        handler.receive([m.HostedWrote("ta-own", "stdout", b"of another")])
        assert on.reports.output == {("ta-1", "stdout"): b"hello"}
        assert on.reports.ended == {"ta-1": ContainerEnd(container_id="ta-1", code=3, reason="why")}
        assert [what for what, _ in on.reports.log] == ["output", "frozen", "thawed", "ended"]

    play(scene)


def test_a_host_that_does_not_answer_is_silent_then_lost_and_its_agent_is_not_heard_any_more() -> None:
    async def scene(on: Scene) -> None:
        handler, line = on.join()
        on.start("ta-1")
        for _ in range(10):  # which it answers
            await asyncio.sleep(INTERVAL)
            for asked in line.told(m.AskHost):
                handler.receive([m.HostAnswers(asked.number)])
        assert on.reports.hosts == {"box": BOX}
        await asyncio.sleep(INTERVAL * (SILENT_AFTER + 1))
        assert "has not answered for 3 s" in on.reports.hosts["box"].silent
        handler.receive([m.HostAnswers(line.told(m.AskHost)[-1].number)])
        assert on.reports.hosts == {"box": BOX}
        await asyncio.sleep(INTERVAL * (LOST_AFTER + 2))
        assert on.reports.hosts == {}
        assert on.reports.lost_hosts == [("box", "has not answered for 5 s")]
        assert line.is_closed
        handler.receive([m.HostedEnded("ta-1", 0), m.HostAnswers(99)])
        handler.disconnected()
        assert on.reports.ended == {}, "whose host was lost ends with it"

    play(scene)


def test_an_agent_that_is_back_in_time_keeps_what_it_has_and_ends_what_it_was_to_end() -> None:
    async def scene(on: Scene) -> None:
        handler, _ = on.join()
        for name in ("ta-stays", "ta-ends", "ta-gone"):
            on.start(name)
        handler.disconnected()
        assert on.reports.hosts["box"].silent == "its connection is gone"
        on.backend.kill_nowait("ta-ends")
        on.start("ta-unheard")
        again, line = on.join(holds=("ta-ends", "ta-stays", "ta-unknown"))
        assert line.told(m.HostIsWelcome) == [m.HostIsWelcome(("ta-stays",))], "it ends all that is not known"
        assert on.reports.hosts == {"box": BOX}
        assert {each: it.blameless for each, it in on.reports.ended.items()} == {"ta-gone": True, "ta-unheard": True}
        handler.receive([m.HostedEnded("ta-stays", 0)])  # over the connection that is gone
        assert "ta-stays" not in on.reports.ended
        again.receive([m.HostedEnded("ta-ends", -9)])
        assert on.reports.ended["ta-ends"].code == -9
        handler.disconnected()
        assert on.reports.hosts == {"box": BOX}, "only the newest connection counts"

    play(scene)


def test_an_agent_that_was_started_again_takes_the_place_of_the_one_that_is_silent_and_of_no_other() -> None:
    async def scene(on: Scene) -> None:
        handler, _ = on.join()
        with pytest.raises(ConnectionError, match="a host called box is here already: choose another name"):
            on.join(agent="second")
        handler.disconnected()
        with pytest.raises(ConnectionError, match="here already"):
            on.join(agent="second", principal=Principal("other", HOST))
        on.join(agent="second")
        assert on.reports.lost_hosts == [("box", "was started again")]
        assert on.reports.hosts == {"box": BOX}

    play(scene)


def test_it_leaves_when_it_says_so_and_when_its_token_is_revoked_or_ends() -> None:
    async def scene(on: Scene) -> None:
        handler, line = on.join()
        handler.receive([m.HostTells(HostSpec(host_id="other", leaving="is to be turned off", silent="lies"))])
        assert on.reports.hosts == {"box": HostSpec(host_id="box", leaving="is to be turned off")}
        on.backend.cut_off("somebody", "the token was revoked")
        assert on.reports.lost_hosts == []
        on.backend.cut_off("bringer", "the token was revoked")
        assert on.reports.lost_hosts == [("box", "may not be here any more: the token was revoked")]
        assert line.is_closed
        handler, line = on.join(HostSpec(host_id="box", leaving="is to be turned off"))
        on.start("ta-1")
        handler.receive([m.HostedEnded("ta-1", 0)])
        handler.disconnected()
        assert on.reports.lost_hosts[1:] == [("box", "has left")]
        handler, line = on.join(principal=Principal("bringer", HOST, until=10.0))
        await asyncio.sleep(INTERVAL * 1.5)
        assert not line.is_closed
        on.now = 10.0
        await asyncio.sleep(INTERVAL)
        assert on.reports.lost_hosts[2:] == [("box", "may not be here any more: its token has expired")]

    play(scene)


def test_a_server_that_ends_sends_its_hosts_away_and_takes_no_more() -> None:
    async def scene(on: Scene) -> None:
        _, line = on.join()
        await on.backend.close()
        assert line.told(m.SendHostAway)
        with pytest.raises(ConnectionError, match="this server is starting, or ends"):
            on.join()
        await asyncio.sleep(INTERVAL * 10)
        assert on.reports.lost_hosts == []

    play(scene)


def test_what_is_started_on_a_host_that_is_gone_ends_at_once_and_blames_nobody() -> None:
    async def scene(on: Scene) -> None:
        on.start("ta-1", host="gone")
        assert on.reports.ended["ta-1"].reason == "could not be started: host gone is gone"
        assert on.reports.ended["ta-1"].blameless

    play(scene)


def test_who_has_no_right_or_another_python_brings_no_host() -> None:
    async def scene(on: Scene) -> None:
        with pytest.raises(
            ConnectionError, match=r"the token 'ci' has no right 'host' \(`motet token new NAME --right"
        ):
            on.join(principal=Principal("ci", CALL))
        with pytest.raises(
            ConnectionError, match=r"this host has Python 3\.1\.4, and the server 3\.\d+\.\d+: have it jo"
        ):
            on.backend.accept(Hello("host", "", python="3.1.4"), BRINGER, Line())

    play(scene)


def test_a_server_whose_containers_are_users_of_its_machine_takes_no_hosts() -> None:
    async def scene(on: Scene) -> None:
        with pytest.raises(ConnectionError, match="MOTET_APP_USERS"):
            on.join()

    play(scene, app_users=True)


def test_who_is_let_in_and_does_not_join_is_cut_off() -> None:
    async def scene(on: Scene) -> None:
        line = Line()
        handler = on.backend.accept(Hello("host", ""), BRINGER, line)
        with pytest.raises(ConnectionError, match="a host begins by saying which one it is"):
            handler.receive([m.HostAnswers(1)])
        await asyncio.sleep(60)
        assert line.is_closed

    play(scene)


@pytest.mark.parametrize(
    ("host", "problem"),
    [
        (HostSpec(host_id=""), "a host has a name"),
        (HostSpec(host_id="a\nb"), "printable"),
        (HostSpec(host_id="x" * 256), "at most 255"),
        (HostSpec(host_id="box", cpu=float("nan")), "host box: what it has are amounts from 0 on"),
        (HostSpec(host_id="box", resources={"tpu": float("inf")}), "amounts"),
        (HostSpec(host_id="box", memory_mib=-1), "amounts"),
        (HostSpec(host_id="box", labels={str(n): "" for n in range(257)}), "256 labels"),
        (HostSpec(host_id="box", gpus=(Gpu.named(uuid="g", name="L4", memory_mib=1),) * 2), "the same UUID"),
    ],
)
def test_what_no_machine_has_is_refused(host: HostSpec, problem: str) -> None:
    assert problem in why_not_a_host(host)

    async def scene(on: Scene) -> None:
        with pytest.raises(ConnectionError, match=problem):
            on.join(host)

    play(scene)
    assert why_not_a_host(BOX) == ""
