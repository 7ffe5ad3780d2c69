"""The source of apps on a host that has joined: how it comes there, what is kept, and what becomes of what cannot come."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from motet.agent.hosted_bundles import KEEP_SECONDS, BundleRoom, HostedBundles
from motet.agent.joined_agent import JoinedAgent
from motet.agent.server_line import ServerLine
from motet.backends.base import NOT_STARTED, Launch
from motet.errors import ResourceExhaustedError, ServiceError
from motet.model.bundle import BundleFile, Manifest, digest_of
from motet.model.host import HostSpec
from motet.server.access.door import Principal
from motet.server.access.rights import HOST
from motet.server.hosts.hosts_backend import HostsBackend
from motet.server.peers import SocketPeer
from motet.store.bundles import BundleDirectory
from motet.testing.backends import FakeBackend
from tests.server.hosts.test_hosts import HostReports

PATIENCE = 20.0
BRINGER = Principal("bringer", HOST)


class Scene:
    """A server with a store of bundles, and an agent that has joined it, over TCP; containers are made up."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.store = BundleDirectory(directory / "server")
        self.backend = HostsBackend(FakeBackend(), lambda: 0.0, self.store)
        self.reports = HostReports()
        self.hosted = FakeBackend()
        self.here: dict[str, Path] = {}

    def bundle(self, *contents: bytes) -> str:
        """An app with these files is here from now on."""
        files = [BundleFile(f"work/{number}.py", digest_of(data), len(data)) for number, data in enumerate(contents)]
        manifest = Manifest(files)
        self.store.offer(manifest)
        self.store.put({digest_of(data): data for data in contents})
        self.here = {**self.here, manifest.digest: self.store.place(manifest.digest)}
        return manifest.digest

    async def open(self) -> None:
        await self.backend.open(self.reports)
        self.backend.report_to(self.reports)
        self.backend.offer(lambda: self.here)
        self._server = await asyncio.get_running_loop().create_server(
            lambda: SocketPeer(lambda hello, peer: self.backend.accept(hello, BRINGER, peer)), "127.0.0.1", 0
        )
        self.line = ServerLine(f"tcp:127.0.0.1:{self._server.sockets[0].getsockname()[1]}")
        scratch = self.directory / "host"
        scratch.mkdir()
        self.agent = JoinedAgent(self.line, "", HostSpec(host_id="box"), scratch, backend=self.hosted)
        self._running = asyncio.create_task(self.agent.run())
        await self.until(lambda: "box" in self.reports.hosts)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():  # noqa: ASYNC110 - backends tell nobody
                await asyncio.sleep(0.01)

    def start(self, container_id: str, digest: str) -> None:
        self.backend.start_nowait(
            Launch(container_id=container_id, address="", token="", env={}, host="box", bundle=digest)
        )

    def trees(self) -> list[str]:
        directory = self.directory / "host" / "bundles" / "trees"
        return sorted(os.listdir(directory)) if directory.is_dir() else []

    async def close(self) -> None:
        self.agent.end()
        await asyncio.gather(self._running, return_exceptions=True)
        await self.backend.close()
        self._server.close()


def play(directory: Path, scene: Callable[[Scene], Awaitable[None]]) -> None:
    async def main() -> None:
        on = Scene(directory)
        await on.open()
        try:
            await scene(on)
        finally:
            await on.close()

    asyncio.run(main())


def test_a_container_is_started_once_its_source_is_there_and_the_next_one_at_once(tmp_path: Path) -> None:
    async def scene(on: Scene) -> None:
        large = os.urandom(3 * 2**20)  # several messages
        digest = on.bundle(b"x = 1", large, large + b"2", b"")
        on.start("ta-1", digest)
        on.start("ta-2", digest)
        await on.until(lambda: len(on.hosted.launches) == 2)
        tree = Path(on.reports.hosts["box"].bundles) / digest
        assert [(tree / f"work/{n}.py").read_bytes() for n in range(4)] == [b"x = 1", large, large + b"2", b""]
        on.store.prune(())
        on.here = {}
        on.start("ta-3", digest)  # nothing is asked for it
        await on.until(lambda: len(on.hosted.launches) == 3)
        assert on.reports.ended == {}

    play(tmp_path, scene)


def test_what_apps_need_is_got_before_any_container_is_started(tmp_path: Path) -> None:
    async def scene(on: Scene) -> None:
        digests = [on.bundle(b"a"), on.bundle(b"a", b"b")]
        await on.until(lambda: on.trees() == sorted(digests))
        assert on.hosted.launches == []

    play(tmp_path, scene)


