"""The inputs of a pool that wait for a slot: first come first served within a call, turn by turn between calls."""

from __future__ import annotations

from collections import OrderedDict

from motet.core.inputs import Call, Input
from motet.model.outcome import CallKind


class WaitingQueue:
    """A queue that no single call can fill for the others: each call with waiting inputs gets every n-th slot."""

    __slots__ = ("_calls", "_count", "spawned")

    def __init__(self) -> None:
        self._calls: OrderedDict[Call, None] = OrderedDict()
        """Calls with waiting inputs; the first is next."""
        self._count = 0
        self.spawned = 0
        """How many of them belong to spawned calls."""

    def __len__(self) -> int:
        return self._count

    def add(self, item: Input) -> None:
        """Put an input at the end of its call's line."""
        waiting = item.call.waiting
        if not waiting:
            self._calls[item.call] = None
        waiting.append(item)
        self._count += 1
        self.spawned += item.call.kind is CallKind.SPAWNED

    def put_back(self, item: Input) -> None:
        """An input that has been at the head of the line before is there again."""
        call = item.call
        call.waiting.appendleft(item)
        self._calls[call] = None
        self._calls.move_to_end(call, last=False)
        self._count += 1
        self.spawned += call.kind is CallKind.SPAWNED

    def withdraw(self, call: Call) -> None:
        """Take out everything of a call, however much that is. Its inputs stay in its line, and no longer wait here."""
        count = len(call.waiting)
        self._count -= count
        if call.kind is CallKind.SPAWNED:
            self.spawned -= count
        self._calls.pop(call, None)

    def take_out(self, item: Input) -> None:
        """Take out one input; fast for those that have waited for long."""
        call = item.call
        call.waiting.remove(item)
        self._count -= 1
        self.spawned -= call.kind is CallKind.SPAWNED
        if not call.waiting:
            del self._calls[call]

    def pop(self) -> Input | None:
        """The next input, or None if none waits."""
        if not self._count:
            return None
        calls = self._calls
        call = next(iter(calls))
        item = call.waiting.popleft()
        self._count -= 1
        if call.kind is CallKind.SPAWNED:
            self.spawned -= 1
        if not call.waiting:
            del calls[call]
        elif len(calls) > 1:
            calls.move_to_end(call)
        return item
