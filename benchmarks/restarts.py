"""A server killed with SIGKILL and started again, many times, under running inputs: does each end once?

    python benchmarks/restarts.py                     # 20 kills, inputs of 5 to 30 s
    python benchmarks/restarts.py --kills 5 --shortest 1 --longest 4

Inputs write when they begin and end, and the program counts: an input that ends twice or never, or begins twice though no
container died, is a failure. It says how long inputs were held up by a restart: from the kill until the next server was ready.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

PROGRAM = """
import asyncio
import json
import os
import sys
import time

import motet

app = motet.App("restarts")


def mark(path, *what):
    with open(path, "a") as file:
        file.write(json.dumps([time.time(), os.getpid(), *what]) + "\\n")


@app.function(max_containers=4)
@motet.concurrent(max_inputs=8)
async def waits(path, number, seconds):
    mark(path, "begin", number)
    await asyncio.sleep(seconds)
    mark(path, "end", number)
    return number


@app.function(max_containers=4)
def sleeps(path, number, seconds):
    mark(path, "begin", number)
    time.sleep(seconds)
    mark(path, "end", number)
    return number


@app.function(max_containers=4)
@motet.concurrent(max_inputs=4)
def calls(path, number, seconds):
    mark(path, "begin", number)
    inner = waits.remote(path, f"{number}'s", seconds)
    mark(path, "end", number)
    return number


@app.function(max_containers=4)
@motet.batched(max_batch_size=5, wait_ms=200)
def batches(paths, numbers, seconds):
    for number in numbers:
        mark(paths[0], "begin", number)
    time.sleep(max(seconds))
    for number in numbers:
        mark(paths[0], "end", number)
    return numbers


@app.local_entrypoint()
def main(path: str, plan: str):
    plan = json.loads(open(plan).read())
    import threading
    results = {}

    def run(function, name):
        numbers = [f"{name}{n}" for n in range(len(plan[name]))]
        results[name] = list(function.map([path] * len(numbers), numbers, plan[name])) == numbers

    threads = [threading.Thread(target=run, args=it) for it in ((waits, "w"), (sleeps, "s"), (calls, "c"), (batches, "b"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(results))
"""


class Server:
    """`motet server` under a home, ready when made."""

    def __init__(self, home: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "motet", "server"],
            env={**os.environ, "MOTET_HOME": str(home)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        self.held = 0
        for line in self.process.stdout:
            if line.startswith("Taking over"):
                self.held = int(line.split()[2])
            if line.startswith("Ready"):
                return
        raise RuntimeError("the server did not start")

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def end(self) -> None:
        self.process.terminate()
        self.process.communicate(timeout=60)


def main() -> int:
    options = arguments()
    dice = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as directory:
        home, marks, plan = Path(directory, "home"), Path(directory, "marks"), Path(directory, "plan")
        Path(directory, "program.py").write_text(PROGRAM)
        seconds = {
            name: [dice.uniform(options.shortest, options.longest) for _ in range(count)]
            for name, count in (("w", options.inputs), *((name, options.inputs // 4) for name in "scb"))
        }
        plan.write_text(json.dumps(seconds))
        server = Server(home)
        program = subprocess.Popen(
            [sys.executable, "-m", "motet", "run", "-q", "program.py::main", "--path", str(marks), "--plan", str(plan)],
            cwd=directory,
            env={**os.environ, "MOTET_HOME": str(home), "MOTET_SERVER": "home"},
            stdout=subprocess.PIPE,
            text=True,
        )
        while (
            not marks.exists() and program.poll() is None
        ):  # a program that finds no server at all does not wait for one
            time.sleep(0.05)
        gaps, held, kills = [], [], 0
        while kills < options.kills and program.poll() is None:
            time.sleep(dice.uniform(0.2, options.between))
            if program.poll() is not None:
                break
            server.kill()
            killed = time.monotonic()
            time.sleep(dice.choice([0.0, 0.0, 1.0]))
            server = Server(home)
            gaps.append(time.monotonic() - killed)
            held.append(server.held)
            kills += 1
        out, _ = program.communicate(timeout=options.longest * 20 + 120)
        server.end()
        return report(options, seconds, marks, program.returncode, out, gaps, held)


def report(
    options: argparse.Namespace,
    seconds: dict[str, list[float]],
    marks: Path,
    status: int,
    out: str,
    gaps: list[float],
    held: list[int],
) -> int:
    """Say what became of it; the exit status."""
    told = [json.loads(line) for line in marks.read_text().splitlines()]
    begun = Counter(number for _, _, what, number in told if what == "begin")
    ended = Counter(number for _, _, what, number in told if what == "end")
    inputs = [f"{name}{n}" for name, each in seconds.items() for n in range(len(each))]
    inputs += [f"c{n}'s" for n in range(len(seconds["c"]))]
    never = [number for number in inputs if not ended[number]]
    twice = [number for number in inputs if begun[number] > 1 or ended[number] > 1]
    found = {
        "kills": len(gaps),
        "inputs": len(inputs),
        "seconds": [options.shortest, options.longest],
        "containers": len({pid for _, pid, _, _ in told}),
        "ended_once": len(inputs) - len(never) - len(set(twice)),
        "never_ended": never,
        "ran_twice": twice,
        "results_right": status == 0 and all(json.loads(out).values()),
        "containers_taken_over": {"least": min(held, default=0), "most": max(held, default=0)},
        "until_ready_again": {
            "median": round(statistics.median(gaps), 2) if gaps else None,
            "most": round(max(gaps), 2) if gaps else None,
        },
    }
    print(json.dumps(found, indent=2))
    return 0 if found["results_right"] and not never and not twice else 1


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--inputs", type=int, default=200, help="of the first function; of three others a quarter each")
    parser.add_argument("--shortest", type=float, default=5.0, help="seconds that an input takes at least")
    parser.add_argument("--longest", type=float, default=30.0, help="and at most")
    parser.add_argument("--between", type=float, default=4.0, help="seconds between two kills, at most")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
