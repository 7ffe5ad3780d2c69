"""A deployed app under a steady load of calls, streams and web requests, redeployed again and again: does any fail or get lost?

    python benchmarks/redeploy.py                     # 120 s with a redeployment every 5 s and a rollback, and 60 s without
    python benchmarks/redeploy.py --seconds 30 --every 5 --rate 40 --json FILE

The same load runs first without redeployments, then with them, on a `motet server` of its own: each of three workers begins
calls, streams and requests at a fixed rate, whatever became of those before, so that what waits is seen in the times. What
raises, or gives another result than a version does, has failed; what has not ended 30 s after the load is lost.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

PROGRAM = """
import asyncio

import motet

app = motet.App("redeployed")
VERSION = {version}


@app.function()
@motet.concurrent(max_inputs=50)
async def call() -> int:
    await asyncio.sleep(0.01)
    return VERSION


@app.function()
@motet.concurrent(max_inputs=50)
async def stream():
    for _ in range(20):
        await asyncio.sleep(0.005)
        yield VERSION


@app.function()
@motet.concurrent(max_inputs=50)
@motet.fastapi_endpoint()
async def page() -> int:
    await asyncio.sleep(0.01)
    return VERSION
"""

DEPLOYER = """
import importlib
import sys

import motet
from motet.client.dual import run_blocking
from motet.client.reach import acquire
from motet.wire.deployment_messages import RollBackApp

for line in sys.stdin:
    what, _, number = line.strip().partition(" ")
    try:
        if what == "deploy":
            module = importlib.import_module(f"redeployed{number}")
            module.app.deploy()
            print(module.page.get_web_url(), flush=True)
        else:
            server = acquire()
            run_blocking(server.wait_started())
            print(run_blocking(server.connection.request(RollBackApp("redeployed"))).deployment.version, flush=True)
    except Exception as error:
        print(f"failed: {error!r}", flush=True)
