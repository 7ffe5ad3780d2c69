"""`python benchmarks/web.py [--peers-python PATH] [--reps 5] [--json FILE]`: Motet's web functions beside other servers.

One FastAPI app under plain uvicorn, Motet, LitServe and Ray Serve, loaded by wrk; slow streams; cold starts. See README.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import machine
import wrk
from http_calls import Connection, first_answer
from measured import HEADINGS, Row, markdown, show
from served.pages import APART, CHUNKS
from servers import SERVED, missing, own_all_descendants, program

FLOORS = {"uvicorn": 0.7, "LitServe": 4.0, "Ray Serve": 10.0}
"""How many times the rate of another server Motet must reach."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A server, and what it is asked: paths by the name of their endpoint. `module` must be there to run it."""

    name: str
    program: str
    module: str
    paths: dict[str, str] = field(default_factory=lambda: {"async def": "/"})
    peer: bool = True
    streams: bool = False
    script: Path | None = None


BOTH = {"async def": "/", "def": "/def"}
CONTENDERS = [
    Contender(name="uvicorn", program="web_uvicorn", module="uvicorn", paths=BOTH, peer=False, streams=True),
    Contender(name="Motet", program="web_motet", module="motet", paths=BOTH, peer=False, streams=True),
    Contender(
        name="LitServe",
        program="web_litserve",
        module="litserve",
        paths={"async def": ""},
        script=SERVED / "post.lua",
    ),
    Contender(name="Ray Serve", program="web_rayserve", module="ray.serve"),
]


class Found:
    """Everything that was measured, by server and kind, in the order of the repetitions."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, str], list[float]] = defaultdict(list)
        self.idle: dict[str, list[float]] = defaultdict(list)
        self.versions: dict[str, str] = {}

    def add(self, server: str, kind: str, value: float) -> None:
        self.values[server, kind].append(value)


def measure(contender: Contender, python: str, sizes: argparse.Namespace, found: Found) -> None:
    """One repetition, on a server that starts for it."""
    found.idle[contender.name].append(machine.idle(sizes.idle))
    with program(python, contender.program) as server:
        base = server.url
        first = next(iter(contender.paths.values()))
        asyncio.run(first_answer(base + first, {} if contender.script else None))
        found.add(contender.name, "from nothing", time.perf_counter() - server.started_at)
        found.versions |= server.told["versions"]
        if "without_container" in server.told:
            began = time.perf_counter()
            asyncio.run(first_answer(server.told["without_container"] + "/"))
            found.add(contender.name, "without container", time.perf_counter() - began)
        for endpoint, path in contender.paths.items():
            wrk.wrk(base + path, seconds=1, script=contender.script)
            load = wrk.wrk(base + path, seconds=sizes.seconds, script=contender.script)
            if load.failed:
                raise RuntimeError(f"{contender.name}: {load.failed} of {load.requests} requests failed")
            found.add(contender.name, f"{endpoint} rate", load.rate)
            found.add(contender.name, f"{endpoint} p99", load.p99)
        if contender.streams:
            found.add(contender.name, "streams", asyncio.run(slow_streams(base + "/stream", sizes.streams)))


async def slow_streams(url: str, count: int) -> float:
    """Seconds until so many streams, begun at once, are over. Each must be whole, and all from one container."""
    connections = [Connection(url) for _ in range(count)]
    try:
        began = time.perf_counter()
        answers = await asyncio.gather(*(connection.get() for connection in connections))
        took = time.perf_counter() - began
    finally:
        for connection in connections:
            connection.close()
    whole = b"".join(b"data: %d\n\n" % number for number in range(CHUNKS))
    broken = [answer for answer in answers if answer.status != 200 or answer.body != whole]
    if broken:
        raise RuntimeError(f"{len(broken)} of {count} streams are not whole, such as {broken[0]}")
    if len({answer.headers.get("motet-container-id") for answer in answers}) != 1:
        raise RuntimeError("the streams came from more than one container")
    return took


def rows(found: Found, absent: dict[str, str], sizes: argparse.Namespace) -> list[Row]:
    """The table. A server in `absent` has a row that says why it was not measured."""
    return [
        *(row for endpoint in BOTH for row in _rates(found, absent, endpoint)),
        *_ratios(found, absent),
        *_of(found, "streams", f"{sizes.streams:,} slow streams", "s", limit=CHUNKS * APART, limit_name="ideal"),
        *_of(found, "from nothing", "from the start of the program to the first answer", "s"),
        *_of(found, "without container", "first request, without a container", "ms", scale=1000),
    ]


def _rates(found: Found, absent: dict[str, str], endpoint: str) -> Iterable[Row]:
    uvicorn = found.values.get(("uvicorn", f"{endpoint} rate"))
    limit = statistics.median(uvicorn) if uvicorn else None
    yield from _of(found, f"{endpoint} rate", f"{endpoint}, requests", "1/s", limit=limit, limit_name="uvicorn")
    for server, why in absent.items():
        if endpoint == "async def":
            yield Row(name=f"{endpoint}, requests: {server}", unit="1/s", values=(), note=why)
    yield from _of(found, f"{endpoint} p99", f"{endpoint}, p99", "ms", scale=1000)


def _of(
    found: Found, kind: str, name: str, unit: str, *, scale: float = 1, limit: float | None = None, limit_name: str = ""
) -> Iterable[Row]:
    for (server, its_kind), values in found.values.items():
        if its_kind == kind:
            yield Row(
                name=f"{name}: {server}",
                unit=unit,
                values=tuple(scale * value for value in values),
                limit=None if server == limit_name else limit,
                limit_name=limit_name,
                idle_before=statistics.median(found.idle[server]),
            )


def _ratios(found: Found, absent: dict[str, str]) -> Iterable[Row]:
    """Motet's rate to each other's, of the same repetition: what the machine's mood does to both cancels out."""
    ours = found.values.get(("Motet", "async def rate"), [])
    for server, floor in FLOORS.items():
        theirs = found.values.get((server, "async def rate"), [])
        yield Row(
            name=f"Motet's rate to that of {server}",
            unit="x",
            values=ratios(ours, theirs),
            floor=floor,
            higher_is_better=True,
            idle_before=statistics.median(found.idle[server] or [0.0]),
            note=absent.get(server, "not measured"),
        )


