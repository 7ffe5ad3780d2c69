"""Containers on a Ray cluster beside those of the server's machine, and beside Ray's own actors, in one run:
`python benchmarks/ray_containers.py` (needs `pip install 'motet[ray]'`; starts a cluster of one node).

All do the same: an async function that returns its argument, up to 100 at once in each of two containers (or actors),
called one after the other, and mapped. The ways take turns, so that what else the machine does is in all. The program
reaches both servers by their sockets; containers on the cluster reach theirs over TLS.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import motet

WAYS = ("process", "ray")
CONTAINERS, AT_ONCE = 2, 100
apps: dict[str, motet.App] = {}
functions: dict[str, Any] = {}


async def same(x: int) -> int:
    """Returns its argument."""
    return x


for way in WAYS:
    apps[way] = motet.App(way)
    bounds = {"cpu": 1, "min_containers": CONTAINERS, "max_containers": CONTAINERS}
    declared = apps[way].function(name=f"same_{way}", serialized=True, **bounds)
    functions[way] = declared(motet.concurrent(max_inputs=AT_ONCE)(same))


@contextlib.contextmanager
def server(home: str, *options: str) -> Iterator[dict[str, str]]:
    """A server that stays there; the environment that leads to it."""
    command = [sys.executable, "-m", "motet", "server", "--host", "0.0.0.0", "--port", "0", "--tls", *options]
    process = subprocess.Popen(
        command, env={**os.environ, "MOTET_HOME": home, "MOTET_SERVER": ""}, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    said = ""
    try:
        while "Ready" not in said:
            line = process.stdout.readline()
            if not line:
                sys.exit("a server did not start")
            said += line
        yield {"MOTET_HOME": home, "MOTET_SERVER": "home"}
    finally:
        process.terminate()
        process.wait()


def one_by_one(call: Callable[[int], Any], count: int) -> list[float]:
    """Milliseconds that each of so many calls took, one after the other."""
    taken = []
    for number in range(count):
        began = time.perf_counter()
        assert call(number) == number
        taken.append((time.perf_counter() - began) * 1000)
    return taken


def rate(run: Callable[[int], int], count: int) -> float:
    """Inputs a second."""
    began = time.perf_counter()
    assert run(count) == count
    return count / (time.perf_counter() - began)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=200, help="one after the other, in each round")
    parser.add_argument("--inputs", type=int, default=20_000, help="mapped, in each round")
    parser.add_argument("--json")
    given = parser.parse_args()
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    import ray

    context = ray.init(
        "local", num_cpus=2 * CONTAINERS, include_dashboard=False, log_to_driver=False, logging_level="ERROR"
    )
    actor_class = ray.remote(type("Same", (), {"same": staticmethod_of(same)}))
    with tempfile.TemporaryDirectory() as home, contextlib.ExitStack() as running:
        actors = [actor_class.options(num_cpus=1, max_concurrency=AT_ONCE).remote() for _ in range(CONTAINERS)]
        ray.get([actor.same.remote(0) for actor in actors])
        address = context.address_info["gcs_address"]
        places = {"process": (), "ray": ("--backend", "ray", "--ray-address", address)}
        starts = {}
        for way, options in places.items():
            os.environ.update(running.enter_context(server(f"{home}/{way}", *options)))
            running.enter_context(apps[way].run())
            began = time.perf_counter()
            functions[way].remote(0)
            starts[way] = time.perf_counter() - began

        def by_actors(count: int) -> int:
            return len(ray.get([actors[number % CONTAINERS].same.remote(number) for number in range(count)]))

        calls: dict[str, Callable[[int], Any]] = {way: functions[way].remote for way in WAYS}
        calls["actor"] = lambda number: ray.get(actors[0].same.remote(number))
        maps: dict[str, Callable[[int], int]] = {
            way: lambda count, way=way: sum(1 for _ in functions[way].map(range(count)))
            for way in WAYS  # type: ignore[misc]
        }
        maps["actor"] = by_actors
        taken: dict[str, list[float]] = {way: [] for way in calls}
        rates: dict[str, list[float]] = {way: [] for way in maps}
        for number in range(given.rounds + 1):
            print(f"round {number}", file=sys.stderr)
            for way, call in calls.items():
                some = one_by_one(call, given.calls)
                one = rate(maps[way], given.inputs if way != "actor" else given.inputs // 4)
                if number:  # the first round warms up
                    taken[way] += some
                    rates[way].append(one)
        found = {
            way: {"p50_ms": statistics.median(taken[way]), "map_rate": statistics.median(rates[way])} for way in calls
        }
    print(
        f"load {os.getloadavg()[0]:.1f}; first input of a program: "
        + ", ".join(f"{w} {s:.2f} s" for w, s in starts.items())
    )
    for way, figures in found.items():
        print(
            f"{way:8} p50 {figures['p50_ms']:.2f} ms ({figures['p50_ms'] / found['process']['p50_ms']:.2f} x process), "
            f"map {figures['map_rate']:,.0f}/s ({figures['map_rate'] / found['process']['map_rate']:.2f} x process)"
        )
    if given.json:
        with open(given.json, "w") as file:
            json.dump(found, file, indent=1)
    ray.shutdown()


def staticmethod_of(function: Any) -> Any:
    """As a method of an actor."""

    async def method(self: Any, x: int) -> int:
        return await function(x)

    return method


if __name__ == "__main__":
    main()
