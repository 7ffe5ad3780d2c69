"""`.remote()` on servers that stay, over a Unix socket, TCP, TLS and a WebSocket in it, beside one inside the program:
`python benchmarks/standing.py`.

All are used by one program, a few calls of each in turn, so that what else the machine does is in all. Calls follow each other,
from one thread, to an async function that returns its argument.
"""

from __future__ import annotations

import contextlib
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import motet

BLOCKS = 400
CALLS = 20
WARM_UP = 10

WAYS = ("embedded", "unix", "tcp", "tls", "wss")
apps: dict[str, motet.App] = {}
functions: dict[str, Any] = {}


async def same(x: int) -> int:
    """Returns its argument."""
    return x


for way in WAYS:
    apps[way] = motet.App(way)
    functions[way] = apps[way].function(name=f"same_{way}", serialized=True)(motet.concurrent(max_inputs=10)(same))


def calls(function: Any) -> list[float]:
    """Seconds that each of some calls took."""
    taken = []
    for number in range(CALLS):
        began = time.perf_counter()
        function.remote(number)
        taken.append(time.perf_counter() - began)
    return taken


@contextlib.contextmanager
def server(home: str, *options: str) -> Iterator[str]:
    """A server that stays there; what it says when it begins."""
    command = [sys.executable, "-m", "motet", "server", *options]
    process = subprocess.Popen(command, env={**os.environ, "MOTET_HOME": home}, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = ""
    try:
        while "Ready" not in said:
            line = process.stdout.readline()
            if not line:
                sys.exit("a server did not start")
            said += line
        yield said
    finally:
        process.terminate()
        process.wait()


def told(said: str, pattern: str) -> str:
    """What a server said there."""
    found = re.search(pattern, said)
    assert found is not None, said
    return found[1]


def measure(ways: dict[str, dict[str, str]]) -> dict[str, list[float]]:
    """What calls took, by the environments that lead to each server."""
    taken: dict[str, list[float]] = {way: [] for way in ways}
    with contextlib.ExitStack() as running:
        for way, env in ways.items():
            os.environ.update({"MOTET_SERVER": "", "MOTET_TOKEN": "", "MOTET_SERVER_FINGERPRINT": "", **env})
            running.enter_context(apps[way].run())
        for number in range(WARM_UP + BLOCKS):
            for way in ways:
                some = calls(functions[way])
                if number >= WARM_UP:
                    taken[way] += some
    return taken


def main() -> None:
    """Print the medians of all, and how many times the first each is."""
    with (
        tempfile.TemporaryDirectory() as own,
        tempfile.TemporaryDirectory() as plain,
        tempfile.TemporaryDirectory() as far,
    ):
        os.environ["MOTET_HOME"] = own
        with server(plain, "--port", "0") as said, server(far, "--port", "0", "--tls") as said_far:
            token, token_far = (told(each, r"this once: (\S+)") for each in (said, said_far))
            tls = {"MOTET_TOKEN": token_far, "MOTET_SERVER_FINGERPRINT": told(said_far, r"(sha256:\w+)")}
            number = told(said_far, r"at tls:\S+:(\d+),")
            taken = measure(
                {
                    "embedded": {},
                    "unix": {"MOTET_SERVER": f"unix:{plain}/server/socket"},
                    "tcp": {"MOTET_SERVER": told(said, r"at (tcp:\S+?),"), "MOTET_TOKEN": token},
                    "tls": {"MOTET_SERVER": f"tls:127.0.0.1:{number}", **tls},
                    "wss": {"MOTET_SERVER": f"wss://127.0.0.1:{number}", **tls},
                }
            )
    first = statistics.median(taken["embedded"])
    for way, seconds in taken.items():
        p95 = statistics.quantiles(seconds, n=20)[-1]
        p50 = statistics.median(seconds)
        print(f"{way}: p50 {1e6 * p50:.0f} µs ({p50 / first:.2f} times), p95 {1e6 * p95:.0f} µs ({len(seconds)} calls)")


if __name__ == "__main__":
    main()
