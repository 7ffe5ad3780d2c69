"""A server that stays with nothing to do: `python benchmarks/idle_server.py [--functions 50] [--deployments 1000]`.

An app of so many functions is deployed, and nobody calls it: what the server and its host agent take of memory and processor.
Then the app is deployed again and again, and the server started with all of that in its history.
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
from collections.abc import Iterator
from pathlib import Path

from machine import description
from servers import descendants, own_all_descendants

PROGRAM = """
import sys

import motet

app = motet.App("idle")


def declare(number):
    @app.function(name=f"work{{number}}", serialized=True)
    def work(x: int) -> int:
        return number * x


for number in range({functions}):
    declare(number)

if __name__ == "__main__":
    for _ in range(int(sys.argv[1])):
        app.deploy()
"""
STARTS = 5


@contextlib.contextmanager
def server(directory: Path, env: dict[str, str]) -> Iterator[float]:
    """A server, and the seconds until it was ready."""
    began = time.monotonic()
    with (
        open(directory / "server.log", "a") as log,
        subprocess.Popen(
            [sys.executable, "-m", "motet", "server"], env=env, stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        assert process.stdout is not None
        try:
            if not any(line.startswith("Ready") for line in process.stdout):
                raise RuntimeError((directory / "server.log").read_text())
            yield time.monotonic() - began
        finally:
            process.terminate()
            process.wait(120)


def role(pid: int) -> str:
    """What a process of the server is."""
    command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    for part, name in (("motet server", "server"), ("motet.agent", "host agent"), ("template", "template")):
        if part in command:
            return name
    return "others"


def memory_mib(pid: int) -> float:
    """Its own share: pages that several have count for each in part."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def processor_s(pid: int) -> float:
    """Seconds of its life."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--functions", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=30.0, help="to look at it while it has nothing to do")
    parser.add_argument("--deployments", type=int, default=1000)
    options = parser.parse_args()
    own_all_descendants()
    found: dict[str, object] = {**description()}
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place)
        program = directory / "program.py"
        program.write_text(PROGRAM.format(functions=options.functions))
        env = {**os.environ, "MOTET_HOME": str(directory / "home"), "MOTET_SERVER": "home", "MOTET_STORE": ""}

        def deploy(times: int) -> None:
            subprocess.run([sys.executable, program.name, str(times)], cwd=directory, env=env, check=True)

        with server(directory, env):
            deploy(1)
            time.sleep(5)  # what a deployment begins has ended
            pids = descendants(os.getpid())
            before = {pid: processor_s(pid) for pid in pids}
            time.sleep(options.seconds)
            for pid in pids:
                found[role(pid)] = {
                    "memory_mib": round(memory_mib(pid), 1),
                    "processor_percent": round(100 * (processor_s(pid) - before[pid]) / options.seconds, 2),
                }
        with server(directory, env):
            began = time.monotonic()
            deploy(options.deployments - 1)
            found["deployments a second"] = round((options.deployments - 1) / (time.monotonic() - began), 1)
        starts = []
        for _ in range(STARTS):
            with server(directory, env) as seconds:
                starts.append(seconds)
        found["start with that history, median and most s"] = [
            round(statistics.median(starts), 2),
            round(max(starts), 2),
        ]
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
