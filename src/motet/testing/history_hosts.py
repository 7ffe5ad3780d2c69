"""Whether what ran on a host that cannot be reached runs elsewhere, as a history tells it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from motet.testing.history_events import Fault
from motet.testing.history_told import NEVER, HistoryTold, InputTold

CUT, HEALED = "cut off", "healed"
"""Faults of all containers on a host: nothing comes through between it and servers, and again everything."""

PATIENCE = 100.0
"""Seconds after which what a host ran that was cut off is elsewhere, or has ended: it is given up after 60."""


class Stranded(NamedTuple):
    """An input that waits for a host that does not come back, and how that shows."""

    key: str
    what: str


def stranded(told: HistoryTold) -> Iterator[Stranded]:
    """Those of hosts that were cut off for long, while nothing else was done to anything."""
    faults = [event for event in told.events if isinstance(event, Fault)]
    last = told.events[-1].at if told.events else 0.0
    for cut in faults:
        until = cut.at + PATIENCE
        if cut.kind != CUT or until > last:
            continue
        if any(cut.at < it.at <= until or (it.at == cut.at and it.kind != CUT) for it in faults):
            continue
        for key, it in told.inputs.items():
            if it.submitted.client not in told.cut_off and _waits(it, cut, until):
                what = f"{key} ran in {cut.target}, which was cut off at {cut.at:.3f}, and nothing came of it by {until:.3f}"
                yield Stranded(key, what)


def _waits(it: InputTold, cut: Fault, until: float) -> bool:
    """Whether its last attempt before the cut was there, and has neither ended nor led to another one."""
    before = [began for began in it.began if began.at < cut.at]
    if not before or before[-1].container != cut.target or min(it.cancelled_at, it.first_seen()) < until:
        return False
    if any(offered.attempt == before[-1].attempt and offered.at < cut.at for offered in it.offered):
        return False  # its outcome may have been on its way, or somebody's who does not ask
    return min((began.at for began in it.began if began.at > cut.at), default=NEVER) > until
