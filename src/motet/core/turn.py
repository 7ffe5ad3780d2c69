"""One call of `Engine.handle`: the instant it happens at, and the commands it has led to so far."""

from __future__ import annotations

from typing import Any

from motet.core.commands import Command, SaveOutcomes, SendOutcomes
from motet.core.inputs import Call
from motet.model.outcome import CallKind, Ended, OutcomeKind


class Turn:
    """Collects commands; outcomes of one call leave together, after everything that keeps containers busy."""

    __slots__ = ("_outcomes", "commands", "now", "orphaned", "pools")

    def __init__(self, now: float) -> None:
        self.now = now
        self.commands: list[Command] = []
        self.pools: dict[Any, None] = {}
        """Pools in which something changed, in order: each is pumped once at the end."""
        self.orphaned: list[tuple[str, str]] = []
        """Ids of inputs that were given up while they ran, and why: what they called is still to be cancelled."""
        self._outcomes: dict[Call, list[Ended]] = {}

    def add_outcome(self, call: Call, index: int, kind: OutcomeKind, payload: bytes) -> None:
        """An input of `call` has ended."""
        ended = self._outcomes.get(call)
        if ended is None:
            ended = self._outcomes[call] = []
        ended.append(Ended(index, kind, payload))

    def finish(self) -> list[Command]:
        """All commands of the turn, in the order to carry them out."""
        for call, ended in self._outcomes.items():
            if call.kind is CallKind.SPAWNED:
                self.commands.append(SaveOutcomes(call.call_id, ended))
            else:
                self.commands.append(SendOutcomes(call.client, call.call_id, ended))
        return self.commands
