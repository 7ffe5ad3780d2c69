"""Whether a database answers: what waits for one that does not must hear of it, though its connection looks well."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

LOOK_INTERVAL = 1.0
"""Seconds between two looks at whether a question is answered."""
MOST_LOOKS = 10
"""In a row without the answer to one question, after which connections are cut. They are counted, and not seconds: a server
that stood still itself has not looked."""


class AnswerWatch:
    """Looks on a thread of its own, until it is closed, at questions that another thread asks: one at a time, each of which
    takes a moment. `cut` has whoever waits for the database wait no longer."""

    def __init__(self, patience: float, cut: Callable[[], None]) -> None:
        """`patience`: seconds after which a question that is not answered is a problem."""
        self._patience = patience
        self._cut = cut
        self._asked_at: float | None = None
        self._number = 0
        """Of the question."""
        self._seen = self._looks = 0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._look_until_closed, name="motet-answers", daemon=True)
        self._thread.start()

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        """A question is asked in this block."""
        self._number += 1
        self._asked_at = time.monotonic()
        try:
            yield
        finally:
            self._asked_at = None

    @property
    def problem(self) -> str:
        """That the database does not answer; "": it does, or there is no question."""
        asked_at = self._asked_at
        if asked_at is None or (waited := time.monotonic() - asked_at) <= self._patience:
            return ""
        return f"the database has not answered for {waited:.0f} s: another server may lead by now"

    def close(self) -> None:
        """Idempotent."""
        self._closing.set()
        self._thread.join()

    def look(self) -> None:
        """Look once more, as the thread does."""
        number = self._number
        self._looks = self._looks + 1 if self._asked_at is not None and number == self._seen else 0
        self._seen = number
        if self._looks >= MOST_LOOKS:
            self._looks = 0
            self._cut()

    def _look_until_closed(self) -> None:
        while not self._closing.wait(LOOK_INTERVAL):
            self.look()
