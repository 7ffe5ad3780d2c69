"""How long a whole server takes to start on a store of very many spawned calls, and how fast it answers meanwhile.

    python benchmarks/starting.py                                # 1,000,000 finished calls and 10,000 unfinished, in SQLite
    python benchmarks/starting.py --finished 0 --unfinished 990000
    python benchmarks/starting.py --finished 0 --unfinished 990000 --inputs 990000      # all of one call
    python benchmarks/starting.py --store postgres

An app is deployed whose function never ends; the store is filled by statements of the database; then `motet server` is started
again and again, until `GET /readyz` says `ok`. It is asked for that every 10 ms: "longest" is what an answer took at most,
until a client has spawned one more call, whose time is told too. Memory is that of the server's process when it is ready, and
the most until then; "ends" is what SIGTERM took.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
from machine import description, idle
from stores import PostgresStore, SqliteStore

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.spawning import PROGRAM
from tests.postgres import PostgresServer, programs

from motet.client.new_ids import new_call_id
from motet.model.outcome import NewInput
from motet.store.journal import CallMade, Entry, InputsAdded, Journal

SPAWN = """
import time, motet
held = motet.Function.from_name("spawning", "held")
began = time.monotonic()
held.spawn(1, "x" * 280)
print(time.monotonic() - began)
"""
IN_A_COMMIT = 1000
HEADINGS = ("ready s", "processor s", "longest ms", "spawn ms", "MiB", "most MiB", "ends s")


class Watch:
    """Asks the server whether it is ready, over and over, on a thread of its own: `longest` is what an answer took at most."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._ends = threading.Event()
        self.is_ready = threading.Event()
        self.ready_at = self.longest = 0.0
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self._ends.wait(0.01):
            began = time.monotonic()
            with contextlib.suppress(ConnectionError):
                status = self._get("/readyz")
                self.longest = max(self.longest, time.monotonic() - began)
                if status == 200 and not self.is_ready.is_set():
                    self.ready_at = time.monotonic()
                    self.is_ready.set()

    def _get(self, path: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=300)
        with contextlib.closing(connection):
            connection.request("GET", path)
            return connection.getresponse().status

    def end(self) -> None:
        self._ends.set()
        self._thread.join()


class Start:
    """One start of a server, from its command to its end."""

    def __init__(self, directory: Path, env: dict[str, str], spawns: bool = True) -> None:
        port = _free_port()
        watch, began = Watch(port), time.monotonic()
        with open(directory / "server.log", "a") as log:
            command = [sys.executable, "-m", "motet", "server", "--port", str(port)]
            process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=log)
        try:
            while not watch.is_ready.wait(0.1):
                if process.poll() is not None:
                    raise RuntimeError((directory / "server.log").read_text())
            self.ready = watch.ready_at - began
            self.processor = _processor(process.pid)
            self.memory, self.most = _memory(process.pid)
            self.spawn = 0.0
            self.meanwhile(directory, env)
            if spawns:
                self.spawn = float(_run(directory, env, "-c", SPAWN))
        finally:
            watch.end()
            self.longest = watch.longest
            began = time.monotonic()
            process.terminate()
            process.wait(600)
            self.ends = time.monotonic() - began

    def meanwhile(self, directory: Path, env: dict[str, str]) -> None:
        """What is done with the server first."""

    @property
    def told(self) -> tuple[float, ...]:
        """What the table has of it."""
        mib = 1024**2
        return (
            self.ready,
            self.processor,
            self.longest * 1e3,
            self.spawn * 1e3,
            self.memory / mib,
            self.most / mib,
            self.ends,
        )


class First(Start):
    """The one that has the app deployed, and is given the call that the others are made like."""

    def meanwhile(self, directory: Path, env: dict[str, str]) -> None:
        """See `Start`."""
        (directory / "program.py").write_text(PROGRAM)
        _run(directory, env, "-m", "motet", "deploy", "program.py")


def fill(journal: Journal, count: int, inputs: int) -> None:
    """Unfinished inputs like the one that is there, so many for each call."""
    (part,) = journal.unfinished()
    (payload,) = journal.payloads([(part.call.call_id, 0)])
    entries: list[Entry] = []
    rows = 0
    for first in range(0, count, inputs):
        call = msgspec.structs.replace(part.call, call_id=new_call_id(), made_at=time.time())
        entries.append(CallMade(call))
        for start in range(first, min(first + inputs, count), IN_A_COMMIT):
            indices = range(start - first, min(start + IN_A_COMMIT, first + inputs, count) - first)
            entries.append(InputsAdded(call.call_id, [NewInput(index, payload) for index in indices], time.time()))
            rows += len(indices)
            if rows >= IN_A_COMMIT:
                journal.keep(entries)
                entries, rows = [], 0
    journal.keep(entries)


def _run(directory: Path, env: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=directory, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def _processor(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(pid: int) -> tuple[int, int]:
    """Resident now, and the most that it was, in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    of = {line.partition(":")[0]: line.split()[1] for line in lines if line.startswith("Vm")}
    return int(of["VmRSS"]) * 1024, int(of["VmHWM"]) * 1024


@contextlib.contextmanager
def _database(wanted: bool) -> Iterator[str]:
    if not wanted:
        yield ""
        return
    place = programs()
    if isinstance(place, str):
        raise SystemExit(place)
    with contextlib.closing(PostgresServer(place)) as postgres:
        yield postgres.address(postgres.new_database())


def main() -> None:
    """Make a store, and start on it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--directory", type=Path, help="where the home is (a disk, not memory)")
    parser.add_argument("--finished", type=int, default=1_000_000, help="calls")
    parser.add_argument("--unfinished", type=int, default=10_000, help="inputs")
    parser.add_argument("--inputs", type=int, default=1, help="of each unfinished call")
    parser.add_argument("--starts", type=int, default=5)
    options = parser.parse_args()
    print(", ".join(f"{name} {value}" for name, value in description().items()), f"idle {idle():.0%}", flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="motet-start-", dir=options.directory) as place,
        _database(options.store == "postgres") as address,
    ):
        directory = Path(place)
        env = {**os.environ, "MOTET_HOME": f"{directory}/home", "MOTET_STORE": address, "MOTET_SERVER": "home"}
        First(directory, env)
        store = PostgresStore(address) if address else SqliteStore(directory / "home" / "server")
        began = time.monotonic()
        with contextlib.closing(store.open()) as journal:
            fill(journal, options.unfinished, options.inputs)
        for first in range(1, options.finished + 1, 1_000_000):
            store.fill(first, min(first + 999_999, options.finished))
        print(f"made in {time.monotonic() - began:.0f} s: {store.size() / 1e6:,.0f} MB", flush=True)
        print("  ".join(f"{each:>11}" for each in HEADINGS))
        starts = []
        for _ in range(options.starts):
            starts.append(Start(directory, env).told)
            print("  ".join(f"{each:11,.2f}" for each in starts[-1]), f"  load {os.getloadavg()[0]:.1f}", flush=True)
        print("  ".join(f"{statistics.median(column):11,.2f}" for column in zip(*starts, strict=True)), "  median")


if __name__ == "__main__":
    main()
