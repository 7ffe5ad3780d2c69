"""The workloads: each runs on a running app and gives the rows it measured."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import functions as f
import limits
from machine import PeakMemory, idle
from measured import Row

import motet

_pool_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Effort:
    """How much to run: `reps` repetitions, or, `quick`, tiny sizes that only show that everything works."""

    reps: int = 5
    quick: bool = False

    def size(self, full: int, quick: int) -> int:
        return quick if self.quick else full

    def limit(self, name: str) -> float:
        return limits.measure(name, quick=self.quick)

    def idle(self) -> float:
        return idle(0.05 if self.quick else 1.0)


def fresh(function: Any) -> Any:
    """The same function with a pool of its own, that has no container yet."""
    return function.with_options(env={"BENCHMARK_POOL": str(next(_pool_numbers))})


# --- round trips ------------------------------------------------------------------------------------------------------


def remote(effort: Effort) -> list[Row]:
    """No-op `.remote()`, one call after the other."""
    kinds = {"sync alone": f.noop_alone, "sync threads": f.noop_threads, "async": f.noop_async}
    rows = []
    for kind, function in kinds.items():
        idle_before, limit = effort.idle(), effort.limit("remote")
        _round_trips(function, effort.size(500, 5))
        runs = [_round_trips(function, effort.size(2000, 20)) for _ in range(effort.reps)]
        p50, p99 = (tuple(_quantile(run, q) * 1e6 for run in runs) for q in (0.5, 0.99))
        shared: dict[str, Any] = {"unit": "µs", "idle_before": idle_before}
        rows += [
            Row(
                name=f"no-op .remote() p50, {kind}",
                values=p50,
                floor=150.0,
                limit=limit,
                limit_name="hand-off + ping-pong",
                **shared,
            ),
            Row(name=f"no-op .remote() p99, {kind}", values=p99, **shared),
        ]
    return rows


def _round_trips(function: Any, count: int) -> list[float]:
    samples = []
    for number in range(count):
        started = time.perf_counter()
        function.remote(number)
        samples.append(time.perf_counter() - started)
    return samples


def _quantile(samples: list[float], q: float) -> float:
    return sorted(samples)[int(q * len(samples))]


# --- throughput -------------------------------------------------------------------------------------------------------


def map_async(effort: Effort) -> list[Row]:
    """No-op `.map`, as tasks."""
    return _throughput("async", f.noop_async, 25_000.0, effort)


def map_threads(effort: Effort) -> list[Row]:
    """No-op `.map`, on threads."""
    return _throughput("sync threads", f.noop_threads, 15_000.0, effort)


def _throughput(kind: str, function: Any, floor: float, effort: Effort) -> list[Row]:
    """Three sizes, in turn, so that a change of the machine's mood meets all of them; small ones more often."""
    sizes = {effort.size(1_000, 10): 5, effort.size(10_000, 20): 2, effort.size(100_000, 40): 1}
    idle_before, limit = effort.idle(), effort.limit("frames")
    rates: dict[int, list[float]] = {size: [] for size in sizes}
    _rate(function, effort.size(20_000, 10))
    for _ in range(effort.reps):
        for size, times in sizes.items():
            rates[size] += [_rate(function, size) for _ in range(times)]
    shared: dict[str, Any] = {"idle_before": idle_before}
    rows = [
        Row(
            name=f"no-op .map of {size:,}, {kind}",
            unit="inputs/s",
            values=tuple(values),
            floor=floor,
            higher_is_better=True,
            limit=limit,
            limit_name="batches of 100",
            **shared,
        )
        for size, values in rates.items()
    ]
    medians = [statistics.median(values) for values in rates.values()]
    unevenness = max(abs(median / statistics.mean(medians) - 1) for median in medians)
    return [*rows, Row(name=f"... off their mean, {kind}", unit="%", values=(100 * unevenness,), floor=15.0, **shared)]


def _rate(function: Any, count: int) -> float:
    started = time.perf_counter()
    results = list(function.map(range(count)))
    seconds = time.perf_counter() - started
    assert results == list(range(count))
    return count / seconds


