"""Querying a database: one container keeps many queries under way, on a connection for each thread.

Run it: motet run examples/database.py --customers 60

With psycopg and PostgreSQL's programs installed it starts a private PostgreSQL server, else it uses a SQLite file.
"""

import glob
import importlib.util
import os
import random
import shutil
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import motet

app = motet.App("database")
QUERY = "SELECT sum(amount), {pause} FROM orders WHERE customer = {parameter}"


@app.cls(max_containers=2)
@motet.concurrent(max_inputs=20)
class Orders:
    database: str = motet.parameter()

    @motet.enter()
    def prepare(self) -> None:
        self.local = threading.local()

    @motet.method()
    def total(self, customer: int) -> float:
        """What a customer has spent. Inputs run on threads, and each thread has a connection of its own."""
        if not hasattr(self.local, "connection"):
            self.local.connection, self.local.query = connect(self.database)
        row = self.local.connection.execute(self.local.query, (customer,)).fetchone()
        return float(row[0])


@app.local_entrypoint()
def main(customers: int = 60) -> None:
    """Ask for the orders of every customer: 50 ms each, twenty at once in a container."""
    with tempfile.TemporaryDirectory(prefix="motet-example-") as directory, a_database(Path(directory)) as database:
        fill(database, customers)
        began = time.perf_counter()
        totals = list(Orders(database=database).total.map(range(customers)))
        took = time.perf_counter() - began
        name = "PostgreSQL" if is_postgres(database) else "SQLite"
        print(f"{name}: {customers} queries of 50 ms in {took:.2f} s; {sum(totals):,.2f} spent in all")


def connect(database: str) -> tuple[Any, str]:
    """A connection, and the query in the words of this database. Every query takes 50 ms, as if it were far away."""
    if is_postgres(database):
        import psycopg

        return psycopg.connect(database, autocommit=True), QUERY.format(parameter="%s", pause="pg_sleep(0.05)")
    connection = sqlite3.connect(database)
    connection.create_function("pause", 1, time.sleep)
    return connection, QUERY.format(parameter="?", pause="pause(0.05)")


def fill(database: str, customers: int) -> None:
    connection, query = connect(database)
    parameter = "%s" if "%s" in query else "?"
    connection.execute("CREATE TABLE orders (customer integer, amount real)")
    rows = [(number % customers, random.uniform(1, 100)) for number in range(customers * 10)]
    connection.cursor().executemany(f"INSERT INTO orders VALUES ({parameter}, {parameter})", rows)
    connection.commit()
    connection.close()


def is_postgres(database: str) -> bool:
    return "host=" in database


@contextmanager
def a_database(directory: Path) -> Iterator[str]:
    """PostgreSQL where it is present, else a SQLite file; gone at the end of the block."""
    programs = find_postgres()
    if programs is None or importlib.util.find_spec("psycopg") is None:
        yield str(directory / "orders.sqlite")
        return
    # PostgreSQL refuses to run as root.
    account: dict[str, Any] = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    if account:
        os.chown(directory, 65534, 65534)
    data = directory / "data"

    def run(*command: str) -> None:
        subprocess.run(command, check=True, cwd=directory, stdout=subprocess.DEVNULL, **account)

    run(f"{programs}/initdb", "-D", str(data), "-U", "motet", "-A", "trust", "--no-sync")
    options = f"-k {directory} -c listen_addresses='' -c fsync=off"
    run(f"{programs}/pg_ctl", "-D", str(data), "-l", str(directory / "log"), "-o", options, "-w", "start")
    try:
        yield f"host={directory} user=motet dbname=postgres"
    finally:
        run(f"{programs}/pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")


def find_postgres() -> str | None:
    """The directory of PostgreSQL's programs, which Debian keeps off the PATH."""
    on_path = shutil.which("initdb")
    directories = [os.path.dirname(on_path)] if on_path else sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    return directories[-1] if directories else None
