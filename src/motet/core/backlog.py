"""Calls that nobody wants any more, ended a bounded number of inputs a turn, so that no turn is long."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from motet.core.inputs import Call
from motet.core.state import State
from motet.core.turn import Turn
from motet.errors import CallerCancelled, RemoteError


class Why(NamedTuple):
    """Why calls end, the error that says so, and whether to `terminate` their containers."""

    reason: str
    terminate: bool = False
    error: type[RemoteError] = RemoteError


class Backlog:
    """Groups of such calls, each with why. None is searched or copied, whatever its size."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.groups: deque[tuple[dict[Call, None], Why]] = deque()
        self.is_new = False
        """Something was added after the last work."""

    def add(self, calls: dict[Call, None], why: Why) -> None:
        """These are to end. The dict is taken over, or goes on losing those that have ended."""
        if calls:
            self.groups.append((calls, why))
            self.is_new = True

    def add_call(self, call: Call, why: Why, turn: Turn) -> None:
        """This one is to end; nothing of it is delivered from now on."""
        self._cancel(call, why, turn)
        self.add({call: None}, why)

    def add_children(self, turn: Turn) -> None:
        """Inputs were given up while they ran: the calls they wait for are, too, and theirs. Spawned ones go their own way."""
        for input_id, reason in turn.orphaned:
            calls = self._state.calls.take_of_input(input_id)
            why = Why(f"{input_id}, which called it, was given up: {reason}", error=CallerCancelled)
            self.add(calls, why)
        turn.orphaned.clear()

    def work(self, turn: Turn) -> None:
        """End what there is room for, with what it has called."""
        self._work(turn)
        while turn.orphaned:
            self.add_children(turn)
            self._work(turn)

    def _work(self, turn: Turn) -> None:
        self.is_new = False
        while self.groups and turn.room > 0:
            calls, why = group = self.groups.popleft()
            if self._end(calls, why, turn):
                # The next turn begins with another group: a small one need not wait for a large one.
                self.groups.append(group)

    def _end(self, calls: dict[Call, None], why: Why, turn: Turn) -> bool:
        """Whether some are left."""
        while calls:
            if turn.room <= 0:
                return True
            turn.spend(1)
            # The last one, found in no time. It stays, because others that look at these calls must still find it.
            call, _ = calls.popitem()
            if call.inputs:
                calls[call] = None
                self._cancel(call, why, turn)
                self._state.pools[call.function_id].interruptions.end_some(call, turn)
                if call.inputs:
                    return True
                calls.pop(call, None)
        return False

    def _cancel(self, call: Call, why: Why, turn: Turn) -> None:
        pool = self._state.pools[call.function_id]
        pool.interruptions.cancel(call, why.reason, why.error, terminate=why.terminate)
        turn.changed(pool)
