"""`python benchmarks/chaos.py [--minutes M] [--seed N] [--json FILE]`: work under faults, and a check of what came of it.

Containers are killed, frozen, told to end and cut off, calls are cancelled and whole clients killed, at random moments, while
others call functions of every kind. What client and functions wrote down meanwhile is judged by `history.py`. The first
quarter of the time goes without faults, for comparison. Exits with 1 if a promise was broken.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import chaos_functions as functions
from history import Attempt, Cancelled, Fault, History, Outcome, Submitted, Violation, check
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from motet.exception import ContainerDied, RemoteError

QUIET_SHARE = 0.25
PATIENCE = 90.0
"""Seconds after the last submission by which everything must have ended."""
CALLERS = 10
VICTIM_MARK = "MOTET_CHAOS_VICTIM"


class Recorder:
    """The client's side of the history. Thread-safe: lists are only appended to."""

    def __init__(self) -> None:
        self.submitted: list[Submitted] = []
        self.cancelled: list[Cancelled] = []
        self.outcomes: list[Outcome] = []

    def submit(self, key: str, work: float, streams: bool = False) -> str:
        expected = functions.expected(key)
        self.submitted.append(Submitted(key=key, at=time.monotonic(), expected=expected, work=work, streams=streams))
        return key

    def succeeded(self, key: str, given: functions.Given) -> None:
        name, value = given
        self.outcomes.append(Outcome(key=key, at=time.monotonic(), kind="success", attempt=name, value=value))

    def failed(self, key: str, error: BaseException) -> None:
        kind: Any = "failure"
        if isinstance(error, ContainerDied):
            kind = "died"
        elif isinstance(error, asyncio.CancelledError) or (isinstance(error, RemoteError) and "cancel" in str(error)):
            kind = "cancelled"
        self.outcomes.append(Outcome(key=key, at=time.monotonic(), kind=kind, value=f"{type(error).__name__}: {error}"))

    @contextlib.contextmanager
    def outcome(self, key: str, work: float, streams: bool = False) -> Iterator[Callable[[functions.Given], None]]:
        """The one outcome of an input: what is handed to the yielded function, or what is raised."""
        self.submit(key, work, streams)
        try:
            yield lambda given: self.succeeded(key, given)
        except Exception as error:
            self.failed(key, error)


