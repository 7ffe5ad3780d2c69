"""`python benchmarks/engine_sizes.py [--rounds N] [--json FILE] [--markdown FILE] [--chart FILE]`: what an input and a
container cost the engine, in µs, with 10 to 10,000 containers and 1,000 to 1,000,000 waiting inputs.

An input is submitted, delivered and finished, in two turns. A container is started for an input, becomes ready, runs it, is
idle for its window, is stopped by the alarm that rings then, and ends: five turns. (That is under Modal's policy, which starts
one for every input at once; Motet's own would first wait for a busy one.) Only processor time inside `Engine.handle` counts.
All sizes take turns in every round, and the table has medians, so that a busy machine meets them all alike.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from machine import description
from measured import markdown, show
from panels import Panel, picture

from motet.core import commands as c
from motet.core import events as e
from motet.core.engine import Engine
from motet.core.host import HostLimits
from motet.core.policies import POLICIES
from motet.model.function import FunctionSpec, ImportedDefinition
from motet.model.outcome import AttemptEnd, CallKind, NewInput, OutcomeKind
from motet.model.scaling import AutoscalerSettings
from motet.testing.playbook import text_failure

CONTAINERS = [10, 100, 1_000, 10_000]
WAITING = [100, 1_000, 10_000, 100_000, 1_000_000]
FEW = 10
"""Containers while the waiting inputs are varied."""
WINDOW = 10.0
PER_ROUND = 50
HEADINGS = ["there are", "", "µs", "[min..max]", "to the first row"]

C = TypeVar("C", bound=c.Command)


class Busy:
    """An engine whose containers all run an input, one each, while others wait. Time passes, and alarms ring."""

    def __init__(self, containers: int, waiting: int = 0, policy: str = "motet") -> None:
        limits = HostLimits(starting=10**6, waiting=10**9)
        self.engine = Engine(failure=text_failure, limits=limits, policy=POLICIES[policy])
        self.now = self.spent = 0.0
        self._running: deque[tuple[str, int]] = deque()
        self._wake_at = float("inf")
        self._calls = 0
        spec = FunctionSpec(
            name="f",
            app_name="app",
            definition=ImportedDefinition(module="m", qualname="f"),
            timeout=86_400.0,
            autoscaler=AutoscalerSettings(max_containers=containers + (not waiting), scaledown_window=WINDOW),
        )
        self._handle(e.FunctionAdded("fu-0", "ap-1", spec))
        started = _of(c.StartContainer, self._submit(containers + waiting))
        self._handle(*[e.ContainerReady(command.container_id) for command in started])

    def inputs(self, count: int) -> float:
        """The seconds that so many inputs cost."""
        return self._timed(self._input, count)

    def containers(self, count: int) -> float:
        """The seconds that so many containers cost."""
        return self._timed(self._container, count)

    def _timed(self, act: Callable[[], None], count: int) -> float:
        self.spent = 0.0
        for _ in range(count):
            act()
        return self.spent

    def _input(self) -> None:
        """The one that has run longest ends, and one more comes."""
        container_id, attempt = self._running.popleft()
        self._handle(e.AttemptsFinished(container_id, [AttemptEnd(attempt, OutcomeKind.SUCCESS, b"r")]))
        self._submit(1)

    def _container(self) -> None:
        """One more is started, runs an input, and goes."""
        (started,) = _of(c.StartContainer, self._submit(1))
        self._handle(e.ContainerReady(started.container_id))
        container_id, attempt = self._running.pop()
        self._handle(e.AttemptsFinished(container_id, [AttemptEnd(attempt, OutcomeKind.SUCCESS, b"r")]))
        stopped: list[c.StopContainer] = []
        while not stopped:
            self.now, self._wake_at = max(self.now, self._wake_at), float("inf")
            stopped = _of(c.StopContainer, self._handle(e.TimerFired()))
        self._handle(e.ContainerEnded(stopped[0].container_id, "exited with 0"))

    def _submit(self, inputs: int) -> list[c.Command]:
        self._calls += 1
        new = [NewInput(index, b"x") for index in range(inputs)]
        return self._handle(e.InputsSubmitted(f"fc-{self._calls}", "fu-0", 1, CallKind.ATTACHED, "", new))

    def _handle(self, *events: e.Event) -> list[c.Command]:
        self.now += 0.001
        begin = time.thread_time()
        commands = self.engine.handle(events, self.now)
        self.spent += time.thread_time() - begin
        for command in commands:
            if isinstance(command, c.DeliverAttempts):
                self._running.extend((command.container_id, delivery.attempt) for delivery in command.attempts)
            elif isinstance(command, c.WakeAt):
                self._wake_at = command.deadline
        return commands


def _of(kind: type[C], commands: list[c.Command]) -> list[C]:
    return [command for command in commands if isinstance(command, kind)]


def measure(rounds: int, largest: int) -> dict[tuple[str, str], list[float]]:
    """µs by what there is and what is measured, one for each round."""
    containers, waiting = ([size for size in sizes if size <= largest] for sizes in (CONTAINERS, WAITING))
    acts = {(f"{count:,} containers", "an input"): Busy(count).inputs for count in containers}
    acts |= {(f"{count:,} containers", "a container"): Busy(count, policy="modal").containers for count in containers}
    acts |= {(f"{count:,} waiting inputs", "an input"): Busy(FEW, count).inputs for count in waiting}
    gc.collect()
    gc.freeze()  # a server's memory does not grow by a million inputs between two of them either
    found: dict[tuple[str, str], list[float]] = {}
    for _ in range(rounds):
        for key, act in acts.items():
            found.setdefault(key, []).append(act(PER_ROUND) / PER_ROUND * 1e6)
    return found


def lines(found: dict[tuple[str, str], list[float]]) -> list[list[str]]:
    """The table."""
    rows = []
    first: dict[tuple[str, str], float] = {}
    for (there, what), values in found.items():
        median = statistics.median(values)
        ratio = median / first.setdefault((there.split()[-1], what), median)
        rows.append([there, what, f"{median:.1f}", f"[{min(values):.1f}..{max(values):.1f}]", f"{ratio:.2f}"])
    return rows


def chart(found: dict[tuple[str, str], list[float]]) -> str:
    """The medians, against what there is."""
    medians = {key: statistics.median(values) for key, values in found.items()}
    panels = []
    for unit in ("containers", "waiting inputs"):
        points: dict[str, list[tuple[float, float]]] = {}
        for (there, what), median in medians.items():
            count, _, kind = there.partition(" ")
            if kind == unit:
                points.setdefault(what, []).append((float(count.replace(",", "")), median))
        most = 1.3 * max(medians.values())
        panels.append(Panel(title=f"By {unit}", across=unit, up="µs", points=points, joined=True, up_to=most))
    return picture(panels, columns=2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--rounds", type=int, default=60, help=f"of {PER_ROUND} inputs and containers each (default: 60)"
    )
    parser.add_argument("--largest", type=int, default=10**6, help="the largest number of anything (default: 1000000)")
    parser.add_argument("--json", type=Path, help="write all numbers to this file")
    parser.add_argument("--markdown", type=Path, help="write the table to this file")
    parser.add_argument("--chart", type=Path, help="draw it to this SVG file")
    arguments = parser.parse_args()
    about = description()
    found = measure(arguments.rounds, arguments.largest)
    show(HEADINGS, lines(found))
    if arguments.json:
        rows = [{"there": name, "what": what, "us": values} for (name, what), values in found.items()]
        arguments.json.write_text(json.dumps({"machine": about, "rows": rows}, indent=2))
    if arguments.chart:
        arguments.chart.write_text(chart(found))
    if arguments.markdown:
        facts = "\n".join(f"- {name}: {value}" for name, value in about.items())
        table = markdown(HEADINGS, lines(found))
        title = f"# The engine's cost by size, {about['processors']}"
        origin = f"From `benchmarks/engine_sizes.py --rounds {arguments.rounds}`."
        arguments.markdown.write_text("\n\n".join([title, origin, facts, table]) + "\n")


if __name__ == "__main__":
    main()
