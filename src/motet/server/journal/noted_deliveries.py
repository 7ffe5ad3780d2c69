"""Attempts at inputs that are delivered at most once: the journal knows of each before it leaves for its container.

So what the journal does not know of has not begun, and a server after this one has it run.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from motet.core.commands import SaveTries
from motet.errors import Error
from motet.model.outcome import BEGUN
from motet.server.journal.keeper import JournalKeeper
from motet.store.journal import InputTried


class NotedDeliveries:
    """Those that are being noted, by the numbers of the attempts."""

    def __init__(self, keeper: JournalKeeper) -> None:
        self._keeper = keeper
        self._waiting: dict[int, list[Callable[[], None]]] = {}

    def __contains__(self, attempt: int) -> bool:
        return attempt in self._waiting

    def note(self, command: SaveTries) -> None:
        """Keep that this attempt is on its way, however long the disk does not take that."""
        attempt = command.last_attempt
        self._waiting[attempt] = []

        def kept(error: Error | None) -> None:
            """With an error, this server keeps nothing any more: the attempt is not to leave."""
            for then in self._waiting.pop(attempt) if error is None else ():
                then()

        tries = command.attempts, command.retries, command.lone_losses, BEGUN, attempt
        self._keeper.owe([InputTried(command.call_id, command.index, *tries)], kept)

    def when_kept(self, attempt: int, then: Callable[[bytes | Error], None], found: bytes | Error) -> None:
        """Tell what was found for this attempt, when it is noted."""
        if attempt in self._waiting:
            self._waiting[attempt].append(partial(then, found))
        else:
            then(found)