class Caller:
    """Makes calls of every kind, one after the other, until it is told to stop."""

    def __init__(self, number: int, seed: int, recorder: Recorder, over: threading.Event) -> None:
        self._name = f"c{number}"
        self._dice = random.Random(f"{seed}/{number}")
        self._recorder = recorder
        self._over = over
        self._count = 0
        many = functions.Many()
        self._plain = [functions.alone, functions.threads, functions.tasks, functions.batched, functions.outer]
        self._plain += [many.blocking, many.waiting]

    def run(self) -> None:
        kinds = [
            self._remote,
            self._remote,
            self._map,
            self._stream,
            self._spawn,
            self._spawn_and_cancel,
            self._give_up,
        ]
        while not self._over.is_set():
            self._dice.choice(kinds)()

    def _key(self, what: str = "") -> str:
        self._count += 1
        return f"{self._name}-{self._count}{what}"

    def _seconds(self) -> float:
        return self._dice.choice([0.0, 0.005, 0.02, 0.1, 0.6])

    def _remote(self) -> None:
        function: Any = self._dice.choice(self._plain)
        key = self._key("/fails" if function is functions.threads and self._dice.random() < 0.3 else "")
        seconds = self._seconds()
        with self._recorder.outcome(key, seconds) as succeeded:
            succeeded(function.remote(key, seconds))

    def _map(self) -> None:
        function: Any = self._dice.choice(self._plain)
        seconds = self._seconds() / 3
        keys = [self._recorder.submit(self._key(), seconds) for _ in range(self._dice.randint(1, 30))]
        results = function.map(keys, [seconds] * len(keys), return_exceptions=True)
        for key, result in zip(keys, results, strict=True):
            if isinstance(result, Exception):
                self._recorder.failed(key, result)
            else:
                self._recorder.succeeded(key, result)

    def _stream(self) -> None:
        function: Any = self._dice.choice([functions.items, functions.items_async])
        key, seconds = self._key(), self._seconds()
        with self._recorder.outcome(key, seconds, streams=True) as succeeded:
            given = list(function.remote_gen(key, seconds))
            if [value for _, value in given] != [functions.expected(key)] * 3:
                raise ValueError(f"the stream gave {given}")
            succeeded(given[-1])

    def _spawn(self) -> None:
        function: Any = self._dice.choice(self._plain)
        key, seconds = self._key(), self._seconds()
        with self._recorder.outcome(key, seconds) as succeeded:
            succeeded(function.spawn(key, seconds).get())

    def _spawn_and_cancel(self) -> None:
        function: Any = self._dice.choice(self._plain)
        key, seconds = self._key(), 0.1 + self._seconds()
        with self._recorder.outcome(key, seconds) as succeeded:
            call = function.spawn(key, seconds)
            time.sleep(self._dice.choice([0.0, 0.01, 0.1, 0.2]))
            asked = time.monotonic()
            self._recorder.cancelled.append(Cancelled(key=key, asked=asked, done=float("inf")))
            call.cancel()
            self._recorder.cancelled.append(Cancelled(key=key, asked=asked, done=time.monotonic()))
            succeeded(call.get())

    def _give_up(self) -> None:
        """Await a result, and lose patience."""
        function: Any = self._dice.choice(self._plain)
        key, seconds, patience = self._key(), self._seconds(), self._dice.choice([0.001, 0.05, 0.2])

        async def call() -> None:
            task = asyncio.ensure_future(function.remote.aio(key, seconds))
            await asyncio.wait([task], timeout=patience)
            if not task.done():
                self._recorder.cancelled.append(Cancelled(key=key, asked=time.monotonic(), done=float("inf")))
                task.cancel()
            succeeded(await task)

        with self._recorder.outcome(key, seconds) as succeeded:
            try:
                asyncio.run(call())
            except asyncio.CancelledError as error:
                self._recorder.failed(key, error)