# --- streams ----------------------------------------------------------------------------------------------------------


def streams(effort: Effort) -> list[Row]:
    """Small items through `remote_gen.aio`: one stream, and 64 at once."""
    kinds = {"async": f.count_async, "sync threads": f.count_threads, "async, an item per turn": f.count_in_turns}
    rows = []
    for kind, function in kinds.items():
        for at_once, each in ((1, effort.size(20_000, 300)), (64, effort.size(1_000, 5))):
            idle_before, limit = effort.idle(), effort.limit("frames")
            asyncio.run(_items_rate(function, at_once, effort.size(100, 5)))
            rates = tuple(asyncio.run(_items_rate(function, at_once, each)) for _ in range(effort.reps))
            rows.append(
                Row(
                    name=f"items of {at_once} streams at once, {kind}" if at_once > 1 else f"items of a stream, {kind}",
                    unit="items/s",
                    values=rates,
                    higher_is_better=True,
                    limit=limit,
                    limit_name="batches of 100",
                    idle_before=idle_before,
                )
            )
    return rows


async def _items_rate(function: Any, at_once: int, each: int) -> float:
    async def taken() -> list[int]:
        return [item async for item in function.remote_gen.aio(each)]

    started = time.perf_counter()
    found = await asyncio.gather(*(taken() for _ in range(at_once)))
    seconds = time.perf_counter() - started
    assert found == [list(range(each))] * at_once
    return at_once * each / seconds


# --- concurrency ------------------------------------------------------------------------------------------------------


def sleeps(effort: Effort) -> list[Row]:
    """1,000 x sleep(0.1), 100 at once in one container."""
    count, seconds = effort.size(1000, 20), 0.01 if effort.quick else 0.1
    return _makespans("1000 x sleep(0.1)", "1000 x 0.1 s", count, seconds, 1.08, effort)


def long_sleeps(effort: Effort) -> list[Row]:
    """100 x sleep(1), 100 at once in one container."""
    count, seconds = effort.size(100, 10), 0.01 if effort.quick else 1.0
    return _makespans("100 x sleep(1)", "100 x 1 s", count, seconds, 1.05, effort)


def _makespans(name: str, limit: str, count: int, seconds: float, floor: float, effort: Effort) -> list[Row]:
    rows = []
    for kind, limit_kind, function in (("sync", "threads", f.sleep_threads), ("async", "tasks", f.sleep_async)):
        shared: dict[str, Any] = {
            "unit": "s",
            "idle_before": effort.idle(),
            "limit": effort.limit(f"{limit}, {limit_kind}"),
            "limit_name": f"the same, {limit_kind}",
        }
        _makespan(function, 100, 0.01)
        warm = tuple(_makespan(function, count, seconds) for _ in range(effort.reps))
        cold = tuple(_makespan(_started(function), count, seconds) for _ in range(effort.reps))
        rows += [
            Row(name=f"{name}, {kind}", values=warm, floor=floor, **shared),
            Row(name=f"{name}, {kind}, container's first", values=cold, **shared),
        ]
    return rows


def _started(function: Any) -> Any:
    """In a container that is up, but has run one input only."""
    other = fresh(function)
    other.remote(0.0)
    return other


def _makespan(function: Any, count: int, seconds: float) -> float:
    started = time.perf_counter()
    function.for_each([seconds] * count)
    return time.perf_counter() - started


# --- containers from nothing ------------------------------------------------------------------------------------------


def cold_start(effort: Effort) -> list[Row]:
    """The first result of a pool that has no container; server and template are up."""
    idle_before, limit = effort.idle(), effort.limit("fork")
    values = []
    for _ in range(effort.reps + 1):
        function = fresh(f.noop_alone)
        started = time.perf_counter()
        function.remote(1)
        values.append((time.perf_counter() - started) * 1e3)
    return [
        Row(
            name="cold start, first result",
            unit="ms",
            values=tuple(values[1:]),
            floor=60.0,
            limit=limit,
            limit_name="fork",
            idle_before=idle_before,
        )
    ]


