"""Spawned calls on a server that is killed with SIGKILL again and again, with its host agent or without: does each end once?

    python benchmarks/durable.py                       # 100,000 calls, 20 kills; then how many are acknowledged in a second
    python benchmarks/durable.py --calls 5000 --kills 6

A program spawns calls and notes each that was acknowledged, while another hand kills the server, the agent, or both in turn.
Then the program asks for every result, over a new connection: each that was acknowledged must have its own. Inputs note that
they have run: how often that was more than once is told (an input whose container was lost runs again, which is right).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

PROGRAM = """
import motet

app = motet.App("durable")

@app.function(max_containers=2)
@motet.concurrent(max_inputs=32)
async def work(number: int, padding: str) -> int:
    with open("RAN", "a") as file:
        file.write(f"{number}\\n")
    return number
"""

SPAWNING = """
import sys, threading, time
import motet

count, threads, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
work = motet.Function.from_name("durable", "work")
padding = "x" * 280
lock, out = threading.Lock(), open(path, "w")
numbers = iter(range(count))

def spawn():
    while True:
        with lock:
            number = next(numbers, None)
        if number is None:
            return
        while True:
            began = time.perf_counter()
            try:
                call = work.spawn(number, padding)
                break
            except Exception as error:  # it was not accepted, as far as this program knows: it is another call
                print("not acknowledged:", type(error).__name__, str(error)[:100], file=sys.stderr, flush=True)
                time.sleep(0.2)
        with lock:
            out.write(f"{number} {call.object_id} {time.perf_counter() - began:.6f}\\n")
            out.flush()

workers = [threading.Thread(target=spawn) for _ in range(threads)]
began = time.perf_counter()
for each in workers:
    each.start()
for each in workers:
    each.join()
print(time.perf_counter() - began)
"""

ASKING = """
import sys
from concurrent.futures import ThreadPoolExecutor
import motet

def wrong(line):
    number, call_id, _ = line.split()
    try:
        found = motet.FunctionCall.from_id(call_id).get(timeout=300)
    except Exception as error:
        return f"{number} ({call_id}): {type(error).__name__}: {error}"
    return "" if found == int(number) else f"{number} ({call_id}) gave {found}"

with ThreadPoolExecutor(32) as pool:
    failed = [it for it in pool.map(wrong, open(sys.argv[1])) if it]
print(len(failed))
for each in failed[:20]:
    print(each, file=sys.stderr)