def test_what_cannot_be_had_ends_the_container_with_one_sentence(tmp_path: Path) -> None:
    async def scene(on: Scene) -> None:
        on.start("ta-1", "0" * 64)
        await on.until(lambda: "ta-1" in on.reports.ended)
        ended = on.reports.ended["ta-1"]
        assert (ended.code, ended.blameless) == (NOT_STARTED, False)
        assert ended.reason == (
            f"could not be started: host box could not get its source: no app that is here has bundle {'0' * 64}"
        )
        digest = on.bundle(b"as it was")
        path = on.here[digest] / "work/0.py"
        path.chmod(0o600)
        path.write_bytes(b"as it is!")
        on.start("ta-2", digest)
        await on.until(lambda: "ta-2" in on.reports.ended)
        assert "a piece of a bundle was sent as" in str(on.reports.ended["ta-2"].reason)
        assert on.hosted.launches == []

    play(tmp_path, scene)


def test_a_container_that_is_to_end_before_its_source_is_there_is_never_started(tmp_path: Path) -> None:
    async def scene(on: Scene) -> None:
        digest = on.bundle(os.urandom(2**20))
        on.start("ta-1", digest)
        on.backend.kill_nowait("ta-1")
        await on.until(lambda: "ta-1" in on.reports.ended)
        assert on.reports.ended["ta-1"].code == -9
        await on.until(lambda: on.trees() == [digest])
        assert on.hosted.launches == []

    play(tmp_path, scene)


def test_what_the_disk_has_no_room_for_is_told_and_nothing_of_it_is_kept(tmp_path: Path) -> None:
    async def scene(on: Scene) -> None:
        told: list[tuple[str, str]] = []
        room = tmp_path / "small"
        agent = on.agent._agent
        bundles = HostedBundles(
            *(on.line, "", agent, room, tuple, lambda digest, why: told.append((digest, why))), left_free=2**60
        )
        digest = on.bundle(b"too much")
        with pytest.raises(ResourceExhaustedError, match=r"lacks 0 MiB here, and \d+ MiB are free in"):
            await bundles.have(digest)
        assert [each for each, _ in told] == [digest]
        assert os.listdir(room / "pieces") == []
        on.agent._cannot(digest, told[0][1])  # as an agent does with it
        await on.until(lambda: on.reports.hosts["box"].without == dict(told))
        await bundles.close()

    play(tmp_path, scene)


def test_one_that_is_no_host_of_the_server_any_more_gets_nothing(tmp_path: Path) -> None:
    async def scene(on: Scene) -> None:
        other = HostedBundles(on.line, "", "another agent", tmp_path / "other", tuple, lambda digest, why: None)
        with pytest.raises(Exception, match="this host is none of this server's any more"):
            await other.have(on.bundle(b"x"))
        await other.close()

    play(tmp_path, scene)


def test_what_nobody_has_used_for_long_goes_and_what_runs_stays(tmp_path: Path) -> None:
    async def scene(on: Scene) -> None:
        old, running, needed = (on.bundle(data) for data in (b"old", b"running", b"needed"))
        bundles = HostedBundles(
            *(on.line, "", on.agent._agent, tmp_path / "kept", lambda: [running], lambda digest, why: None),
            now=lambda: now,
        )
        now = 0.0
        for digest in (old, running, needed):
            await bundles.have(digest)
            os.utime(tmp_path / "kept/manifests" / digest, (1, 1))
        now = KEEP_SECONDS + 3600
        bundles.will_need([needed])
        await on.until(lambda: not (tmp_path / "kept/trees" / old).exists())
        assert sorted(os.listdir(tmp_path / "kept/trees")) == sorted([running, needed])
        await bundles.close()

    play(tmp_path, scene)


def test_agents_on_one_machine_have_a_directory_each_and_take_what_another_left(tmp_path: Path) -> None:
    with contextlib.closing(BundleRoom(tmp_path)) as first, contextlib.closing(BundleRoom(tmp_path)) as second:
        assert first.path != second.path
        left = first.path
        first.close()
        with contextlib.closing(BundleRoom(tmp_path)) as third:
            assert third.path == left


def test_a_server_that_takes_one_bundle_for_another_is_not_believed(tmp_path: Path) -> None:
    async def scene(on: Scene) -> None:
        one, other = on.bundle(b"one"), on.bundle(b"other")
        manifests = tmp_path / "server/manifests"
        (manifests / one).write_bytes((manifests / other).read_bytes())
        bundles = HostedBundles(on.line, "", on.agent._agent, tmp_path / "b", tuple, lambda digest, why: None)
        with pytest.raises(ServiceError, match="damaged"):
            await bundles.have(one)
        await bundles.close()

    play(tmp_path, scene)
