"""Two servers on a PostgreSQL database: the one that leads is killed or stopped again and again, while a program spawns calls.

    python benchmarks/takeover.py                        # 100,000 calls, 10 takeovers
    python benchmarks/takeover.py --calls 5000 --takeovers 2
    python benchmarks/takeover.py --saturated 600        # does the second take over for no reason, when all cores are busy?

The leader is killed (SIGKILL) and stopped (SIGSTOP) in turn; then the other one leads, has its containers, and ends the process
that was stopped. It is started again, 10 s later if it was stopped, as a supervisor would do. The program names both servers,
and goes over by itself. It notes every call that was acknowledged, and when; then another one asks for every result.

Told: seconds from the signal until the next server has the lease, until it is ready, and until it has acknowledged a call of
the program; calls without their own result; and inputs that ran more than once.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.postgres import PostgresDatabase, PostgresServer, programs

PROGRAM = """
import motet

app = motet.App("taken")


@app.function(max_containers=2)
@motet.concurrent(max_inputs=32)
async def double(number: int, padding: str) -> int:
    with open("RAN", "a") as file:
        file.write(f"{number}\\n")
    return 2 * number
"""
SPAWNING = """
import sys, threading, time
import motet

count, threads, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
double = motet.Function.from_name("taken", "double")
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
            try:
                call = double.spawn(number, padding)
                break
            except Exception as error:  # it was not accepted, as far as this program knows: it is another call
                print("not acknowledged:", type(error).__name__, str(error)[:300], file=sys.stderr, flush=True)
                time.sleep(0.2)
        with lock:
            out.write(f"{number} {call.object_id} {time.monotonic():.3f}\\n")
            out.flush()

workers = [threading.Thread(target=spawn) for _ in range(threads)]
for each in workers:
    each.start()
for each in workers:
    each.join()
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
    return "" if found == 2 * int(number) else f"{number} ({call_id}) gave {found}"

with ThreadPoolExecutor(32) as pool:
    failed = [it for it in pool.map(wrong, open(sys.argv[1])) if it]
print(len(failed))
for each in failed[:20]:
    print(each, file=sys.stderr)
