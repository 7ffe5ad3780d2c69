"""`python benchmarks/engine.py [--inputs N] [--json]`: time the engine alone takes per input, in µs; the budget is about 10.

An input costs two turns: it is submitted and delivered, then it finishes, its slot takes the next, its outcome leaves.
Only the time inside `Engine.handle` counts. "Flat" rows show that the cost does not grow with what is there.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import deque
from dataclasses import asdict, dataclass

from motet.core import commands as c
from motet.core import events as e
from motet.core.engine import Engine
from motet.core.host import HostLimits
from motet.model.function import FunctionSpec, ImportedDefinition
from motet.model.outcome import AttemptEnd, CallKind, NewInput, OutcomeKind
from motet.model.scaling import AutoscalerSettings, Concurrency
from motet.testing.playbook import text_failure

REPETITIONS = 3


@dataclass(frozen=True, kw_only=True)
class Load:
    """What is there while we measure: containers, slots in each, inputs waiting all the time, and inputs per event."""

    name: str
    batch: int
    containers: int = 1
    slots: int = 100
    waiting: int = 0
    functions: int = 1


LOADS = [
    Load(name="one by one", batch=1),
    Load(name="hundreds", batch=100),
    Load(name="flat: 1,000 busy containers, 100,000 waiting", batch=1, containers=1000, slots=1, waiting=100_000),
    Load(name="flat: the same in hundreds", batch=100, containers=1000, slots=1, waiting=100_000),
    Load(name="flat: 1,000 containers with 100 slots", batch=1, containers=1000),
    Load(name="flat: 1,000 functions", batch=1, functions=1000),
]


class World:
    """The engine, and containers that finish what they are given in the order they got it."""

    def __init__(self, load: Load) -> None:
        limits = HostLimits(containers_per_pool=10_000, starting=10_000, waiting=10**9)
        self.engine = Engine(failure=text_failure, limits=limits)
        self.now = 0.0
        self.spent = 0.0
        self._running: deque[tuple[str, int]] = deque()
        self._calls = 0
        for number in range(load.functions):
            self.feed([e.FunctionAdded(f"fu-{number}", "ap-1", _spec(load))])
        if load.waiting:
            self.submit(load.containers * load.slots + load.waiting)
        self.spent = 0.0

    def feed(self, events: list[e.Event]) -> None:
        self.now += 0.0001
        begin = time.perf_counter()
        commands = self.engine.handle(events, self.now)
        self.spent += time.perf_counter() - begin
        started: list[e.Event] = []
        for command in commands:
            if isinstance(command, c.DeliverAttempts):
                self._running.extend((command.container_id, delivery.attempt) for delivery in command.attempts)
            elif isinstance(command, c.StartContainer):
                started.append(e.ContainerReady(command.container_id))
        if started:
            self.feed(started)

    def submit(self, inputs: int) -> None:
        """One call of many inputs."""
        self._calls += 1
        new = [NewInput(index, b"x") for index in range(inputs)]
        self.feed([e.InputsSubmitted(f"fc-{self._calls}", "fu-0", 1, CallKind.ATTACHED, "", new)])

    def finish(self, inputs: int) -> None:
        """The attempts that have run longest end."""
        ends: dict[str, list[AttemptEnd]] = {}
        for _ in range(inputs):
            container_id, attempt = self._running.popleft()
            ends.setdefault(container_id, []).append(AttemptEnd(attempt, OutcomeKind.SUCCESS, b"r"))
        self.feed([e.AttemptsFinished(container_id, ended) for container_id, ended in ends.items()])


def _spec(load: Load) -> FunctionSpec:
    return FunctionSpec(
        name="f",
        app_name="app",
        definition=ImportedDefinition(module="m", qualname="f"),
        concurrency=Concurrency(max_inputs=load.slots, target_inputs=load.slots),
        autoscaler=AutoscalerSettings(min_containers=load.containers, max_containers=load.containers),
    )


def measure(load: Load, inputs: int) -> float:
    """Seconds inside the engine per input: the best of a few repetitions, as noise only ever adds."""
    world = World(load)
    best = float("inf")
    for _ in range(REPETITIONS):
        world.spent = 0.0
        for _ in range(max(1, inputs // load.batch)):
            world.submit(load.batch)
            world.finish(load.batch)
        best = min(best, world.spent / (max(1, inputs // load.batch) * load.batch))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=20_000, help="inputs per repetition (default: 20000)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    rows = [{**asdict(load), "us_per_input": round(measure(load, arguments.inputs) * 1e6, 2)} for load in LOADS]
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return
    print(f"{'engine time per input':<50}{'inputs/event':>14}{'µs':>8}")
    for row in rows:
        print(f"{row['name']:<50}{row['batch']:>14}{row['us_per_input']:>8.1f}")


if __name__ == "__main__":
    main()
