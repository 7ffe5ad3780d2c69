"""One client that spawns: so many calls, so many of them under way (or a second: `rate`), in one of several ways; it prints
what it took, as JSON.

`spawning.py` runs it: under Motet's Python for Motet, under that of another queue for that one. It begins when it is told to.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

PADDING = "x" * 280

Spawn = Callable[[int], Awaitable[object]]


def processor_seconds() -> float:
    spent = resource.getrusage(resource.RUSAGE_SELF)
    return spent.ru_utime + spent.ru_stime


def begin() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


def report(began: float, spent: float, waits: list[float]) -> None:
    told = {"began": began, "ended": time.monotonic(), "processor": processor_seconds() - spent, "waits": waits}
    print(json.dumps(told), flush=True)


async def one_by_one(spawn: Spawn, count: int, under_way: int) -> None:
    """`count` calls, of which so many wait for their acknowledgement at any moment."""
    await spawn(0)  # the connection
    begin()
    numbers, waits = iter(range(count)), list[float]()

    async def work() -> None:
        for number in numbers:
            at = time.monotonic()
            await spawn(number)
            waits.append(time.monotonic() - at)

    began, spent = time.monotonic(), processor_seconds()
    await asyncio.gather(*(work() for _ in range(under_way)))
    report(began, spent, waits)


async def at_rate(spawn: Spawn, count: int, rate: int) -> None:
    """`count` calls, so many a second, whether or not those before have been acknowledged. Each waits from when it was due:
    what is late because others are counts, too."""
    await spawn(0)
    begin()
    waits: list[float] = []

    async def work(number: int, due: float) -> None:
        await spawn(number)
        waits.append(time.monotonic() - due)

    began, spent = time.monotonic(), processor_seconds()
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            due = began + number / rate
            if (left := due - time.monotonic()) > 0:
                await asyncio.sleep(left)
            group.create_task(work(number, due))
    report(began, spent, waits)


async def at_once(spawn_all: Callable[[], Awaitable[object]]) -> None:
    begin()
    began, spent = time.monotonic(), processor_seconds()
    await spawn_all()
    report(began, spent, [])


async def motet(way: str, count: int, under_way: int) -> None:
    import motet

    function = motet.Function.from_name("spawning", "held")
    if way == "tasks":
        await one_by_one(lambda number: function.spawn.aio(number, PADDING), count, under_way)
        return
    if way == "rate":
        await at_rate(lambda number: function.spawn.aio(number, PADDING), count, under_way)
        return
    await function.spawn.aio(0, PADDING)
    spawn_map = function.spawn_map if way == "each" else function.experimental_spawn_map
    await at_once(lambda: spawn_map.aio(range(count), [PADDING] * count))


async def procrastinate(way: str, count: int, under_way: int) -> None:
    import procrastinate

    logging.getLogger("procrastinate").setLevel(logging.ERROR)  # it says that this program is no module for its workers
    connector = procrastinate.PsycopgConnector(conninfo=os.environ["DATABASE"], min_size=1, max_size=3)
    app = procrastinate.App(connector=connector)

    @app.task(name="held")
    def held(number: int, padding: str) -> None: ...

    async with app.open_async():
        if way == "install":
            await app.schema_manager.apply_schema_async()
        elif way == "tasks":
            await one_by_one(lambda number: held.defer_async(number=number, padding=PADDING), count, under_way)
        else:
            jobs = [{"number": number, "padding": PADDING} for number in range(count)]
            await at_once(lambda: in_parts(lambda part: held.batch_defer_async(*part), jobs))


async def pgqueuer(way: str, count: int, under_way: int) -> None:
    import asyncpg
    from pgqueuer.db import AsyncpgPoolDriver
    from pgqueuer.queries import Queries

    payload = json.dumps([0, PADDING]).encode()
    async with asyncpg.create_pool(os.environ["DATABASE"], min_size=1, max_size=3) as pool:
        queries = Queries(AsyncpgPoolDriver(pool))
        if way == "install":
            await queries.install()
        elif way == "tasks":
            await one_by_one(lambda number: queries.enqueue("held", payload), count, under_way)
        else:
            await at_once(
                lambda: in_parts(
                    lambda part: queries.enqueue(["held"] * len(part), part, [0] * len(part)), [payload] * count
                )
            )


async def dbos(way: str, count: int, under_way: int) -> None:
    import dbos as library

    url = os.environ["DATABASE"].replace("postgresql://", "postgresql+psycopg://", 1)
    if way == "install":
        app = library.DBOS(config={"name": "spawning", "system_database_url": url, "run_admin_server": False})
        library.DBOS.launch()
        app.destroy()
        return
    logging.getLogger("dbos").setLevel(logging.ERROR)
    client = library.DBOSClient(system_database_url=url, system_database_pool_size=3)
    options: Any = {"queue_name": "held", "workflow_name": "held"}
    _few_threads()

    async def spawn(number: int) -> object:
        return await client.enqueue_async(options, number, PADDING)

    if way == "tasks":
        await one_by_one(spawn, count, under_way)
    else:
        await at_once(lambda: asyncio.gather(*map(spawn, range(count))))
    client.destroy()


async def celery(way: str, count: int, under_way: int) -> None:
    if way == "install":  # there is nothing to be made first
        return
    import celery as library

    app = library.Celery(broker=os.environ["BROKER"])
    app.conf.update(broker_pool_limit=max(1, under_way), task_ignore_result=True)

    @app.task(name="held")  # type: ignore[untyped-decorator]
    def held(number: int, padding: str) -> None: ...

    def spawn(number: int) -> Awaitable[object]:
        """Celery's calls block: a program of tasks makes them on threads."""
        return asyncio.to_thread(held.delay, number, PADDING)

    _few_threads()
    if way == "tasks":
        await one_by_one(spawn, count, under_way)
    else:
        await at_once(lambda: asyncio.gather(*map(spawn, range(count))))


def _few_threads() -> None:
    """For what blocks: more only fight for the interpreter's lock."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(8))


async def in_parts(spawn: Callable[[list[Any]], Awaitable[object]], jobs: list[Any], size: int = 1000) -> None:
    """As their users insert many: some at once."""
    for first in range(0, len(jobs), size):
        await spawn(jobs[first : first + size])


if __name__ == "__main__":
    whose, asked, calls, width = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    run = {"motet": motet, "procrastinate": procrastinate, "pgqueuer": pgqueuer, "dbos": dbos, "celery": celery}[whose]
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run(asked, calls, width))