def from_nothing(effort: Effort) -> list[Row]:
    """From before `app.run()`, without server and template, to the first result."""
    idle_before, limit = effort.idle(), effort.limit("interpreter")
    values = []
    for _ in range(effort.reps):
        app = motet.App("from-nothing")
        function = app.function(serialized=True, name="identity")(lambda x: x)
        started = time.perf_counter()
        with app.run():
            function.remote(1)
            values.append((time.perf_counter() - started) * 1e3)
    return [
        Row(
            name="app.run() from nothing, first result",
            unit="ms",
            values=tuple(values),
            limit=limit,
            limit_name="python -c pass",
            idle_before=idle_before,
        )
    ]


def snapshots(effort: Effort) -> list[Row]:
    """The first result of containers that need numpy and FastAPI: imported in each, and in what they are forked from."""
    import imported_functions as imported  # late: it takes long

    rows = []
    with imported.app.run():
        for how, function in (
            ("imported", imported.without_snapshot),
            ("memory snapshot", imported.with_snapshot),
        ):
            idle_before, limit = effort.idle(), effort.limit("fork")
            values = []
            for _ in range(effort.reps + 1):
                started = time.perf_counter()
                function.remote()
                values.append((time.perf_counter() - started) * 1e3)
            shared = {"unit": "ms", "limit": limit, "limit_name": "fork", "idle_before": idle_before}
            rows.append(Row(name=f"cold start, numpy and FastAPI, {how}", values=tuple(values[1:]), **shared))
            rows.append(Row(name=f"... the first of all, {how}", values=(values[0],), **shared))
    return rows


def burst(effort: Effort) -> list[Row]:
    """200 x sleep(0.5), ten per container, up to eight containers, none of them there before."""
    count, seconds = effort.size(200, 20), 0.01 if effort.quick else 0.5
    rows = []
    for kind, limit, function in (("sync", "threads", f.burst_threads), ("async", "tasks", f.burst_async)):
        idle_before, best = effort.idle(), effort.limit(f"200 x 0.5 s, {limit}")
        values = tuple(_makespan(fresh(function), count, seconds) for _ in range(effort.reps))
        rows.append(
            Row(
                name=f"200 x sleep(0.5), 0 to 8 containers, {kind}",
                unit="s",
                values=values,
                floor=2.0,
                limit=best,
                limit_name=f"the same, 80 {limit}",
                idle_before=idle_before,
            )
        )
    return rows


# --- a million --------------------------------------------------------------------------------------------------------


def million(effort: Effort) -> list[Row]:
    """One million no-op inputs through one map, and the memory that takes."""
    count = effort.size(1_000_000, 200)
    idle_before, limit = effort.idle(), effort.limit("frames")
    _rate(f.noop_async, effort.size(10_000, 10))
    with PeakMemory() as memory:
        started = time.perf_counter()
        wrong = sum(result != number for number, result in enumerate(f.noop_async.map(range(count))))
        rate = count / (time.perf_counter() - started)
    assert not wrong
    rows = [
        Row(
            name=f"no-op .map of {count:,}, async",
            unit="inputs/s",
            values=(rate,),
            higher_is_better=True,
            limit=limit,
            limit_name="batches of 100",
            idle_before=idle_before,
        )
    ]
    for role, peak in memory.peak.items():
        before = memory.before[role]
        rows += [
            Row(name=f"... memory of {role}, before", unit="MiB", values=(before,), idle_before=idle_before),
            Row(name=f"... memory of {role}, peak", unit="MiB", values=(peak,), idle_before=idle_before),
        ]
    return rows


ON_A_RUNNING_APP: dict[str, Callable[[Effort], list[Row]]] = {
    "remote": remote,
    "map-async": map_async,
    "map-threads": map_threads,
    "streams": streams,
    "sleeps": sleeps,
    "long-sleeps": long_sleeps,
    "cold-start": cold_start,
    "burst": burst,
    "million": million,
}
WITHOUT_A_SERVER: dict[str, Callable[[Effort], list[Row]]] = {"from-nothing": from_nothing, "snapshots": snapshots}