"""

LOST_AFTER = 30.0


class Load:
    """Calls, streams and requests at a fixed rate, and what became of them."""

    def __init__(self, url: str, rate: float) -> None:
        import motet

        call = motet.Function.from_name("redeployed", "call")
        stream = motet.Function.from_name("redeployed", "stream")
        self._kinds: dict[str, Callable[[], Any]] = {
            "calls": call.remote,
            "streams": lambda: _stream(stream),
            "requests": lambda: _request(url),
        }
        self._rate = rate
        self.times: dict[str, list[float]] = {kind: [] for kind in self._kinds}
        self.versions: dict[str, set[int]] = {kind: set() for kind in self._kinds}
        self.failed: list[str] = []
        self.begun = 0
        self.ended = 0
        self._lock = threading.Lock()

    def run(self, seconds: float) -> int:
        """Load it for so long; how many have not ended then, though they had time."""
        over = threading.Event()
        pool = ThreadPoolExecutor(max_workers=200)
        beginners = [threading.Thread(target=self._begin, args=(kind, pool, over)) for kind in self._kinds]
        for beginner in beginners:
            beginner.start()
        time.sleep(seconds)
        over.set()
        for beginner in beginners:
            beginner.join()
        until = time.monotonic() + LOST_AFTER
        while self.ended < self.begun and time.monotonic() < until:
            time.sleep(0.05)
        pool.shutdown(wait=False, cancel_futures=True)
        return self.begun - self.ended

    def _begin(self, kind: str, pool: ThreadPoolExecutor, over: threading.Event) -> None:
        due = time.monotonic()
        while not over.is_set():
            with self._lock:
                self.begun += 1
            pool.submit(self._one, kind, due)
            due += 1 / self._rate
            over.wait(max(0.0, due - time.monotonic()))

    def _one(self, kind: str, due: float) -> None:
        try:
            version = self._kinds[kind]()
            taken = time.monotonic() - due
            with self._lock:
                self.times[kind].append(taken)
                self.versions[kind].add(version)
        except Exception as error:
            with self._lock:
                self.failed.append(f"{kind}: {error!r}")
        finally:
            with self._lock:
                self.ended += 1

    def report(self, lost: int) -> dict[str, Any]:
        """What there is to say of it."""
        report: dict[str, Any] = {"failed": len(self.failed), "lost": lost, "failures": self.failed[:10]}
        for kind, times in self.times.items():
            quantiles = statistics.quantiles(times, n=100) if len(times) > 1 else [0.0] * 99
            report[kind] = {
                "ended": len(times),
                "p50_ms": round(quantiles[49] * 1000, 1),
                "p99_ms": round(quantiles[98] * 1000, 1),
                "max_ms": round(max(times, default=0.0) * 1000, 1),
                "versions": len(self.versions[kind]),
            }
        return report


def _stream(stream: Any) -> int:
    items = list(stream.remote_gen())
    if len(items) != 20 or len(set(items)) != 1:
        raise AssertionError(f"a stream of {len(items)} items of the versions {set(items)}")
    return int(items[0])


def _request(url: str) -> int:
    with urllib.request.urlopen(url, timeout=LOST_AFTER) as answer:
        return int(answer.read())


class Deployer:
    """A process that deploys what it is told."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._process = subprocess.Popen(
            [sys.executable, "-c", DEPLOYER], cwd=directory, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._number = 0

    def deploy(self) -> str:
        """The next version; its URL."""
        self._number += 1
        text = PROGRAM.replace("{version}", str(self._number))
        (self._directory / f"redeployed{self._number}.py").write_text(text)
        return self._ask(f"deploy {self._number}")

    def roll_back(self) -> str:
        """Back to the version before."""
        return self._ask("rollback")

    def _ask(self, what: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(what + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        if not answer or answer.startswith("failed"):
            raise SystemExit(f"{what}: {answer or 'the deployer has ended'}")
        return answer

    def close(self) -> None:
        """No more."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def _redeploy(deployer: Deployer, every: float, seconds: float, taken: list[float]) -> None:
    """Every so often, with a rollback in the middle."""
    began = time.monotonic()
    number = 1
    while (due := began + number * every) < began + seconds:
        time.sleep(max(0.0, due - time.monotonic()))
        at = time.monotonic()
        if number == max(2, int(seconds / every / 2)):
            deployer.roll_back()
        else:
            deployer.deploy()
        taken.append(time.monotonic() - at)
        number += 1


def main() -> int:
    """Exit status 1 if anything failed or was lost."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seconds", type=float, default=120.0)
    arguments.add_argument("--every", type=float, default=5.0)
    arguments.add_argument("--rate", type=float, default=30.0, help="of each kind, per second")
    arguments.add_argument("--json", type=Path)
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        os.environ["MOTET_HOME"] = f"{directory}/home"
        os.environ["MOTET_SERVER"] = "home"
        server = subprocess.Popen(
            [sys.executable, "-m", "motet", "server"], stdout=subprocess.PIPE, text=True, env=os.environ.copy()
        )
        try:
            assert server.stdout is not None
            while "Ready" not in (line := server.stdout.readline()):
                if not line:
                    raise SystemExit("the server did not start")
            deployer = Deployer(Path(directory))
            url = deployer.deploy()
            plain = Load(url, asked.rate)
            without = plain.report(plain.run(asked.seconds / 2))
            load, taken = Load(url, asked.rate), list[float]()
            changing = threading.Thread(target=_redeploy, args=(deployer, asked.every, asked.seconds, taken))
            changing.start()
            lost = load.run(asked.seconds)
            changing.join()
            deployer.close()
            with_ = load.report(lost)
        finally:
            server.terminate()
            server.wait()
    report = {
        "redeployments": len(taken),
        "redeployment_s": round(statistics.median(taken), 2) if taken else None,
        "without": without,
        "with": with_,
    }
    print(json.dumps(report, indent=2))
    if asked.json is not None:
        asked.json.write_text(json.dumps(report, indent=2) + "\n")
    return 1 if with_["failed"] or with_["lost"] or without["failed"] or without["lost"] else 0


if __name__ == "__main__":
    sys.exit(main())
