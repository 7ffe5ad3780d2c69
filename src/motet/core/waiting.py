"""The inputs of a pool that wait for a slot: first come first served within a call, turn by turn between calls."""

from __future__ import annotations

from collections import OrderedDict

from motet.core.inputs import Call, Input


class WaitingQueue:
    """A queue that no single call can fill for the others: each call with waiting inputs gets every n-th slot."""

    __slots__ = ("_calls", "_count")

    def __init__(self) -> None:
        self._calls: OrderedDict[Call, None] = OrderedDict()
        """Calls with waiting inputs; the first is next."""
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, item: Input) -> None:
        """Put an input at the end of its call's line."""
        waiting = item.call.waiting
        if not waiting:
            self._calls[item.call] = None
        waiting.append(item)
        self._count += 1

    def remove(self, call: Call) -> None:
        """Take out everything of a call."""
        self._count -= len(call.waiting)
        call.waiting.clear()
        self._calls.pop(call, None)

    def pop(self) -> Input | None:
        """The next input, or None if none waits."""
        if not self._count:
            return None
        calls = self._calls
        call = next(iter(calls))
        item = call.waiting.popleft()
        self._count -= 1
        if not call.waiting:
            del calls[call]
        elif len(calls) > 1:
            calls.move_to_end(call)
        return item
