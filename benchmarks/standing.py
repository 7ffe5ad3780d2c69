"""`.remote()` on a server that stays, over its Unix socket, beside one inside the program: `python benchmarks/standing.py`.

Both are used by one program, a few calls of one and then of the other, so that what else the machine does is in both. Calls
follow each other, from one thread, to an async function that returns its argument.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

import motet

BLOCKS = 400
CALLS = 20
WARM_UP = 10

own, there = motet.App("own"), motet.App("there")


@own.function(name="same")
@motet.concurrent(max_inputs=10)
async def same(x: int) -> int:
    """Returns its argument, on the program's own server."""
    return x


@there.function(name="same_there")
@motet.concurrent(max_inputs=10)
async def same_there(x: int) -> int:
    """Returns its argument, on the other one."""
    return x


def calls(function: Any) -> list[float]:
    """Seconds that each of some calls took."""
    taken = []
    for number in range(CALLS):
        began = time.perf_counter()
        function.remote(number)
        taken.append(time.perf_counter() - began)
    return taken


def measure() -> tuple[list[float], list[float]]:
    """What calls on both took, in turn."""
    embedded: list[float] = []
    standing: list[float] = []
    with own.run():
        os.environ["MOTET_SERVER"] = "home"
        with there.run():
            for number in range(WARM_UP + BLOCKS):
                pair = calls(same), calls(same_there)
                if number >= WARM_UP:
                    embedded += pair[0]
                    standing += pair[1]
    return embedded, standing


def main() -> None:
    """Print the medians of both, and their ratio."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["MOTET_HOME"] = home
        server = subprocess.Popen([sys.executable, "-m", "motet", "server"], stdout=subprocess.PIPE, text=True)
        assert server.stdout is not None
        try:
            while not server.stdout.readline().startswith("Ready"):
                if server.poll() is not None:
                    sys.exit("the server did not start")
            embedded, standing = measure()
        finally:
            server.terminate()
            server.wait()
    for name, taken in (("embedded", embedded), ("server", standing)):
        tens = statistics.quantiles(taken, n=20)
        print(f"{name}: p50 {1e6 * statistics.median(taken):.0f} µs, p95 {1e6 * tens[-1]:.0f} µs ({len(taken)} calls)")
    print(f"p50: {statistics.median(standing) / statistics.median(embedded):.2f} times")


if __name__ == "__main__":
    main()
