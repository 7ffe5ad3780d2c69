"""What a container whose event loop does not turn has given back to its server, and so must not begin any more."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Iterable, Mapping, Sequence

from motet.model.outcome import Delivery


class Hold:
    """Made on the watchdog's thread; asked on the loop's thread, which goes on at any moment.

    Attempts have rising numbers, and come in their order over one connection. So those that were not read yet are the ones
    above the last that was, and need no list.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._seen = 0
        self.given_back: frozenset[int] = frozenset()

    def take(self, seen: int, tasks: Iterable[tuple[int, asyncio.Task[None]]]) -> None:
        """Give back what has not begun: all above `seen`, and tasks that have not made their first step. With the lock held,
        after this hold was put where the loop's thread looks for it: what has begun by then is in another state already."""
        self._seen = seen
        self.given_back = frozenset(
            number
            for number, task in tasks
            if inspect.getcoroutinestate(task.get_coro()) == inspect.CORO_CREATED  # type: ignore[arg-type]
        )

    @property
    def seen(self) -> int:
        """The last attempt that had been read."""
        return self._seen

    def has(self, attempt: int) -> bool:
        """This attempt was given back: it must not begin."""
        with self.lock:
            return attempt in self.given_back

    def parted(self, deliveries: Sequence[Delivery]) -> Mapping[bool, list[Delivery]]:
        """Those that have just been read: under True the ones that were given back unread."""
        with self.lock:
            parts: dict[bool, list[Delivery]] = {True: [], False: []}
            for delivery in deliveries:
                parts[delivery.attempt > self._seen].append(delivery)
            return parts