class Containers:
    """The containers' side of the history, read from what their functions write."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def records(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for path in sorted(self._directory.glob("*.jsonl")):
            for line in path.read_bytes().splitlines(keepends=True):
                if line.endswith(b"\n"):
                    yield path.stem, json.loads(line)

    def alive(self) -> dict[str, int]:
        """Containers that have run an input, and their processes. A number in use by another process does not count."""
        found = {}
        for path in self._directory.glob("*.jsonl"):
            with contextlib.suppress(OSError, ValueError), path.open() as file:
                pid, started = json.loads(file.readline())["process"]
                if functions.started(pid) == started:
                    found[path.stem] = pid
        return found

    def attempts(self) -> list[Attempt]:
        began: dict[str, tuple[str, dict[str, Any]]] = {}
        ended: dict[str, float] = {}
        for container, record in self.records():
            if record["what"] == "began":
                began[record["attempt"]] = (container, record)
            elif record["what"] == "ended":
                ended[record["attempt"]] = record["at"]
        return [
            Attempt(
                key=it["key"],
                attempt=name,
                container=container,
                function=it["function"],
                began=it["at"],
                ended=ended.get(name),
            )
            for name, (container, it) in began.items()
        ]

    def faults(self) -> list[Fault]:
        """Those that containers did to themselves."""
        return [
            Fault(kind=it["kind"], container=container, at=it["at"])
            for container, it in self.records()
            if it["what"] == "fault"
        ]


class Chaos:
    """Harms containers and clients at random moments."""

    def __init__(self, seed: int, containers: Containers, recorder: Recorder, over: threading.Event) -> None:
        self.faults: list[Fault] = []
        self.clients_killed = 0
        self.left_behind: list[int] = []
        self._dice = random.Random(f"{seed}/chaos")
        self._containers = containers
        self._recorder = recorder
        self._over = over
        self._cuts = 0

    def run(self) -> None:
        kinds = [
            self._kill,
            self._kill,
            self._freeze_for_good,
            self._freeze_a_while,
            self._terminate,
            self._cut,
            self._client,
        ]
        while not self._over.wait(self._dice.uniform(0.2, 1.2)):
            self._dice.choice(kinds)()

    def _victim(self, kind: str, sent: signal.Signals) -> int | None:
        alive = self._containers.alive()
        if not alive:
            return None
        container = self._dice.choice(sorted(alive))
        self.faults.append(Fault(kind=kind, container=container, at=time.monotonic()))
        with contextlib.suppress(ProcessLookupError):
            os.kill(alive[container], sent)
        return alive[container]

    def _kill(self) -> None:
        self._victim("kill", signal.SIGKILL)

    def _terminate(self) -> None:
        self._victim("terminate", signal.SIGTERM)

    def _freeze_for_good(self) -> None:
        self._victim("freeze", signal.SIGSTOP)

    def _freeze_a_while(self) -> None:
        pid = self._victim("freeze a while", signal.SIGSTOP)
        if pid is not None:
            self._over.wait(self._dice.uniform(0.1, 3.0))
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def _cut(self) -> None:
        """An input that shuts down its container's connections, at its first attempt."""
        self._cuts += 1
        key = f"x-{self._cuts}/cuts"
        with self._recorder.outcome(key, 0.05) as succeeded:
            succeeded(functions.tasks.remote(key, 0.05))

    def _client(self) -> None:
        """A client in a process of its own is killed amid its calls; nothing of it may be left."""
        mark = f"{VICTIM_MARK}={self._dice.random()}"
        name, _, value = mark.partition("=")
        with tempfile.TemporaryDirectory() as log:
            env = {**os.environ, name: value, "MOTET_CHAOS_LOG": log}
            victim = subprocess.Popen([sys.executable, __file__, "--victim"], env=env, stdout=subprocess.DEVNULL)
            self._over.wait(self._dice.uniform(0.3, 2.0))
            victim.kill()
            victim.wait()
            self.clients_killed += 1
            deadline = time.monotonic() + 20
            while (left := _marked(mark)) and time.monotonic() < deadline:
                time.sleep(0.05)
            self.left_behind += left


