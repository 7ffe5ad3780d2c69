"""One call of `Engine.handle`: the instant it happens at, and the commands it has led to so far."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from motet.core.commands import Command, SaveOutcomes, SendOutcomes
from motet.core.inputs import Call
from motet.core.turn_records import TurnRecords
from motet.model.outcome import CallKind, InputEnd, OutcomeKind

INPUTS_PER_TURN = 500
"""How many inputs are ended in one turn because they were cancelled, or waited or ran for too long; the next turn goes on.
About 5 ms: what else happens must not wait for longer."""


class Turn:
    """Collects commands; outcomes of one call leave together, after everything that keeps containers busy."""

    __slots__ = ("_outcomes", "commands", "now", "orphaned", "pools", "records", "room")

    def __init__(self, now: float, recording: bool = False, room: int = INPUTS_PER_TURN) -> None:
        self.now = now
        self.room = room
        """How many more inputs may be ended in this turn without having said so themselves."""
        self.records = TurnRecords(now) if recording else None
        """Where somebody wants to know of the calls that are made and the inputs that end."""
        self.commands: list[Command] = []
        self.pools: dict[Any, None] = {}
        """Pools in which something changed, in order: each is pumped once at the end."""
        self.orphaned: list[tuple[str, str]] = []
        """Ids of inputs that were given up while they ran, and why: what they called is still to be cancelled."""
        self._outcomes: dict[Call, list[InputEnd]] = {}

    def changed(self, pool: Any) -> None:
        """Something changed in a pool."""
        self.pools[pool] = None

    def spend(self, inputs: int) -> None:
        """So many inputs are being ended: there is room for as many fewer."""
        self.room -= inputs

    def add_outcome(self, call: Call, index: int, kind: OutcomeKind, payload: bytes) -> None:
        """An input of `call` has ended."""
        ended = self._outcomes.get(call)
        if ended is None:
            ended = self._outcomes[call] = []
        ended.append(InputEnd(index, kind, payload))

    def refuse(self, call: Call, indices: Iterable[int], kind: OutcomeKind, failure: bytes) -> None:
        """Inputs were not taken at all."""
        for index in indices:
            self.add_outcome(call, index, kind, failure)
            if self.records is not None:
                self.records.refused(call, index, kind, failure)

    def finish(self) -> list[Command]:
        """All commands of the turn, in the order to carry them out."""
        for call, ended in self._outcomes.items():
            if call.kind is CallKind.SPAWNED:
                self.commands.append(SaveOutcomes(call.call_id, ended, call.is_unwanted))
            else:
                self.commands.append(SendOutcomes(call.client, call.call_id, ended))
        if self.records is not None:
            self.records.add_to(self.commands)
        return self.commands
