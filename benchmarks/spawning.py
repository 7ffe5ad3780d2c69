"""Spawned calls acknowledged in a second, beside what the store can commit and beside other durable queues, in one run.

    python benchmarks/spawning.py                            # Motet on SQLite and on PostgreSQL
    python benchmarks/spawning.py --others /tmp/queues       # and others, installed there by this: procrastinate, pgqueuer
                                                             # and dbos on PostgreSQL, celery on Redis

Calls have about 300 bytes of arguments; their function never runs one to its end, so that accepting alone is measured, and then
another one runs all, for the rate from the spawn to the result that is kept. With so many under way, the mean time that a call
waits is their number divided by the rate (Little's law), whatever the server does. How long one waits where the server has room
is measured with few under way, and at a part of the rate (`--offered`), which comes whether or not the server keeps up. Every
program is a process of its own. PostgreSQL is started here, on a socket (its programs must be on the machine), and synchronises
as usual; so does Redis, which keeps each command on the disk before it answers (`appendfsync always`). Repetitions of all take
turns.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.machine import description, idle
from benchmarks.measured import show
from tests.postgres import PostgresServer, programs

from motet.client.new_ids import new_call_id
from motet.model.outcome import NewInput
from motet.store.journal import CallMade, Entry, InputsAdded, Journal, KeptCall
from motet.store.journal_sqlite import SqliteJournal

CLIENT = Path(__file__).parent / "served" / "spawn_client.py"
PACKAGES = ["procrastinate", "pgqueuer", "asyncpg", "psycopg[binary,pool]", "dbos", "celery[redis]"]
PROGRAM = """
import time
import motet

app = motet.App("spawning")

@app.function(max_containers=1)
def held(number: int, padding: str) -> None:
    time.sleep(3600)

@app.function(max_containers=1)
@motet.concurrent(max_inputs=64)
async def work(number: int, padding: str) -> int:
    return number
"""
END_TO_END = """
import sys, time
import motet

count = int(sys.argv[1])
work = motet.Function.from_name("spawning", "work")
work.spawn(0, "x" * 280).get()
began = time.monotonic()
call = work.experimental_spawn_map(range(count), ["x" * 280] * count)
assert sum(call.iter()) == sum(range(count))
rate = count / (time.monotonic() - began)
waits = []
for number in range(100):
    at = time.monotonic()
    assert work.spawn(number, "x" * 280).get() == number
    waits.append(time.monotonic() - at)
