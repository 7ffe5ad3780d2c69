"""The inputs of a pool that wait for a slot: first come first served within a call, turn by turn between calls."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from itertools import islice

from motet.core.inputs import Call, Input
from motet.model.outcome import CallKind


class WaitingQueue:
    """A queue that no single call can fill for the others: each call with waiting inputs gets every n-th slot."""

    __slots__ = ("_calls", "count", "spawned")

    def __init__(self) -> None:
        self._calls: OrderedDict[Call, None] = OrderedDict()
        """Calls with waiting inputs; the first is next."""
        self.count = 0
        """How many inputs wait. An attribute: it is asked several times with every input."""
        self.spawned = 0
        """How many of them belong to spawned calls."""

    def __len__(self) -> int:
        return self.count

    def add(self, call: Call, items: Iterable[Input]) -> None:
        """Put inputs of a call at the end of its line."""
        waiting = call.waiting
        before = len(waiting)
        if type(waiting) is list:
            waiting = call.line_up(items)
        else:
            waiting.extend(items)
        added = len(waiting) - before
        if added and not before:
            self._calls[call] = None
        self.count += added
        if call.kind is CallKind.SPAWNED:
            self.spawned += added

    def put_back(self, item: Input) -> None:
        """An input that has been at the head of the line before is there again."""
        call = item.call
        call.long_line().appendleft(item)
        self._calls[call] = None
        self._calls.move_to_end(call, last=False)
        self.count += 1
        self.spawned += call.kind is CallKind.SPAWNED

    def withdraw(self, call: Call) -> None:
        """Take out everything of a call, however much that is. Its inputs stay in its line, and no longer wait here."""
        count = len(call.waiting)
        self.count -= count
        if call.kind is CallKind.SPAWNED:
            self.spawned -= count
        self._calls.pop(call, None)

    def take_out(self, item: Input) -> None:
        """Take out one input; fast for those that have waited for long."""
        call = item.call
        call.waiting.remove(item)
        self.count -= 1
        self.spawned -= call.kind is CallKind.SPAWNED
        if not call.waiting:
            del self._calls[call]

    def first(self, most: int) -> list[Input]:
        """Those that are next, about, so many at most: they stay."""
        found: list[Input] = []
        share = max(1, most // max(1, len(self._calls)))
        for call in islice(self._calls, most):
            found += islice(call.waiting, min(share, most - len(found)))
        return found

    def pop(self) -> Input | None:
        """The next input, or None if none waits."""
        return next(iter(self.take(1)), None)

    def take(self, most: int) -> list[Input]:
        """The next inputs, so many at most."""
        calls = self._calls
        taken: list[Input] = []
        left = most if most < self.count else self.count
        self.count -= left
        while left:
            call = next(iter(calls))
            waiting = call.waiting
            alone = len(calls) == 1
            turn = left if alone else 1
            if type(waiting) is deque:
                for _ in range(turn):
                    taken.append(waiting.popleft())
            else:  # of one, so that this is its turn
                taken.append(waiting.pop())
            left -= turn
            if call.kind is CallKind.SPAWNED:
                self.spawned -= turn
            if not waiting:
                del calls[call]
            elif not alone:
                calls.move_to_end(call)
        return taken
