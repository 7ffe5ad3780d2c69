"""Many simulations, in two processes where that pays, with their progress on stderr."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from types import TracebackType

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from motet.cli.safe_console import SafeConsole
from motet.simulation.report import Report
from motet.simulation.scenario import Scenario
from motet.simulation.simulator import simulate

WORTH_PROCESSES = 20_000
"""Inputs that take longer to simulate than processes take to start."""
MOST_PROCESSES = 2


class Simulations:
    """A context in which `evaluate` carries out simulations. What has not begun is given up when it is left."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None
        self._progress = Progress(
            TextColumn("simulating"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=SafeConsole(stderr=True),
            transient=True,
        )
        self._task = self._progress.add_task("", total=0)

    def __enter__(self) -> Simulations:
        if self._progress.console.is_terminal:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress.live.is_started:
            self._progress.stop()
        if self._pool is not None:
            self._pool.shutdown(wait=kind is None, cancel_futures=True)

    def evaluate(self, wanted: Sequence[tuple[Scenario, str]]) -> list[Report]:
        """The reports of these scenarios and policies, in their order."""
        self._progress.update(self._task, total=(self._progress.tasks[0].total or 0) + len(wanted))
        return list(self._counted(self._carried_out(wanted)))

    def _carried_out(self, wanted: Sequence[tuple[Scenario, str]]) -> Iterable[Report]:
        inputs = sum(len(scenario.trace.arrivals) for scenario, _ in wanted)
        if len(wanted) < 2 or (os.cpu_count() or 1) < 2 or (self._pool is None and inputs < WORTH_PROCESSES):
            return (simulate(scenario, policy) for scenario, policy in wanted)
        if self._pool is None:
            # Not forked: this process may have threads.
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(MOST_PROCESSES, context, initializer=_ignore_interrupts)
        return self._pool.map(simulate, *zip(*wanted, strict=True))

    def _counted(self, reports: Iterable[Report]) -> Iterator[Report]:
        for report in reports:
            self._progress.advance(self._task)
            yield report


def _ignore_interrupts() -> None:
    # Ctrl-C in a terminal reaches all of its processes. These finish the simulation that they are at: ending them in the
    # midst of it leaves locks of the pool behind, which their parent then waits for.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