print(rate, sorted(waits)[50], sorted(waits)[98])
"""
HEADINGS = [
    "what",
    "a second, median",
    "[min..max]",
    "of the store's limit",
    "p50 ms",
    "p99 ms",
    "server µs",
    "client µs",
    "database µs",
]


@dataclass(frozen=True, slots=True)
class Measured:
    """One repetition: calls a second, how long single ones waited, and processor time for each, in seconds."""

    rate: float
    waits: list[float]
    server: float = 0.0
    clients: float = 0.0
    database: float = 0.0


class Table:
    """What was measured, by store and kind; repetitions of each."""

    def __init__(self) -> None:
        self._of: dict[tuple[str, str], list[Measured]] = defaultdict(list)

    def add(self, store: str, what: str, measured: Measured) -> None:
        self._of[store, what].append(measured)
        print(f"  {store}: {what}: {measured.rate:,.0f}/s", flush=True)

    def lines(self) -> Iterator[list[str]]:
        for (store, what), found in self._of.items():
            rates = [each.rate for each in found]
            rate = statistics.median(rates)
            limit = statistics.median([each.rate for each in self._of.get((store, LIMIT), ())] or [0.0])
            waits = sorted(wait for each in found for wait in each.waits)
            yield [
                f"{store}: {what}",
                f"{rate:,.0f}",
                f"{min(rates):,.0f}..{max(rates):,.0f}",
                f"{rate / limit:.2f}" if limit else "",
                *(f"{waits[int(len(waits) * share)] * 1000:.1f}" if waits else "" for share in (0.5, 0.99)),
                *(
                    f"{seconds * 1e6:.0f}" if seconds else ""
                    for seconds in (
                        statistics.median(each.server for each in found),
                        statistics.median(each.clients for each in found),
                        statistics.median(each.database for each in found),
                    )
                ),
            ]


LIMIT = "the store alone, 1,000 in a commit"
BARE = "the store alone, one in a commit"


def commits(journal: Journal, size: int, count: int) -> Measured:
    """What the store takes in commits of so many calls."""
    waits = []
    for first in range(0, count, size):
        entries: list[Entry] = []
        for number in range(first, first + size):
            call_id = new_call_id()
            entries.append(CallMade(KeptCall(call_id, "spawning", "fu-1", "", 1, time.time())))
            entries.append(InputsAdded(call_id, [NewInput(number % size, bytes(330))], time.time()))
        began = time.monotonic()
        journal.keep(entries)
        waits.append(time.monotonic() - began)
    return Measured(len(waits) * size / sum(waits), waits)


def clients(
    command: list[str], env: dict[str, str], number: int, pid: int | None, count: int, database: int | None = None
) -> Measured:
    """So many at once, each with `count` calls. `pid` is the server's; `database`: that of PostgreSQL's first process."""
    pipe = subprocess.PIPE
    running = [subprocess.Popen(command, env=env, stdin=pipe, stdout=pipe, text=True) for _ in range(number)]
    for each in running:
        assert each.stdout is not None
        if each.stdout.readline() != "ready\n":
            raise RuntimeError(f"{' '.join(command)} failed")
    before, database_before = _processor(pid), _of_children(database)
    for each in running:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    told: list[dict[str, Any]] = [json.loads(each.communicate()[0]) for each in running]
    spent = _processor(pid) - before
    seconds = max(each["ended"] for each in told) - min(each["began"] for each in told)
    total = number * count
    waits = [wait for each in told for wait in each["waits"]]
    of_clients = sum(each["processor"] for each in told)
    return Measured(
        total / seconds, waits, spent / total, of_clients / total, (_of_children(database) - database_before) / total
    )


def _processor(pid: int | None) -> float:
    if pid is None:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _of_children(pid: int | None) -> float:
    """Those that live: a session that has ended meanwhile counts for nothing."""
    spent = 0.0
    if pid is not None:
        for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                spent += _processor(int(each))
    return spent


@contextlib.contextmanager
def motet_server(directory: Path, store: str) -> Iterator[tuple[int, dict[str, str]]]:
    """One with the app deployed; its process, and the environment of its clients."""
    env = {**os.environ, "MOTET_HOME": str(directory / "home"), "MOTET_STORE": store}
    command = [sys.executable, "-m", "motet", "server"]
    with (
        open(directory / "server.log", "w") as log,
        subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=log, text=True) as server,
    ):
        assert server.stdout is not None
        try:
            if not any(line.startswith("Ready") for line in server.stdout):
                raise RuntimeError((directory / "server.log").read_text())
            (directory / "program.py").write_text(PROGRAM)
            env["MOTET_SERVER"] = "home"
            deploy = [sys.executable, "-m", "motet", "deploy", "program.py"]
            subprocess.run(deploy, cwd=directory, env=env, check=True, stdout=subprocess.DEVNULL)
            yield server.pid, env
        finally:
            server.terminate()
            server.wait(120)


def of_motet(
    table: Table,
    name: str,
    store: str,
    journal: Callable[[Path], Journal],
    options: argparse.Namespace,
    database: int | None = None,
) -> None:
    """One repetition of all on one store."""
    with tempfile.TemporaryDirectory(dir=options.directory) as place:
        directory = Path(place)
        alone = journal(directory)
        table.add(name, LIMIT, commits(alone, 1000, 10 * options.calls))
        table.add(name, BARE, commits(alone, 1, 100))
        alone.close()
        with motet_server(directory, store) as (pid, env):

            def run(what: str, way: str, number: int, count: int, under_way: int) -> Measured:
                command = [sys.executable, str(CLIENT), "motet", way, str(count), str(under_way)]
                measured = clients(command, env, number, pid, count, database)
                table.add(name, what, measured)
                return measured

            run("one sequential client", "tasks", 1, 200, 1)
            wide = run(_WIDE.format(options), "tasks", options.clients, options.calls, options.under_way)
            run(f"{options.clients} clients, 8 under way each", "tasks", options.clients, options.calls, 8)
            offered = max(1, int(wide.rate * options.offered / options.clients))
            what = f"{options.clients} clients, {options.offered:.0%} of that offered"
            run(what, "rate", options.clients, options.calls, offered)
            run("one spawn_map", "each", 1, options.clients * options.calls, 1)
            run("one spawn_map as one call", "map", 1, options.clients * options.calls, 1)
            count = options.clients * options.calls
            command = [sys.executable, "-c", END_TO_END, str(count)]
            said = subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout
            rate, median, late = map(float, said.split())
            table.add(name, "to the kept result; one at a time: p50, p98", Measured(rate, [median] * 97 + [late] * 3))


_WIDE = "{0.clients} clients, {0.under_way} under way each"


def of_others(table: Table, python: Path, postgres: PostgresServer, redis: str, options: argparse.Namespace) -> None:
    """One repetition of each other queue, each on a database of its own; they are given a tenth of the calls."""
    for whose in ("procrastinate", "pgqueuer", "dbos", "celery"):
        database = postgres.new_database()
        env = {**os.environ, "DATABASE": postgres.address(database), "BROKER": redis}
        subprocess.run([python, CLIENT, whose, "install", "0", "0"], env=env, check=True, capture_output=True)
        calls = max(options.under_way, options.calls // 10)
        at_once = options.under_way if whose in ("dbos", "celery") else 1000  # those that have no call for many
        for what, way, number, count, under_way in (
            ("one sequential client", "tasks", 1, 200, 1),
            (_WIDE.format(options), "tasks", options.clients, calls, options.under_way),
            (f"one client, {at_once:,} at once", "each", 1, options.clients * calls, at_once),
        ):
            command = [str(python), str(CLIENT), whose, way, str(count), str(under_way)]
            table.add(
                "Redis" if whose == "celery" else "PostgreSQL",
                f"{whose}, {what}",
                clients(command, env, number, None, count),
            )


@contextlib.contextmanager
def redis_server(directory: Path | None) -> Iterator[str]:
    """One that keeps each command on the disk; its URL."""
    if (program := shutil.which("redis-server")) is None:
        raise SystemExit("redis-server is not on this machine")
    with tempfile.TemporaryDirectory(prefix="motet-redis-", dir=directory) as place:
        socket = f"{place}/redis.sock"
        settings = ["--port", "0", "--unixsocket", socket, "--dir", place, "--save", "", "--appendonly", "yes"]
        command = [program, *settings, "--appendfsync", "always", "--maxclients", "4000"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
            try:
                while not Path(socket).exists():
                    if server.poll() is not None:
                        raise RuntimeError("redis-server has ended")
                    time.sleep(0.05)
                yield f"redis+socket://{socket}"
            finally:
                server.terminate()


def other_queues(directory: Path) -> Path:
    """The Python of an environment that has them; made if it is not there."""
    python = directory / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(directory)], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    return python


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--under-way", type=int, default=64)
    parser.add_argument("--offered", type=float, default=0.25, help="part of the rate at which calls come by the clock")
    parser.add_argument("--calls", type=int, default=1000, help="of each client, in a repetition")
    parser.add_argument("--reps", type=int, default=3)
    parser.add_argument("--stores", nargs="*", choices=["sqlite", "postgres"], default=["sqlite", "postgres"])
    parser.add_argument("--others", type=Path, help="where an environment with the other queues is, or is to be made")
    parser.add_argument(
        "--directory", type=Path, help="on the disk that is measured; by default, that of temporary files"
    )
    options = parser.parse_args()
    table, free = Table(), idle()
    with contextlib.ExitStack() as stack:
        postgres = None
        if "postgres" in options.stores or options.others is not None:
            place = programs()
            if isinstance(place, str):
                raise SystemExit(place)
            postgres = PostgresServer(place)
            stack.callback(postgres.close)
        redis = ""
        if options.others is not None:
            redis = stack.enter_context(redis_server(options.directory))
        for repetition in range(options.reps):
            print(f"repetition {repetition + 1}", flush=True)
            if "sqlite" in options.stores:
                of_motet(table, "SQLite", "", lambda directory: SqliteJournal(directory / "alone.sqlite"), options)
            if postgres is not None and "postgres" in options.stores:
                address = postgres.address(postgres.new_database())
                limit = postgres.address(postgres.new_database())
                of_motet(
                    table,
                    "PostgreSQL",
                    address,
                    lambda directory, at=limit: _postgres_journal(at),  # type: ignore[misc]
                    options,
                    postgres.process.pid,
                )
            if postgres is not None and options.others is not None:
                of_others(table, other_queues(options.others), postgres, redis, options)
    print(json.dumps({**description(), "idle before": f"{free:.0%}"}, indent=2))
    show(HEADINGS, list(table.lines()))


def _postgres_journal(address: str) -> Journal:
    from motet.store.lease import Term
    from motet.store.postgres_address import PostgresAddress
    from motet.store.postgres_connection import PostgresConnection
    from motet.store.postgres_journal import PostgresJournal
    from motet.store.postgres_lease import PostgresLease
    from motet.store.postgres_schema import check

    found = PostgresAddress(address)
    with contextlib.closing(PostgresConnection(found)) as connection:
        check(connection)
    with contextlib.closing(PostgresLease(found, "benchmark")) as lease:
        term = lease.take(lambda why: None)
    assert isinstance(term, Term)
    return PostgresJournal(found, term)


if __name__ == "__main__":
    main()
