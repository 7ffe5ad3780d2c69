"""Records of what is over when it happens: told as they are, kept as they are."""

from __future__ import annotations

import msgspec


class FactRecord(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A new kind is a subclass, is told to a server's observers where it happens (`Driver.tell`), and has a table
    (`store/sqlite_facts.py`). Moments are wall-clock seconds."""


class StallRecord(FactRecord, frozen=True):
    """An input kept the others in its container from running: it held the event loop or the GIL."""

    container_id: str
    call_id: str
    index: int
    began: float
    ended: float
    what: str = ""


class DecisionRecord(FactRecord, frozen=True):
    """Why a pool was to have `desired` containers: what there was then, and the policy's reason with its numbers."""

    at: float
    function_id: str
    desired: int
    live: int
    starting: int
    waiting_inputs: int
    running_inputs: int
    reason: str


class SampleRecord(FactRecord, frozen=True):
    """A pool at one moment, for charts: totals count from the function's beginning."""

    at: float
    function_id: str
    waiting_inputs: int
    running_inputs: int
    succeeded_inputs: int
    failed_inputs: int
    cancelled_inputs: int
    ready_containers: int
    starting_containers: int
    other_containers: int
