"""The server's end of a cluster driver: one that finds nothing, one that dies, and one that ends."""

from __future__ import annotations

import asyncio
import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest

from motet.clusters.driver_link import DriverLink
from motet.clusters.ray_cluster import RayCluster
from motet.errors import ServiceError
from motet.model.reservation import RoomAsked
from motet.wire import cluster as m

MODULE = "tests.clusters.driver_process"
ENV = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])}


def test_a_driver_that_finds_no_cluster_says_why() -> None:
    async def main() -> None:
        link = DriverLink(ENV, MODULE)
        with pytest.raises(ServiceError, match=r"^there is no cluster nowhere$"):
            await link.open(lambda: m.BeginOnCluster("nowhere", "home", "run"), lambda said: None, lambda why: None)
        await link.close()

    asyncio.run(main())


def test_a_driver_that_dies_is_started_again_and_is_told_what_there_is() -> None:
    async def main() -> None:
        heard: list[Any] = []
        ends: list[str] = []
        new = asyncio.Event()

        def received(message: m.FromDriver) -> None:
            heard.append(message)
            new.set()

        async def until(message: m.FromDriver) -> None:
            async with asyncio.timeout(30):
                while message not in heard:
                    new.clear()
                    await new.wait()

        link = DriverLink(ENV, MODULE)
        kept: list[tuple[int, str]] = []
        begin = lambda: m.BeginOnCluster("a", "home", "run", tuple(kept))  # noqa: E731
        assert await link.open(begin, received, ends.append) == "the cluster a"
        link.send(m.Reserve(1, RoomAsked(cpu=1)))
        await until(m.RoomMade(1, "node"))
        kept.append((1, "node"))
        assert ends == []
        link.send(m.GiveBack(1))
        await until(m.OnCluster("the cluster a", (1,)))
        assert ends == ["the cluster driver has ended"]
        await link.close()
        assert heard[-1] == m.NodesAre(())
        await link.close()

    asyncio.run(main())


def test_where_there_is_no_ray_or_no_cluster_one_line_says_so() -> None:
    installed = importlib.util.find_spec("ray") is not None
    message = "^there is no Ray cluster at 127.0.0.1:1: " if installed else "^Ray is not installed here: pip install "
    with pytest.raises(ServiceError, match=message):
        RayCluster("127.0.0.1:1", "home")
