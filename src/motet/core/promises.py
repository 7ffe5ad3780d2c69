"""What must hold of a pool at every instant, whatever happened. For tests: it looks at everything."""

from __future__ import annotations

from motet.core import containers as states
from motet.core.deadlines import Deadlines
from motet.core.fleet import Fleet
from motet.core.inputs import DELAYED, RUNNING, WAITING, Input
from motet.core.isolation import Isolation


def broken_promises(
    fleet: Fleet,
    deadlines: Deadlines,
    isolation: Isolation,
    mine: list[Input],
    held: dict[int, Input],
    *,
    counted: tuple[int, int],
    served: bool,
) -> list[str]:
    """Those that do not hold. `mine` are the pool's unfinished inputs, `held` those that its containers run; `counted`: how
    many the pool says wait and run. `served`: no input has to take a free slot now, as none is due, or all end anyway."""
    facts = {
        "counts": counted
        == (
            sum(i.state is WAITING and i.call.cancelled is None for i in mine),
            sum(i.state is RUNNING for i in mine),
        ),
        "running": len(held) == counted[1],
        "each running input is where it thinks": all(i.attempt == n for n, i in held.items()),
        "deadlines": deadlines.attempts == set(held),
        "no free slot while inputs wait": served or fleet.index.emptiest_below(fleet.max_inputs) is None,
        "suspects": all(i.suspect and i.state is WAITING for i in isolation),
        "set aside only for suspects": not isolation.idle
        or not any(c.exclusive and c.state is states.READY for c in fleet.containers.values()),
        "states": all(i.state in (WAITING, DELAYED, RUNNING) for i in mine),
    }
    return [name for name, holds in facts.items() if not holds]
