"""Calls that nobody wants any more, ended a bounded number of inputs a turn, so that no turn is long."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from motet.core.inputs import Call
from motet.core.turn import Turn
from motet.errors import RemoteError


class Why(NamedTuple):
    """Why calls end, the error that says so, and whether to `terminate` their containers."""

    reason: str
    terminate: bool = False
    error: type[RemoteError] = RemoteError


Cancel = Callable[[Call, Why, Turn], None]
"""See to it that nothing more of a call is delivered."""
EndSome = Callable[[Call, Turn], None]
"""End as many of its inputs as the turn has room for."""


class Backlog:
    """Groups of such calls, each with why. None is searched or copied, whatever its size."""

    def __init__(self, cancel: Cancel, end_some: EndSome) -> None:
        self._cancel = cancel
        self._end_some = end_some
        self.groups: deque[tuple[dict[Call, None], Why]] = deque()
        self.is_new = False
        """Something was added after the last work."""

    def add(self, calls: dict[Call, None], why: Why) -> None:
        """These are to end. The dict is taken over, or goes on losing those that have ended."""
        if calls:
            self.groups.append((calls, why))
            self.is_new = True

    def work(self, turn: Turn) -> None:
        """End what there is room for. The next turn begins with another group: a small one need not wait for a large one."""
        self.is_new = False
        while self.groups and turn.room > 0:
            calls, why = group = self.groups.popleft()
            if self._end(calls, why, turn):
                self.groups.append(group)

    def _end(self, calls: dict[Call, None], why: Why, turn: Turn) -> bool:
        """Whether some are left."""
        while calls:
            if turn.room <= 0:
                return True
            turn.room -= 1
            # The last one, found in no time. It stays, because others that look at these calls must still find it.
            call, _ = calls.popitem()
            if call.inputs:
                calls[call] = None
                self._cancel(call, why, turn)
                self._end_some(call, turn)
                if call.inputs:
                    return True
                calls.pop(call, None)
        return False
