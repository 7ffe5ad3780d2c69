"""What becomes of inputs while hosts die: 10,000 of them on agents that have joined over loopback, of which two are killed with
-9, and one is stopped (SIGSTOP). Each input is to have one result, and how often it began says how often it was run again.

    python benchmarks/hosts.py --agents 2 4 --inputs 10000

Prints a line of JSON for each number of agents: lost and doubled results, inputs that began more than once, seconds, and how
long after each fault its inputs had begun elsewhere.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

APP = """
import asyncio, os, time
import motet

app = motet.App("faults")


@app.function(min_containers={containers}, max_containers={containers}, retries=0, scaledown_window=120)
@motet.concurrent(max_inputs=16)
async def work(x: int) -> tuple[int, int, float]:
    with open({began!r}, "a") as file:
        file.write(f"{{x}} {{os.getpid()}} {{time.time()}}\\n")
    await asyncio.sleep({seconds})
    return x, os.getpid(), time.time()
"""

MAP = """
import json, sys, time
import motet

work = motet.Function.from_name("faults", "work")
began = time.monotonic()
found = []
for number, result in enumerate(work.map(range(int(sys.argv[1])), order_outputs=False)):
    found.append(result[0])
    if number % 100 == 99:
        print(number + 1, flush=True)
print(json.dumps({"seconds": time.monotonic() - began, "found": found}), flush=True)
"""


class Bench:
    """A server with TLS whose own machine has one container, agents, and a function that notes each time it begins."""

    def __init__(self, directory: Path, agents: int, seconds: float) -> None:
        self.directory = directory
        self.began = directory / "began"
        self.env = {**os.environ, "MOTET_HOME": str(directory / "home"), "MOTET_APP_USERS": "off"}
        self.env["MOTET_CONTAINERS_PER_HOST"] = "1"
        self.agents: dict[str, subprocess.Popen[str]] = {}
        self.server = subprocess.Popen(
            [sys.executable, "-m", "motet", "server", "--port", "0", "--tls"],
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        said = ""
        assert self.server.stdout is not None
        while not (found := re.search(r"(tls:)\S*?:(\d+).*(sha256:[0-9a-f]{64})", said, re.DOTALL)):
            line = self.server.stdout.readline()
            if not line:
                raise SystemExit(f"the server did not start: {said}")
            said += line
        threading.Thread(target=self.server.stdout.read, daemon=True).start()
        token = self.motet("token", "new", "boxes", "--right", "host").split()[-1]
        self.join_env = {
            **os.environ,
            "MOTET_SERVER": f"tls:127.0.0.1:{found[2]}",
            "MOTET_SERVER_FINGERPRINT": found[3],
            "MOTET_TOKEN": token,
        }
        for number in range(agents):
            self.join(f"box-{number}")
        (directory / "faults.py").write_text(
            APP.format(containers=2 * agents + 1, began=str(self.began), seconds=seconds)
        )
        self.motet("deploy", "faults.py")

    def motet(self, *command: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "motet", *command],
            env=self.env,
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"motet {' '.join(command)}: {done.stdout}{done.stderr}")
        return done.stdout

    def join(self, name: str) -> None:
        """An agent that may have two containers; a session of its own, so that all of it can be stopped."""
        env = {**self.join_env, "MOTET_HOME": str(self.directory / name)}
        command = [sys.executable, "-m", "motet", "host", "join", "--name", name, "--containers", "2"]
        agent = self.agents[name] = subprocess.Popen(
            command, env=env, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        assert agent.stderr is not None
        line = agent.stderr.readline()
        if "has joined" not in line:
            raise SystemExit(f"{name} did not join: {line}")
        threading.Thread(target=agent.stderr.read, daemon=True).start()

    def begun(self) -> list[tuple[int, int, float]]:
        found = []
        for line in self.began.read_text().splitlines() if self.began.exists() else []:
            x, pid, at = line.split()
            found.append((int(x), int(pid), float(at)))
        return found

    def close(self) -> None:
        for agent in self.agents.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(agent.pid, signal.SIGCONT)
                agent.kill()
            agent.wait()
        self.server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.server.wait(30)
        self.server.kill()
        self.server.wait()


@contextlib.contextmanager
def bench(agents: int, seconds: float) -> Iterator[Bench]:
    with tempfile.TemporaryDirectory(prefix="motet-hosts-", ignore_cleanup_errors=True) as directory:
        made = Bench(Path(directory), agents, seconds)
        try:
            yield made
        finally:
            made.close()


def run(agents: int, inputs: int, seconds: float) -> dict[str, Any]:
    """One run."""
    with bench(agents, seconds) as on:
        program = subprocess.Popen(
            [sys.executable, "-c", MAP, str(inputs)], env=on.env, stdout=subprocess.PIPE, text=True
        )
        assert program.stdout is not None
        faults: list[tuple[str, float]] = []
        left = [(inputs // 5, "kill", "box-0"), (2 * inputs // 5, "kill", "box-1"), (3 * inputs // 5, "stop", "box-0")]
        result: dict[str, Any] = {}
        for line in program.stdout:
            if line.startswith("{"):
                result = json.loads(line)
            elif left and int(line) >= left[0][0]:
                _, kind, name = left.pop(0)
                agent = on.agents[name]
                faults.append((kind, time.time()))
                os.kill(agent.pid, signal.SIGKILL if kind == "kill" else signal.SIGSTOP)
                if kind == "kill":
                    agent.wait()
                    on.join(name)
        program.wait()
        begun = on.begun()
        times: dict[int, list[float]] = {}
        for x, _, at in begun:
            times.setdefault(x, []).append(at)
        again = sorted(at for each in times.values() for at in sorted(each)[1:])
        counts = Counter(result.get("found", ()))
        return {
            "agents": agents,
            "inputs": inputs,
            "lost": inputs - len(counts),
            "doubled": sum(count > 1 for count in counts.values()),
            "begun_again": len(again),
            "seconds": round(result.get("seconds", 0.0), 2),
            "last_begun_again_after": [
                [kind, round(max((t - at for t in again if at <= t < end), default=0.0), 2)]
                for (kind, at), (_, end) in zip(faults, [*faults[1:], ("", float("inf"))], strict=True)
            ],
            "load": os.getloadavg()[0],
        }


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description="Inputs on hosts that die.")
    parser.add_argument("--agents", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=0.1, help="that each input takes")
    arguments = parser.parse_args()
    for agents in arguments.agents:
        print(json.dumps(run(agents, arguments.inputs, arguments.seconds)), flush=True)


if __name__ == "__main__":
    main()
