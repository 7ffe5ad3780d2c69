"""Arguments that the journal alone has: read when attempts need them, and ahead of those that wait, many with one question."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from motet.core.commands import ReadArguments
from motet.core.events import ArgumentsRead
from motet.errors import Error, NotFoundError
from motet.model.outcome import Delivery
from motet.server.driver import Driver, logger
from motet.server.journal.keeper import JournalKeeper
from motet.store.journal import Journal

Key = tuple[str, int]
"""A call, and the index of an input of it."""
Found = dict[Key, bytes]
Arrived = Callable[[bytes | Error], None]

AHEAD_BYTES = 8 * 1024 * 1024
"""Of arguments that are read ahead of their need, about."""
AHEAD_AT_ONCE = 50
"""Inputs between two looks at how much that is."""
RETRY_FIRST, RETRY_MOST = 0.5, 5.0
"""Seconds until what could not be read is asked for again."""


class LeftArguments:
    """Carries out `ReadArguments`. What an attempt needs has been asked for by the time that it is delivered."""

    def __init__(self, keeper: JournalKeeper, driver: Driver) -> None:
        self._keeper = keeper
        self._driver = driver
        self._waiting: dict[Key, list[Arrived]] = {}
        """Of what is being read for attempts: who waits for it."""
        self._is_closed = False

    def read(self, command: ReadArguments) -> None:
        """Have these read."""
        for key in command.wanted:
            self._waiting.setdefault(key, [])
        self._ask(command, RETRY_FIRST)

    def find(self, delivery: Delivery, then: Arrived) -> None:
        """The arguments of an attempt that is to be delivered: `then` is told when they are here."""
        key = delivery.call_id, delivery.index
        if (waiting := self._waiting.get(key)) is None:
            then(_missing(key))
        else:
            waiting.append(then)

    def close(self) -> None:
        """What cannot be read is not asked for again."""
        self._is_closed = True

    def _ask(self, command: ReadArguments, delay: float) -> None:
        if not self._is_closed:
            self._keeper.look(
                partial(_read, wanted=command.wanted, ahead=command.ahead), partial(self._came, command, delay)
            )

    def _came(self, command: ReadArguments, delay: float, found: Found | Error) -> None:
        if isinstance(found, Error):
            logger.warning("arguments of spawned calls cannot be read, and their inputs wait: %s", found)
            asyncio.get_running_loop().call_later(delay, self._ask, command, min(2 * delay, RETRY_MOST))
            return
        inputs = [(*key, payload) for key, payload in found.items() if payload]
        self._driver.take(ArgumentsRead(command.function_id, inputs))
        for key in command.wanted:
            payload = found[key]
            for then in self._waiting.pop(key, ()):
                then(payload or _missing(key))


def _missing(key: Key) -> NotFoundError:
    call_id, index = key
    return NotFoundError(f"the arguments of input {index} of {call_id} are not in the journal (any more)")


def _read(journal: Journal, wanted: Sequence[Key], ahead: Sequence[Key]) -> Found:
    found = dict(zip(wanted, journal.payloads(wanted), strict=True))
    size = 0
    for first in range(0, len(ahead), AHEAD_AT_ONCE):
        if size > AHEAD_BYTES:
            break
        keys = ahead[first : first + AHEAD_AT_ONCE]
        payloads = journal.payloads(keys)
        size += sum(map(len, payloads))
        found.update(zip(keys, payloads, strict=True))
    return found
