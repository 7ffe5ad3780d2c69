"""How long it takes the second server of a PostgreSQL database to take over, and whether a spawned call is lost by it.

Run it: python benchmarks/takeover.py [TAKEOVERS]. The leader is killed (SIGKILL) or stopped (SIGSTOP) in turn while programs
spawn; then the other one leads, and another server waits. Told: seconds from the signal until the next server has the lease,
until it is ready, and until a call has been answered; and how many of the spawned calls that were acknowledged have a result.
"""

from __future__ import annotations

import contextlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.postgres import PostgresDatabase, PostgresServer, programs

PROGRAM = """
import motet

app = motet.App("taken")


@app.function(max_containers=2)
@motet.concurrent(max_inputs=20)
def double(value: int) -> int:
    return 2 * value
"""
SPAWNING = """
import itertools, motet, sys

double = motet.Function.from_name("taken", "double")
for value in itertools.count():
    print(double.spawn(value).object_id, value, flush=True)
"""
CALL = "import motet; assert motet.Function.from_name('taken', 'double').remote(4) == 8"
CHECK = """
import motet, sys

lost = wrong = count = 0
for line in sys.stdin:
    call_id, value = line.split()
    count += 1
    try:
        wrong += motet.FunctionCall.from_id(call_id).get(timeout=120) != 2 * int(value)
    except Exception as error:
        lost += 1
        print(call_id, repr(error), file=sys.stderr)
print(count, lost, wrong)
"""


class Server:
    """One of them, under a home of its own. `said`: when it said what."""

    def __init__(self, home: Path, store: str) -> None:
        home.mkdir(exist_ok=True)
        env = {**os.environ, "MOTET_HOME": str(home), "MOTET_STORE": store, "MOTET_RECONNECT": "0"}
        env.pop("MOTET_SERVER", None)
        self.env = {**env, "MOTET_SERVER": "home"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "motet", "server"],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
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
        raise SystemExit("a server ended before it was to")

    def run(self, program: str, given: str = "") -> str:
        """What a program says that uses it."""
        done = subprocess.run(
            [sys.executable, "-c", program], env=self.env, input=given, stdout=subprocess.PIPE, text=True, check=True
        )
        return done.stdout

    def end(self) -> None:
        for number in (signal.SIGCONT, signal.SIGTERM):
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)
        self.process.communicate()


@contextlib.contextmanager
def spawning(server: Server) -> Iterator[list[str]]:
    """A program spawns as fast as it can; in the list, at the end, what was acknowledged."""
    acknowledged: list[str] = []
    process = subprocess.Popen(
        [sys.executable, "-c", SPAWNING], env=server.env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    acknowledged.append(process.stdout.readline())
    try:
        yield acknowledged
    finally:
        process.kill()
        acknowledged += [line for line in process.communicate()[0].splitlines(keepends=True) if line.endswith("\n")]


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    place = programs()
    if isinstance(place, str):
        raise SystemExit(place)
    postgres = PostgresServer(place)
    directory = Path(tempfile.mkdtemp(prefix="motet-takeover-"))
    (directory / "taken.py").write_text(PROGRAM)
    store = PostgresDatabase(postgres).address
    leader = Server(directory / "0", store)
    servers = [leader]
    taken: dict[str, list[float]] = {"lease": [], "ready": [], "answered": []}
    calls: list[str] = []
    try:
        leader.wait("Ready")
        deploy = [sys.executable, "-m", "motet", "deploy", "taken.py"]
        subprocess.run(deploy, cwd=directory, env=leader.env, check=True, stdout=subprocess.DEVNULL)
        for number in range(1, count + 1):
            following = Server(directory / str(number), store)
            servers.append(following)
            following.wait("Waiting to lead")
            leader.run(CALL)
            with spawning(leader) as acknowledged:
                time.sleep(2.0)
                how = signal.SIGKILL if number % 2 else signal.SIGSTOP
                began = time.monotonic()
                leader.process.send_signal(how)
                lease, ready = following.wait("Keeps what it must", "Ready")
            following.run(CALL)
            moments = lease - began, ready - began, time.monotonic() - began
            for name, seconds in zip(taken, moments, strict=True):
                taken[name].append(seconds)
            print(how.name, *(f"{name} {seconds:.2f} s" for name, seconds in zip(taken, moments, strict=True)),
                  f"{len(acknowledged)} acknowledged", flush=True)  # fmt: skip
            calls += acknowledged
            if how is signal.SIGSTOP:
                leader.process.send_signal(signal.SIGCONT)
                print(f"  woken up, it ended with status {leader.process.wait(30)}", flush=True)
            leader = following
        for name, seconds in taken.items():
            print(f"{name}: median {statistics.median(seconds):.2f} s, at most {max(seconds):.2f} s")
        checked, lost, wrong = leader.run(CHECK, "".join(calls)).split()
        print(f"of {checked} acknowledged calls {lost} are lost, {wrong} have another result")
    finally:
        for server in servers:
            server.end()
        postgres.close()


if __name__ == "__main__":
    main()
