"""`python benchmarks/batching.py [--peers-python PATH] [--reps 3] [--json FILE]`: dynamic batching beside other servers.

A model whose step has a fixed cost and a cost per item, with batches of several sizes, under a closed loop of calls; Motet's
`@motet.batched`, Ray Serve's `@serve.batch`, and LitServe. See README.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import machine
from http_calls import Connection, first_answer
from measured import markdown, show
from served.load import closed_loop
from served.model import FIXED, PER_ITEM, cost
from servers import Server, missing, own_all_descendants, program

HEADINGS = ["server", "called", "batch", "wait", "calls/s", "[min..max]", "of ideal", "p50 ms", "p95 ms"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A server, and how it is called. `auto` is whether it can learn how long to wait."""

    name: str
    program: str
    module: str
    http: bool
    peer: bool = True
    auto: bool = False

    @property
    def called(self) -> str:
        if self.http:
            return "over HTTP"
        return "handle" if self.peer else ".remote"


CONTENDERS = [
    Contender(name="Motet", program="batching_motet", module="motet", http=False, peer=False, auto=True),
    Contender(name="Ray Serve", program="batching_rayserve", module="ray.serve", http=False),
    Contender(name="Motet", program="batching_motet", module="motet", http=True, peer=False, auto=True),
    Contender(name="Ray Serve", program="batching_rayserve", module="ray.serve", http=True),
    Contender(name="LitServe", program="batching_litserve", module="litserve", http=True),
]


@dataclass(kw_only=True)
class Row:
    """A server with batches of one size: medians over the repetitions, seconds. Without rates, `note` says why."""

    server: str
    called: str
    max_batch_size: int
    wait_ms: str
    rates: list[float]
    p50: float | None = None
    p95: float | None = None
    note: str = ""

    @property
    def of_ideal(self) -> float | None:
        """The rate to that of full batches without a pause between them."""
        if not self.rates:
            return None
        return statistics.median(self.rates) * cost(self.max_batch_size) / self.max_batch_size

    def cells(self) -> list[str]:
        about = [self.server, self.called, str(self.max_batch_size), f"{self.wait_ms} ms".replace("auto ms", "auto")]
        if self.of_ideal is None or self.p50 is None or self.p95 is None:
            return [*about, self.note, "", "", "", ""]
        return [
            *about,
            f"{statistics.median(self.rates):,.0f}",
            f"[{min(self.rates):,.0f}..{max(self.rates):,.0f}]",
            f"{self.of_ideal:.0%}",
            f"{self.p50 * 1000:,.1f}",
            f"{self.p95 * 1000:,.1f}",
        ]


def measure(contender: Contender, size: int, wait_ms: str, python: str, sizes: argparse.Namespace) -> dict[str, float]:
    """One repetition, on a server that starts for it."""
    arguments = ["--max-batch-size", size, "--wait-ms", wait_ms]
    if contender.name != "LitServe":
        arguments += ["--in-flight", sizes.in_flight, "--seconds", sizes.seconds, *(["--http"] * contender.http)]
    with program(python, contender.program, *arguments) as server:
        sizes.versions |= server.told["versions"]
        if contender.http:
            return asyncio.run(over_http(server, sizes, wrap=contender.name == "LitServe"))
        found: dict[str, float] = server.told["load"]
        return found


async def over_http(server: Server, sizes: argparse.Namespace, *, wrap: bool) -> dict[str, float]:
    """The load, each place in the loop with a connection of its own. LitServe takes objects only."""
    await first_answer(server.url, {"number": 1} if wrap else 1)
    connections = [Connection(server.url) for _ in range(sizes.in_flight)]

    async def call(number: int) -> int:
        answer = await connections[number % sizes.in_flight].post({"number": number} if wrap else number)
        if answer.status != 200:
            raise RuntimeError(f"{server.url} answers {answer.status}: {answer.body[:200]!r}")
        return int(answer.body)

    try:
        return await closed_loop(call, in_flight=sizes.in_flight, seconds=sizes.seconds)
    finally:
        for connection in connections:
            connection.close()


