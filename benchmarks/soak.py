"""Ten minutes at full rate: does the memory of the server, the client and the containers stay where it is?

    python benchmarks/soak.py --minutes 10

Four threads call without a pause: a map over an async function, one over a sync function on threads, calls one by one, and
a few spawned ones. The memory of each role is noted twenty times; after half of the time it may hardly grow.
How to read it: benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import functions as f
from machine import memory_by_role

MOST_GROWTH = 8.0
"""MiB per role, from half of the time to its end: what allocators and caches may still take."""


def main() -> int:
    """Run the load, note the memory, and say whether it grew."""
    parser = argparse.ArgumentParser(description="Run at full rate for long, and watch the memory.")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured there, too")
    arguments = parser.parse_args()
    seconds = arguments.minutes * 60
    done = dict.fromkeys((load.__name__ for load in LOADS), 0)
    over = threading.Event()
    samples: list[tuple[float, dict[str, float]]] = []
    with f.app.run():
        threads = [threading.Thread(target=_repeat, args=(load, done, over), daemon=True) for load in LOADS]
        for thread in threads:
            thread.start()
        started = time.monotonic()
        while (elapsed := time.monotonic() - started) < seconds:
            time.sleep(min(seconds / 20, seconds - elapsed))
            samples.append((time.monotonic() - started, memory_by_role()))
            roles = ", ".join(f"{role} {mib:.1f} MiB" for role, mib in samples[-1][1].items())
            print(f"{samples[-1][0]:6.0f} s: {sum(done.values()):12,} inputs; {roles}", flush=True)
        over.set()
        for thread in threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in threads), "a call did not come back"
    return _report(samples, done, seconds, arguments.json)


def _repeat(load: Callable[[], int], done: dict[str, int], over: threading.Event) -> None:
    while not over.is_set():
        done[load.__name__] += load()


def map_async() -> int:
    return _checked(f.noop_async.map(range(20_000)), 20_000)


def map_threads() -> int:
    return _checked(f.noop_threads.map(range(20_000)), 20_000)


def one_by_one() -> int:
    return sum(f.noop_alone.remote(number) == number for number in range(1_000))


def spawned() -> int:
    """Results of spawned calls are kept while the app runs: few of them, so that what is kept is not what is seen."""
    calls = [f.noop_async.spawn(number) for number in range(10)]
    time.sleep(1)
    return sum(call.get() == number for number, call in enumerate(calls))


LOADS = (map_async, map_threads, one_by_one, spawned)


def _checked(results: object, count: int) -> int:
    wrong = sum(result != number for number, result in zip(itertools.count(), results))  # type: ignore[call-overload]
    assert not wrong, f"{wrong} wrong results"
    return count


def _report(
    samples: list[tuple[float, dict[str, float]]], done: dict[str, int], seconds: float, file: Path | None
) -> int:
    settled = next(memory for at, memory in samples if at >= seconds / 2)
    grown = {role: mib - settled[role] for role, mib in samples[-1][1].items()}
    for role, mib in grown.items():
        verdict = "ok" if mib <= MOST_GROWTH else "GREW"
        print(f"{role}: {settled[role]:.1f} MiB after half of the time, {mib:+.1f} MiB at the end: {verdict}")
    print(", ".join(f"{name}: {count:,}" for name, count in done.items()))
    if file is not None:
        file.write_text(json.dumps({"samples": samples, "inputs": done, "grown": grown}, indent=1))
    return any(mib > MOST_GROWTH for mib in grown.values())


if __name__ == "__main__":
    sys.exit(main())
