"""What a server lets go of: bundles that no version needs, and no other."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from pathlib import Path

from msgspec.structs import replace

from motet.model.bundle import Manifest
from motet.server.bundles.pruning import Pruning
from motet.server.deployments.deployments import Deployments
from motet.store.base import Freed
from motet.wire import client_messages as m
from motet.wire.operator_messages import HomePruned, PruneHome
from tests.server.deployments.test_deployments import deploy, redeploy
from tests.server.stage import Client, Stage, play


class Kept:
    """A store that only takes note of what is needed."""

    def __init__(self) -> None:
        self.asked: list[tuple[set[str], bool]] = []

    def prune(self, needed: Collection[str], *, dry_run: bool = False) -> Freed:
        self.asked.append((set(needed), dry_run))
        return Freed(3, 4096)

    def offer(self, manifest: Manifest) -> list[str]:
        raise NotImplementedError

    def put(self, pieces: Mapping[str, bytes]) -> None:
        raise NotImplementedError

    def place(self, digest: str) -> Path:
        raise NotImplementedError


async def deployed(on: Stage, client: Client, *bundles: str) -> None:
    register = on.server._parts.deployments._register
    for bundle in bundles:
        await deploy(client)
        live = register.state("shop").live
        assert live is not None
        await register.commit([(live, replace(live.view, bundle=bundle))])


async def needed(deployments: Deployments, bundles: set[str]) -> None:
    """Returns when all other versions have been left: what becomes of them is written down on another thread."""
    while await deployments.bundles(0) != bundles:  # noqa: ASYNC110
        await asyncio.sleep(0)


def test_the_bundles_of_all_versions_are_needed_unless_fewer_are_to_be_kept() -> None:
    async def scene(on: Stage, client: Client) -> None:
        await deployed(on, client, "one", "two", "three")
        deployments, store = on.server._parts.deployments, Kept()
        await needed(deployments, {"three"})
        pruning = Pruning(deployments, store)
        assert await pruning.prune() == (3, 4096)
        assert await pruning.prune(2, dry_run=True) == (3, 4096)
        await pruning.prune(0)
        assert store.asked == [({"one", "two", "three"}, False), ({"two", "three"}, True), ({"three"}, False)]

    play(scene)


def test_a_version_that_still_works_keeps_its_bundle() -> None:
    async def scene(on: Stage, client: Client) -> None:
        await deployed(on, client, "one")
        client.call("fu-@shop/f", call_id="fc-1")
        old = await on.container()
        held = await old.deliveries()
        await redeploy(on, client, 1)
        deployments, register = on.server._parts.deployments, on.server._parts.deployments._register
        live = register.state("shop").live
        assert live is not None
        await register.commit([(live, replace(live.view, bundle="two"))])
        assert await deployments.bundles(0) == {"one", "two"}
        old.finish(held)
        await client.wait(m.Outcomes)
        await on.end(old)
        await needed(deployments, {"two"})

    play(scene)


def test_large_arguments_of_what_failed_go_when_that_is_asked() -> None:
    async def scene(on: Stage, client: Client) -> None:
        asked: list[tuple[bool, bool]] = []

        async def sweep(dry_run: bool, failed_too: bool) -> Freed:
            asked.append((dry_run, failed_too))
            return Freed(2, 30)

        pruning = Pruning(on.server._parts.deployments, None, sweep=sweep)
        answer = pruning.answers[PruneHome]
        assert await answer(PruneHome()) == HomePruned(0, 0, 2, 30)
        await answer(PruneHome(dry_run=True, arguments=True))
        assert asked == [(False, False), (True, True)]

    play(scene)


def test_a_server_that_keeps_none_prunes_none() -> None:
    async def scene(on: Stage, client: Client) -> None:
        assert await client.answer(PruneHome(5)) == HomePruned(0, 0)

    play(scene)