def measure_all(sizes: argparse.Namespace) -> list[Row]:
    """All rows. In each repetition, every server has its turn with a batch size before the next size has."""
    rows: dict[tuple[Contender, int, str], Row] = {}
    found: dict[tuple[Contender, int, str], list[dict[str, float]]] = {}
    for contender in CONTENDERS:
        if contender.name in sizes.only:
            python = str(sizes.peers_python) if contender.peer else sys.executable
            note = "not installed" if missing(python, contender.module) else ""
            cases = [(size, str(sizes.wait_ms)) for size in sizes.batches]
            for size, wait in [*cases, *([(max(sizes.batches), "auto")] if contender.auto else [])]:
                rows[contender, size, wait] = Row(
                    server=contender.name,
                    called=contender.called,
                    max_batch_size=size,
                    wait_ms=wait,
                    rates=[],
                    note=note,
                )
                found[contender, size, wait] = []
    for number in range(sizes.reps):
        for key in sorted(rows, key=lambda key: (key[2] == "auto", key[1])):
            contender, size, wait = key
            if rows[key].note:
                continue
            python = str(sizes.peers_python) if contender.peer else sys.executable
            what = f"{contender.name} {contender.called}, max_batch_size={size}, wait {wait}"
            print(f"{number + 1} of {sizes.reps}: {what}", file=sys.stderr, flush=True)
            try:
                found[key].append(measure(contender, size, wait, python, sizes))
            except (RuntimeError, OSError, TimeoutError, ExceptionGroup) as error:
                if not contender.peer:
                    raise
                print(error, file=sys.stderr)  # the others are measured all the same
                rows[key].note = "failed"
    for key, row in rows.items():
        if not row.note:
            row.rates = [each["rate"] for each in found[key]]
            row.p50, row.p95 = (statistics.median(each[which] for each in found[key]) for which in ("p50", "p95"))
    return list(rows.values())


def arguments() -> argparse.Namespace:
    names = list(dict.fromkeys(contender.name for contender in CONTENDERS))
    parser = argparse.ArgumentParser(description="Measure Motet's dynamic batching beside other servers.")
    parser.add_argument(
        "--peers-python",
        type=Path,
        default=Path(sys.executable),
        metavar="PATH",
        help="an interpreter that has ray[serve] and litserve (default: this one)",
    )
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 16, 64], metavar="SIZE")
    parser.add_argument("--wait-ms", type=int, default=10, help="that a batch waits for more (default: 10)")
    parser.add_argument("--in-flight", type=int, default=128, help="calls at once (default: 128)")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement (default: 5)")
    parser.add_argument("--reps", type=int, default=3, help="repetitions (default: 3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured there, too")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table and the machine there, too")
    sizes = parser.parse_args()
    sizes.versions = {}
    return sizes


def main() -> int:
    sizes = arguments()
    own_all_descendants()
    about = machine.description()
    rows = measure_all(sizes)
    about |= sizes.versions
    about["load after"] = " ".join(f"{load:.2f}" for load in os.getloadavg())
    about["model"] = f"sleeps {FIXED * 1000:g} ms and {PER_ITEM * 1000:g} ms per item, one batch at a time"
    about["run"] = (
        f"{sizes.in_flight} calls in flight, {sizes.seconds:g} s, {sizes.reps} repetitions, servers taking turns"
    )
    body = [row.cells() for row in rows]
    for name, value in about.items():
        print(f"- {name}: {value}")
    if sizes.json is not None:
        every = [{**asdict(row), "of_ideal": row.of_ideal} for row in rows]
        sizes.json.write_text(json.dumps({"about": about, "rows": every}, indent=1) + "\n")
    if sizes.markdown is not None:
        lines = "\n".join(f"- {name}: {value}" for name, value in about.items())
        text = f"# Dynamic batching, {about['processors']}\n\n{lines}\n\n{markdown(HEADINGS, body)}\n"
        sizes.markdown.write_text(text)
    show(HEADINGS, body)
    return 0


if __name__ == "__main__":
    sys.exit(main())