"""

MAPPING = """
import sys, time
import motet
work = motet.Function.from_name("durable", "work")
count = int(sys.argv[1])
began = time.perf_counter()
work.experimental_spawn_map(range(count), ["x" * 280] * count)
print(time.perf_counter() - began)
"""


class Place:
    """A home with a server, and what runs there."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        # Containers note what ran in a file of this program, which another user could not write to.
        self.env = {**os.environ, "MOTET_HOME": str(directory / "home"), "MOTET_APP_USERS": "off"}
        self.server = self._start()

    def _start(self) -> subprocess.Popen[str]:
        server = subprocess.Popen(
            [sys.executable, "-m", "motet", "server"],
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=open(self.directory / "server.log", "a"),  # noqa: SIM115 - it is the process's
            text=True,
        )
        assert server.stdout is not None
        for line in server.stdout:
            if line.startswith("Ready"):
                return server
        raise RuntimeError(f"the server did not start: {(self.directory / 'server.log').read_text()}")

    def agents(self) -> list[int]:
        """The host agents of this home: each writes to a log there."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                is_agent = entry.name.isdecimal() and b"motet.agent.agent" in (entry / "cmdline").read_bytes()
                if is_agent and any(str(self.directory) in os.readlink(each) for each in (entry / "fd").iterdir()):
                    found.append(int(entry.name))
            except OSError:  # it has just ended, or is another user's
                continue
        return found

    def kill(self, what: str) -> float:
        """The server, the agent or both; seconds until a server is ready again."""
        began = time.perf_counter()
        if what != "server":
            found = self.agents()
            if not found:
                raise RuntimeError("no host agent was found")
            for pid in found:
                os.kill(pid, signal.SIGKILL)
        if what == "agent":
            return time.perf_counter() - began
        self.server.kill()
        self.server.wait()
        self.server = self._start()
        return time.perf_counter() - began

    def program(self, text: str, *arguments: object) -> subprocess.Popen[str]:
        """One that uses the server."""
        return subprocess.Popen(
            [sys.executable, "-c", text, *map(str, arguments)],
            cwd=self.directory,
            env={**self.env, "MOTET_SERVER": "home"},
            stdout=subprocess.PIPE,
            text=True,
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--every", type=float, default=2.0, help="seconds between two kills")
    parser.add_argument("--threads", type=int, default=64)
    parser.add_argument(
        "--rate", type=int, default=20_000, help="calls for the rate of acknowledgement; 0: not measured"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        place = Place(Path(directory))
        try:
            (place.directory / "program.py").write_text(PROGRAM.replace("RAN", str(place.directory / "ran")))
            subprocess.run(
                [sys.executable, "-m", "motet", "deploy", "program.py"], cwd=directory, env=place.env, check=True
            )
            failed = under_kills(place, options)
            if options.rate:
                rates(place, options)
        finally:
            place.server.terminate()
            place.server.wait(60)
    return 1 if failed else 0


def under_kills(place: Place, options: argparse.Namespace) -> int:
    """How many calls did not end as they should."""
    acknowledged = place.directory / "acknowledged"
    spawning = place.program(SPAWNING, options.calls, options.threads, acknowledged)
    while not (acknowledged.exists() and acknowledged.stat().st_size) and spawning.poll() is None:
        time.sleep(0.05)  # a program that finds no server at all does not wait for one
    gaps, kills, under_way = [], Counter[str](), 0
    for number in range(options.kills):
        time.sleep(options.every)
        under_way += spawning.poll() is None
        what = ("server", "agent", "both")[number % 3]
        kills[what] += 1
        gap = place.kill(what)
        if what != "agent":
            gaps.append(gap)
    spawning.communicate()
    asking = place.program(ASKING, acknowledged)
    out, _ = asking.communicate()
    failed = int(out or -1)
    accepted = acknowledged.read_text().splitlines()
    ran = Counter((place.directory / "ran").read_text().split())
    report = {
        "calls acknowledged": len(accepted),
        "kills": dict(kills),
        "of these while calls were spawned": under_way,
        "without their own result": failed,
        "never ran": sum(line.split()[0] not in ran for line in accepted),
        "ran more than once": sum(count > 1 for count in ran.values()),
        "until the next server was ready, median s": round(statistics.median(gaps), 2) if gaps else None,
        "at most": round(max(gaps), 2) if gaps else None,
    }
    print(json.dumps(report, indent=2))
    return failed or report["never ran"] or len(accepted) - options.calls  # type: ignore[return-value]


def rates(place: Place, options: argparse.Namespace) -> None:
    """How many are acknowledged in a second."""
    for clients, threads in ((1, 1), (4, 64)):
        paths = [place.directory / f"rate{number}" for number in range(clients)]
        count = options.rate // (20 if threads == 1 else clients)
        running = [place.program(SPAWNING, count, threads, path) for path in paths]
        seconds = [float(it.communicate()[0]) for it in running]
        waits = sorted(float(line.split()[2]) for path in paths for line in path.read_text().splitlines())
        print(
            f"{clients} clients of {threads} threads: {sum(count / it for it in seconds):,.0f} acknowledged a second; "
            f"median {waits[len(waits) // 2] * 1000:.1f} ms, p99 {waits[len(waits) * 99 // 100] * 1000:.1f} ms"
        )
    mapping = place.program(MAPPING, options.rate)
    seconds_of_map = float(mapping.communicate()[0])
    print(f"one spawn_map of {options.rate:,}: {options.rate / seconds_of_map:,.0f} acknowledged a second")


if __name__ == "__main__":
    sys.exit(main())