"""


class Server:
    """One of the two, under a home of its own, which is started again and again."""

    def __init__(self, home: Path, store: str) -> None:
        home.mkdir(exist_ok=True)
        self.home = home
        self._env = {**os.environ, "MOTET_HOME": str(home), "MOTET_STORE": store, "PYTHONUNBUFFERED": "1"}
        # Containers note what ran in a file of this program, which another user could not write to.
        self._env["MOTET_APP_USERS"] = "off"
        self._env.pop("MOTET_SERVER", None)
        self.start()

    @property
    def address(self) -> str:
        return f"unix:{self.home}/server/socket"

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "motet", "server"],
            env=self._env,
            stdout=subprocess.PIPE,
            stderr=open(self.home / "log", "a"),  # noqa: SIM115 - it is the process's
            text=True,
        )

    def wait(self, *words: str) -> list[float]:
        """The moments at which it says these, one after the other."""
        assert self.process.stdout is not None
        moments: list[float] = []
        for line in self.process.stdout:
            if words[len(moments)] in line:
                moments.append(time.monotonic())
                if len(moments) == len(words):
                    return moments
        raise SystemExit(f"a server ended before it was to: {(self.home / 'log').read_text()[-2000:]}")

    def end(self) -> None:
        for number in (signal.SIGCONT, signal.SIGTERM):
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)
        self.process.communicate()


def come_back(server: Server, how: signal.Signals) -> None:
    """As a supervisor has it."""
    if how is signal.SIGSTOP:
        time.sleep(10)
        server.process.send_signal(signal.SIGCONT)
        status = server.process.wait(60)
        print(f"  the one that was stopped ended with status {status}", flush=True)
    server.process.communicate()
    server.start()
    server.wait("Waiting to lead")


def acknowledged(path: Path) -> list[tuple[str, str, float]]:
    """Those whose lines are whole."""
    lines = (line.split() for line in path.read_text().splitlines(keepends=True) if line.endswith("\n"))
    return [(number, call_id, float(at)) for number, call_id, at in lines]


def main() -> int:
    options = arguments()
    place = programs()
    if isinstance(place, str):
        raise SystemExit(place)
    postgres = PostgresServer(place)
    directory = Path(tempfile.mkdtemp(prefix="motet-takeover-"))
    (directory / "taken.py").write_text(PROGRAM.replace("RAN", str(directory / "ran")))
    store = PostgresDatabase(postgres).address
    servers = [Server(directory / name, store) for name in ("first", "second")]
    try:
        leader, other = first_to_lead(servers)
        env = {**os.environ, "MOTET_SERVER": ",".join(each.address for each in servers)}
        motet = [sys.executable, "-m", "motet"]
        subprocess.run([*motet, "deploy", "taken.py"], cwd=directory, env=env, check=True, stdout=subprocess.DEVNULL)
        if options.saturated:
            return saturated(options, leader, other, env)
        path = directory / "acknowledged"
        spawning = subprocess.Popen(
            [sys.executable, "-c", SPAWNING, str(options.calls), str(options.threads), str(path)], env=env
        )
        taken: dict[str, list[float]] = {"lease": [], "ready": [], "acknowledged": []}
        loads: list[float] = []
        for number in range(1, options.takeovers + 1):
            while not path.exists() or len(acknowledged(path)) < number * options.calls // (options.takeovers + 1):
                if spawning.poll() is not None:
                    break
                time.sleep(0.2)
            how = signal.SIGKILL if number % 2 else signal.SIGSTOP
            began = time.monotonic()
            leader.process.send_signal(how)
            lease, ready = other.wait("Keeps what it must", "Ready")
            back = threading.Thread(target=come_back, args=(leader, how))
            back.start()
            moments = [lease - began, ready - began]
            while spawning.poll() is None and len(moments) < 3:
                after = [at for _, _, at in acknowledged(path)[-500:] if at > lease]
                moments += [min(after) - began] if after else []
                time.sleep(0.1)
            for name, seconds in zip(taken, moments, strict=False):
                taken[name].append(seconds)
            loads.append(os.getloadavg()[0])
            print(how.name, *(f"{name} {seconds:.2f} s" for name, seconds in zip(taken, moments, strict=False)),
                  f"load {loads[-1]:.1f}", flush=True)  # fmt: skip
            back.join()
            leader, other = other, leader
        spawning.wait()
        asked = subprocess.run(
            [sys.executable, "-c", ASKING, str(path)], env=env, stdout=subprocess.PIPE, text=True, check=False
        )
        ran = Counter((directory / "ran").read_text().split())
        accepted = acknowledged(path)
        report = {
            "calls acknowledged": len(accepted),
            "takeovers": options.takeovers,
            "without their own result": int(asked.stdout or -1),
            "never ran": sum(number not in ran for number, _, _ in accepted),
            "ran more than once": sum(count > 1 for count in ran.values()),
            "load": [round(min(loads), 1), round(max(loads), 1)],
            **{
                f"until {name}, median and most s": [round(statistics.median(each), 2), round(max(each), 2)]
                for name, each in taken.items()
                if each
            },
        }
        print(json.dumps(report, indent=2))
        return int(report["without their own result"] != 0 or report["never ran"] != 0)
    finally:
        for server in servers:
            server.end()
        postgres.close()


def saturated(options: argparse.Namespace, leader: Server, other: Server, env: dict[str, str]) -> int:
    """Processes compute all the time beside both servers, and a program that spawns. Whether the second one has led."""
    led: list[str] = []

    def hear() -> None:
        assert other.process.stdout is not None
        led.extend(line for line in other.process.stdout if "Keeps what it must" in line)

    threading.Thread(target=hear, daemon=True).start()
    spinners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(options.spinners)]
    path, loads, count = leader.home / "acknowledged", [], 0
    try:
        until = time.monotonic() + options.saturated
        while time.monotonic() < until and leader.process.poll() is None and not led:
            arguments = [str(1000), str(8), str(path)]
            done = subprocess.run([sys.executable, "-c", SPAWNING, *arguments], env=env, check=False)
            count += len(acknowledged(path)) if done.returncode == 0 else 0
            loads.append(os.getloadavg()[0])
    finally:
        for each in spinners:
            each.kill()
            each.wait()
    report = {
        "seconds": options.saturated,
        "processes that compute": options.spinners,
        "cores": len(os.sched_getaffinity(0)),
        "load": [round(min(loads), 1), round(max(loads), 1)],
        "calls acknowledged meanwhile": count,
        "takeovers": len(led),
        "words of the one that leads": (leader.home / "log").read_text().splitlines()[-5:],
    }
    print(json.dumps(report, indent=2))
    return int(bool(led) or leader.process.poll() is not None)


def first_to_lead(servers: list[Server]) -> tuple[Server, Server]:
    """The one that leads, and the other."""
    said: dict[int, str] = {}

    def hear(number: int) -> None:
        stdout = servers[number].process.stdout
        assert stdout is not None
        for line in stdout:
            if "Waiting to lead" in line or "Ready" in line:
                said[number] = line
                return

    hearing = [threading.Thread(target=hear, args=(number,)) for number in range(2)]
    for each in hearing:
        each.start()
    for each in hearing:
        each.join()
    return (servers[0], servers[1]) if "Ready" in said[0] else (servers[1], servers[0])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--takeovers", type=int, default=10)
    parser.add_argument("--threads", type=int, default=64)
    parser.add_argument("--saturated", type=float, default=0, help="seconds with busy cores, and nobody killed")
    parser.add_argument("--spinners", type=int, default=4, help="processes that compute all the time then")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
