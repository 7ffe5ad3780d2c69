"""How many containers a pool should have: what a policy is asked, what it answers, and the bounds that hold for all."""

from __future__ import annotations

from typing import Protocol

import msgspec

from motet.core.arrivals import Arrivals
from motet.core.deadlines import Deadlines
from motet.core.history import History
from motet.core.repetition import Expected
from motet.model.scaling import AutoscalerSettings


class Running(Protocol):
    """The inputs that run."""

    def age(self, now: float) -> float:
        """How many seconds they have been running, on average; 0 if none does."""
        ...


NOTHING_RUNS = Deadlines(0.0, lambda _: None)
NO_HISTORY = History()
NO_ARRIVALS = Arrivals()


class Demand(msgspec.Struct, frozen=True, gc=False):
    """What a pool's inputs ask for.

    `inputs` share containers: those that wait, and the slots taken in containers that may be given more, with those up to the
    target that a container's code does not want used while it has as many inputs as it wants. `alone` is the
    number of containers set aside for one input each. `active`: there is any input at all, if only in a container that
    takes no more. Where inputs run in batches, `inputs` counts batches, full ones as far as inputs wait, and `unit` says so.
    `waiting` is the part of `inputs` that is in no container.
    """

    inputs: int
    alone: int = 0
    active: bool = True
    unit: str = "inputs"
    waiting: int = 0


class ScalingDecision(msgspec.Struct, frozen=True, gc=False):
    """What a policy wants: this many containers.

    `words` say why, with `{}` for each of `numbers`. `again_at`: when it wants to be asked even if nothing happens.
    `memory` is handed back to it the next time. Containers beyond `desired` go when they have been idle for `idle_window`
    seconds (None: for `scaledown_window`); if it `drains`, they go at once: idle ones first, busy ones when they are done.
    Those beyond `keep`, if it is given, go when they have been idle for `spare_window` seconds, and no later than the others.
    """

    desired: int
    words: str
    numbers: tuple[float | str, ...] = ()
    again_at: float | None = None
    memory: object = None
    idle_window: float | None = None
    drains: bool = False
    keep: int | None = None
    spare_window: float = 0.0

    @property
    def reason(self) -> str:
        """Why `desired` is what it is, for humans."""
        text = self.words.format(*self.numbers)
        return _of_one(text) if text.startswith("1 inputs ") else text


class PoolFacts(msgspec.Struct, frozen=True, gc=False):
    """What a policy may know of a pool.

    `live` containers are ready or start; `cold_start` is how many seconds a start takes, and `service_time` how many an
    attempt runs: averages of what was seen lately, None before enough was. `running` are the inputs that run now, and
    `arrivals` those that came, averaged over about the time that a start takes; `surge` over a sixteenth of that. `held` is how
    many containers were enough lately for nearly all inputs to find room, None before enough have come to say so;
    `submitted`: how many inputs came ever. `expected`: what will come soon, if the load repeats. `history` goes back as far as
    the policy's `span`. `last` is what it decided last.
    """

    max_inputs: int
    target_inputs: int
    live: int = 0
    starting: int = 0
    cold_start: float | None = None
    service_time: float | None = None
    running: Running = NOTHING_RUNS
    arrivals: Arrivals = NO_ARRIVALS
    history: History = NO_HISTORY
    last: ScalingDecision | None = None
    surge: Arrivals = NO_ARRIVALS
    held: int | None = None
    submitted: int = 0
    expected: Expected | None = None

    @property
    def ready(self) -> int:
        """Containers that take inputs."""
        return self.live - self.starting


class Policy(Protocol):
    """Decides sizes from values alone: the same ones give the same decision. One policy serves all pools."""

    @property
    def span(self) -> float:
        """Seconds of history that it looks back on; 0: none is kept."""
        ...

    @property
    def foresees(self) -> bool:
        """Whether it wants to know what is `expected`: to find out takes two milliseconds in each `scaledown_window`."""
        ...

    def decide(self, demand: Demand, facts: PoolFacts, settings: AutoscalerSettings, now: float) -> ScalingDecision:
        """How many containers the pool should have. Asked after every change in it, and when it wanted to be; bounds and
        the buffer are none of its business."""
        ...


class BoundedDecision(msgspec.Struct, frozen=True, gc=False):
    """The size a pool should have now: what its policy wants and the buffer, within the bounds. Idle
    containers beyond `desired` go after `idle_window` seconds; while there are more than `keep`, after `spare_window`."""

    desired: int
    decision: ScalingDecision
    demand: Demand
    buffer: int
    limit: int
    idle_window: float
    keep: int
    spare_window: float

    @property
    def reason(self) -> str:
        """Why `desired` is what it is, for humans."""
        wanted = self.decision.desired + self.buffer
        least = self.demand.alone + (self.demand.inputs > 0)
        if self.desired > max(wanted, least):
            return f"min_containers={self.desired}"
        text = self.decision.reason
        text += f" + {self.buffer} buffer" if self.buffer else ""
        if wanted < self.desired:
            return f"{text}; the inputs need {least} to run at all"
        return text if self.desired == wanted else f"{text}, limited to {self.limit}"


def _of_one(text: str) -> str:
    """The most common reason of all, in proper words."""
    return text.replace("1 inputs ", "1 input ", 1).replace(" want ", " wants ", 1)


def containers_for(demand: Demand, target_inputs: int) -> int:
    """The containers that have room for this demand."""
    return -(-demand.inputs // target_inputs) + demand.alone


def most_containers(settings: AutoscalerSettings, host_limit: int) -> int:
    """`max_containers`; without one, what the host allows, or `min_containers` where that is more."""
    most = settings.max_containers
    return max(host_limit, settings.min_containers) if most is None else most


def bound(decision: ScalingDecision, demand: Demand, settings: AutoscalerSettings, limit: int) -> BoundedDecision:
    """What a policy wants, within what holds for all of them.

    `buffer_containers` come on top while there are inputs at all. Never less than `min_containers`, nor than it takes for
    every input to run at some time; never more than `limit`, see `most_containers`.
    """
    desired = decision.desired
    buffer = settings.buffer_containers
    if buffer:
        buffer = buffer if demand.active else 0
        desired += buffer
    runs, least = demand.alone + (demand.inputs > 0), settings.min_containers
    least = least if least > runs else runs  # max() takes thrice as long, and this is asked with every input
    desired = desired if desired > least else least
    window = decision.idle_window
    if window is None:
        window = settings.scaledown_window
    spare_window = decision.spare_window
    return BoundedDecision(
        desired if desired < limit else limit,
        decision,
        demand,
        buffer,
        limit,
        window,
        limit if decision.keep is None else decision.keep + buffer,
        spare_window if spare_window < window else window,
    )


NOTHING = bound(ScalingDecision(0, "nothing was asked for"), Demand(0, active=False), AutoscalerSettings(), 0)
"""Before anything is decided."""
