"""How many requests of each app are being answered, and whether it may have one more."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator

from motet.errors import ResourceExhaustedError

RETRY_AFTER = 1.0


class Crowd:
    """Counts requests and WebSockets until they are over. `most`: what each app may have at once; None: any number."""

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._counts: Counter[str] = Counter()

    def refusal(self, app_id: str, name: str) -> ResourceExhaustedError | None:
        """Why an app takes no more requests now; None if it takes one."""
        if self._most is None or (count := self._counts[app_id]) < self._most:
            return None
        return ResourceExhaustedError(
            f"{count} requests to the app {name!r} are being answered, and {self._most} may be at once (limit `requests`)",
            RETRY_AFTER,
            "requests",
        )

    @contextlib.contextmanager
    def one_more(self, app_id: str) -> Iterator[None]:
        """One is being answered until the end of the block."""
        self._counts[app_id] += 1
        try:
            yield
        finally:
            self._counts[app_id] -= 1
            if not self._counts[app_id]:
                del self._counts[app_id]
