"""Many writers on one dict of a server that stays, which is killed again and again: is what they saw possible?

    python benchmarks/shared_state.py                                 # 50 writers, 10,000 operations, 3 kills
    python benchmarks/shared_state.py --writers 8 --operations 400 --kills 1
    python benchmarks/shared_state.py --kills 0                       # operations a second, and their latency

Writers are threads of five processes. Each puts, puts if absent, reads and takes away keys at random, and notes what it asked,
what it was answered, and when. Where the server goes away, the answer is lost, and the operation may have happened or not. In
the end the histories of all writers are checked together: for each key there must be an order in which every answer is right.
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
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import motet
from motet.errors import ConnectionError, ServiceError
from motet.testing.registers import KeyOperation, impossible_keys

PROCESSES = 5
DEFAULT = {"writers": 50, "operations": 10_000, "kills": 3}
KEYS_FOR = 20
"""One key for so many operations."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--writers", type=int, default=DEFAULT["writers"])
    parser.add_argument("--operations", type=int, default=DEFAULT["operations"])
    parser.add_argument("--kills", type=int, default=DEFAULT["kills"])
    parser.add_argument(
        "--write", nargs=4, metavar=("NUMBER", "THREADS", "EACH", "KEYS"), type=int, help=argparse.SUPPRESS
    )
    given = parser.parse_args()
    if given.write is not None:
        print(json.dumps(written(*given.write)))
        return
    print(json.dumps(measured(given.writers, given.operations, given.kills)))


def measured(writers: int, operations: int, kills: int) -> dict[str, object]:
    """What there is to tell."""
    from tests.e2e.standing import StandingServer

    processes = min(PROCESSES, max(1, writers // 5))
    threads, keys = writers // processes, max(1, operations // KEYS_FOR)
    each = operations // (processes * threads)
    with tempfile.TemporaryDirectory(prefix="motet-shared-state-") as place:
        home = Path(place) / "home"
        server = StandingServer(home)
        began = [
            subprocess.Popen(
                [sys.executable, __file__, "--write", *map(str, (number, threads, each, keys))],
                env=server.client_env,
                stdout=subprocess.PIPE,
                text=True,
            )
            for number in range(processes)
        ]
        for each_process in began:
            assert each_process.stdout is not None
            assert each_process.stdout.readline() == "ready\n"
        dice = random.Random(1)
        done = [threading.Event() for _ in began]
        outputs: list[str] = [""] * processes

        def read(number: int) -> None:
            outputs[number] = began[number].communicate()[0]
            done[number].set()

        readers = [threading.Thread(target=read, args=(number,)) for number in range(processes)]
        for reader in readers:
            reader.start()
        killed = 0
        while killed < kills and not all(each.is_set() for each in done):
            time.sleep(0.1 + 0.3 * dice.random())
            server.process.kill()
            server.process.communicate()
            server = StandingServer(home)
            killed += 1
        for reader in readers:
            reader.join()
        server.end()
    history = [KeyOperation(*row) for output in outputs for row in json.loads(output)]
    answered = [each for each in history if each.ended_at is not None]
    took = [each.ended_at - each.began_at for each in answered if each.ended_at is not None]
    seconds = max(each.began_at for each in history) - min(each.began_at for each in history)
    return {
        "operations": len(history),
        "answers lost": len(history) - len(answered),
        "kills": killed,
        "keys": len({each.key for each in history}),
        "impossible": impossible_keys(history),
        "operations a second": round(len(history) / seconds),
        "median ms": round(statistics.median(took) * 1000, 2),
        "p99 ms": round(statistics.quantiles(took, n=100)[98] * 1000, 2),
        "load": os.getloadavg()[0],
    }


def written(number: int, threads: int, each: int, keys: int) -> list[tuple[object, ...]]:
    """What the writers of one process asked and were answered."""
    shared = motet.Dict.from_name("history", create_if_missing=True)
    shared.hydrate()
    print("ready", flush=True)
    rows: list[tuple[object, ...]] = []

    def write(writer: int) -> None:
        dice = random.Random(f"{number} {writer}")
        for count in range(each):
            key = f"k{dice.randrange(keys)}"
            kind = dice.choice(("put", "put if absent", "get", "pop"))
            value = (number * threads + writer) * 1_000_000 + count
            answer: int | None = None
            ended_at: float | None = None
            began_at = time.monotonic()
            try:
                match kind:
                    case "put":
                        shared.put(key, value)
                    case "put if absent":
                        answer = int(shared.put(key, value, skip_if_exists=True))
                    case "get":
                        answer = shared.get(key)
                    case _:
                        answer = shared.pop(key, None)
                ended_at = time.monotonic()
            except (ConnectionError, ServiceError):
                pass
            rows.append((key, kind, value, answer, began_at, ended_at))

    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(threads)]
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join()
    return rows


if __name__ == "__main__":
    main()
