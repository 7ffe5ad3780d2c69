"""A PostgreSQL server for tests, on a Unix socket in a directory of its own; and databases of it, a fresh one for each test."""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg

PATIENCE = 30.0
USER = "motet"

_BEGIN = """
import ctypes, os, sys
if user := sys.argv[1]:
    os.setuid(int(user))
ctypes.CDLL(None).prctl(1, 3)
os.execv(sys.argv[2], sys.argv[2:])
"""
"""A program that becomes another one, as another user, and gets SIGQUIT when its parent ends (PR_SET_PDEATHSIG): tests may be
killed."""
_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "60",
    "shared_buffers": "32MB",
    "autovacuum": "off",
    "jit": "off",
    "max_wal_size": "256MB",
}


def programs() -> Path | str:
    """The directory with `initdb` and `postgres`; or what is missing, in words."""
    named = os.environ.get("MOTET_TEST_POSTGRES")
    places = [Path(named)] if named else [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    if not named and (found := shutil.which("postgres")):
        places.append(Path(found).resolve().parent)
    for place in places:
        if all(os.access(place / name, os.X_OK) for name in ("initdb", "postgres")):
            return place
    where = named or "/usr/lib/postgresql/*/bin or PATH"
    return f"no PostgreSQL: there are no programs initdb and postgres in {where}; MOTET_TEST_POSTGRES names their directory"


class PostgresServer:
    """The process, from when it can be used. It ends with the tests, however they end."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._numbers = itertools.count(1)
        # Short: paths of sockets have about a hundred bytes.
        self.directory = Path(tempfile.mkdtemp(prefix="motet-pg-", dir="/tmp"))
        self._as = _plain_user()
        if self._as is not None:
            os.chown(self.directory, self._as, -1)
        self.data = self.directory / "data"
        self._run("initdb", "--pgdata", str(self.data), "--username", USER, "--auth", "trust", "--no-sync", "--no-locale",
                  "--encoding", "UTF8", "--no-instructions")  # fmt: skip
        self.start()

    def start(self) -> None:
        """Returns when it takes connections."""
        settings = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
        begin = [sys.executable, "-I", "-S", "-c", _BEGIN, "" if self._as is None else str(self._as)]
        self.process = subprocess.Popen(
            [*begin, self._place / "postgres", "-D", self.data, "-k", self.directory, *settings],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            # Not the mark of what a test has to end: it outlives tests.
            env={name: value for name, value in os.environ.items() if not name.startswith("MOTET_")},
            cwd="/",
        )
        assert self.process.stderr is not None
        said: list[str] = []
        for line in self.process.stderr:
            said.append(line)
            if "ready to accept connections" in line:
                break
        else:
            raise RuntimeError(f"PostgreSQL did not start: {''.join(said)}")
        self._reading = threading.Thread(target=self.process.stderr.read, daemon=True)
        self._reading.start()

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """By default fast: sessions are cut off, and what was committed is kept. Idempotent."""
        self.process.send_signal(number)
        self.process.wait(PATIENCE)
        self._reading.join(PATIENCE)
        assert self.process.stderr is not None
        self.process.stderr.close()

    def close(self) -> None:
        """It is gone, and so is all it had."""
        if self.process.poll() is None:
            self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def address(self, database: str) -> str:
        """Of one of its databases."""
        return f"postgresql://{USER}@/{database}?host={quote(str(self.directory), safe='')}"

    def new_database(self) -> str:
        """Make an empty one; its name."""
        name = f"test{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return name

    def drop(self, name: str) -> None:
        """Whoever uses it is cut off."""
        self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Its rows, if it has any; committed."""
        with psycopg.connect(self.address(database), autocommit=True) as connection:
            done = connection.execute(statement)  # type: ignore[call-overload]
            return [] if done.description is None else list(done.fetchall())

    def _run(self, program: str, *options: str) -> None:
        done = subprocess.run(
            [self._place / program, *options], capture_output=True, text=True, user=self._as, cwd="/", check=False
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stdout}{done.stderr}")


class PostgresDatabase:
    """One database of a server, for one test."""

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        self.name = server.new_database()
        self.address = server.address(self.name)

    def execute(self, statement: str) -> list[tuple[object, ...]]:
        """Its rows, if it has any; committed."""
        return self.server.execute(statement, self.name)


@contextlib.contextmanager
def postgres_database(server: PostgresServer) -> Iterator[PostgresDatabase]:
    """A fresh one, which is gone at the end."""
    database = PostgresDatabase(server)
    try:
        yield database
    finally:
        database.server.drop(database.name)


def _plain_user() -> int | None:
    """PostgreSQL does not run as root: the user that it runs as then."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_uid
    return 65534