def _marked(mark: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdecimal() and mark.encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
    return found


def be_a_victim() -> None:
    """A client that calls until it is killed."""
    with functions.app.run():
        for number in range(10**6):
            list(functions.tasks.map([f"v-{number}-{n}" for n in range(20)], [0.05] * 20))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Milliseconds from submission to result, without the work itself, of successful inputs: waiting for a place included."""

    count: int
    p50_ms: float
    p99_ms: float


def latency(recorder: Recorder, first: float, last: float) -> Latency:
    """Of inputs submitted between these moments."""
    at = {it.key: it.at + it.work for it in recorder.submitted if first <= it.at < last}
    taken = [1000 * (it.at - at[it.key]) for it in recorder.outcomes if it.kind == "success" and it.key in at]
    if len(taken) < 2:
        return Latency(count=len(taken), p50_ms=0.0, p99_ms=0.0)
    cuts = statistics.quantiles(taken, n=100, method="inclusive")
    return Latency(count=len(taken), p50_ms=round(cuts[49], 2), p99_ms=round(cuts[98], 2))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a run came to."""

    seed: int
    seconds: float
    inputs: int
    attempts: int
    outcomes: dict[str, int]
    faults: dict[str, int]
    quiet: Latency
    under_faults: Latency
    violations: list[Violation]


def run(seconds: float, seed: int, console: Console) -> Report:
    """One run: quiet for a while, then faults, then an end for everything."""
    with tempfile.TemporaryDirectory(prefix="motet-chaos-") as directory:
        os.environ["MOTET_CHAOS_LOG"] = directory
        recorder, containers = Recorder(), Containers(Path(directory))
        over, calm = threading.Event(), threading.Event()
        chaos = Chaos(seed, containers, recorder, calm)
        callers = [Caller(number, seed, recorder, over) for number in range(CALLERS)]
        with functions.app.run():
            began = time.monotonic()
            threads = [threading.Thread(target=caller.run, daemon=True) for caller in callers]
            harm = threading.Thread(target=chaos.run, daemon=True)
            faults_from = began + QUIET_SHARE * seconds
            with Progress(console=console, transient=True) as progress:
                task = progress.add_task("", total=seconds)
                for thread in threads:
                    thread.start()
                while (now := time.monotonic()) < began + seconds:
                    if now >= faults_from and harm.ident is None:
                        harm.start()
                    said = f"{len(recorder.submitted):,} inputs, {len(chaos.faults) + chaos.clients_killed} faults"
                    progress.update(task, completed=now - began, description=said)
                    time.sleep(0.1)
                over.set()
                calm.set()
                progress.update(task, description="waiting for the last outcomes")
                deadline = time.monotonic() + PATIENCE
                for thread in [*threads, harm]:
                    if thread.ident is not None:
                        thread.join(max(0.0, deadline - time.monotonic()))
        faults = [*chaos.faults, *containers.faults()]
        attempts = containers.attempts()
        last = {each.key: each for each in recorder.cancelled}  # the later one knows when it was answered
        history = History(
            submitted=list(recorder.submitted),
            cancelled=list(last.values()),
            outcomes=list(recorder.outcomes),
            attempts=attempts,
            faults=faults,
            max_inputs=functions.MAX_INPUTS,
        )
        violations = check(history)
        violations += [
            Violation(promise="a client's containers end with it", what=f"process {pid} was left")
            for pid in chaos.left_behind
        ]
    counts = Counter(fault.kind for fault in faults)
    counts["client killed"] = chaos.clients_killed
    counts["cancelled"] = len(last)
    return Report(
        seed=seed,
        seconds=round(time.monotonic() - began, 1),
        inputs=len(history.submitted),
        attempts=len(attempts),
        outcomes=dict(Counter(outcome.kind for outcome in history.outcomes)),
        faults=dict(counts),
        quiet=latency(recorder, began, faults_from),
        under_faults=latency(recorder, faults_from, began + seconds),
        violations=violations,
    )


def show(report: Report, console: Console) -> None:
    table = Table(title=f"Chaos, seed {report.seed}, {report.seconds:g} s", title_justify="left")
    table.add_column("what")
    table.add_column("count", justify="right")
    table.add_column("p50", justify="right")
    table.add_column("p99", justify="right")
    table.add_row("inputs", f"{report.inputs:,}")
    table.add_row("attempts", f"{report.attempts:,}", end_section=True)
    for kind, count in sorted(report.outcomes.items()):
        table.add_row(f"ended: {kind}", f"{count:,}")
    table.add_section()
    for kind, count in sorted(report.faults.items()):
        table.add_row(f"fault: {kind}", f"{count:,}")
    table.add_section()
    for name, it in (("without faults", report.quiet), ("under faults", report.under_faults)):
        table.add_row(f"latency {name}", f"{it.count:,}", f"{it.p50_ms:,.1f} ms", f"{it.p99_ms:,.1f} ms")
    table.add_section()
    style = "red" if report.violations else "green"
    table.add_row("violations", f"[{style}]{len(report.violations)}[/]")
    console.print(table)
    for promise, count in Counter(it.promise for it in report.violations).items():
        console.print(f"[red]{promise}[/]: {count}")
    for violation in report.violations[:20]:
        console.print(f"  {violation.promise}: {violation.what}", markup=False)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5.0, help="how long work is submitted (default: 5)")
    parser.add_argument("--seed", type=int, default=1, help="of what is called and harmed (default: 1)")
    parser.add_argument("--json", type=Path, help="write the report there, too")
    parser.add_argument("--victim", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.victim:
        be_a_victim()
        return 0
    console = Console(stderr=True)
    report = run(arguments.minutes * 60, arguments.seed, console)
    show(report, Console())
    if arguments.json:
        arguments.json.write_text(json.dumps(dataclasses.asdict(report), indent=1) + "\n")
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