def ratios(ours: list[float], theirs: list[float]) -> tuple[float, ...]:
    """Repetition by repetition, as far as both have been measured."""
    return tuple(mine / other for mine, other in zip(ours, theirs, strict=False))


def measure_all(sizes: argparse.Namespace) -> tuple[Found, dict[str, str]]:
    """All repetitions, the servers taking turns; and why some servers were left out."""
    found, absent = Found(), {}
    there: list[tuple[Contender, str]] = []
    for contender in CONTENDERS:
        python = str(sizes.peers_python) if contender.peer else sys.executable
        if contender.name not in sizes.only:
            continue
        if missing(python, contender.module):
            absent[contender.name] = "not installed"
        else:
            there.append((contender, python))
    for number in range(sizes.reps):
        for contender, python in there:
            if contender.name in absent:
                continue
            print(f"{number + 1} of {sizes.reps}: {contender.name}", file=sys.stderr, flush=True)
            try:
                measure(contender, python, sizes, found)
            except (RuntimeError, OSError, TimeoutError) as error:
                if not contender.peer:
                    raise
                # The other peers are measured all the same.
                print(error, file=sys.stderr)
                absent[contender.name] = "failed"
    return found, absent


def arguments() -> argparse.Namespace:
    names = [contender.name for contender in CONTENDERS]
    parser = argparse.ArgumentParser(description="Measure Motet's web functions beside other servers.")
    parser.add_argument(
        "--peers-python",
        type=Path,
        default=Path(sys.executable),
        metavar="PATH",
        help="an interpreter that has ray[serve] and litserve (default: this one)",
    )
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--reps", type=int, default=5, help="repetitions (default: 5)")
    parser.add_argument("--seconds", type=float, default=6, help="that wrk runs, in whole seconds (default: 6)")
    parser.add_argument("--streams", type=int, default=1000, help="slow streams at once (default: 1000)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured there, too")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table and the machine there, too")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: only to see that it works")
    sizes = parser.parse_args()
    sizes.idle = 0.05 if sizes.quick else 1.0
    if sizes.quick:
        sizes.reps, sizes.seconds, sizes.streams = 1, 1, 20
    return sizes


def main() -> int:
    sizes = arguments()
    if not wrk.installed():
        print(wrk.HOW_TO_GET_IT, file=sys.stderr)
        return 1
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # a stream is a connection, here and there
    own_all_descendants()
    about = machine.description()
    found, absent = measure_all(sizes)
    about |= found.versions
    about["load after"] = " ".join(f"{load:.2f}" for load in os.getloadavg())
    about["run"] = f"wrk -t1 -c64 -d{sizes.seconds:g}s, {sizes.reps} repetitions, servers taking turns"
    table = rows(found, absent, sizes)
    for name, value in about.items():
        print(f"- {name}: {value}")
    body = [row.cells() for row in table]
    if sizes.json is not None:
        sizes.json.write_text(json.dumps({"about": about, "rows": [row.as_json() for row in table]}, indent=1) + "\n")
    if sizes.markdown is not None:
        lines = "\n".join(f"- {name}: {value}" for name, value in about.items())
        text = f"# Web functions, {about['processors']}\n\n{lines}\n\n{markdown(HEADINGS, body)}\n"
        sizes.markdown.write_text(text)
    show(HEADINGS, body)
    return 1 if any(row.passed is False for row in table) else 0


if __name__ == "__main__":
    sys.exit(main())
