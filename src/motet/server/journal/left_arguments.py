"""Arguments that the journal alone has: read when attempts need them, and ahead of those that wait, many with one question."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from motet.core.commands import ReadArguments
from motet.core.events import ArgumentsRead
from motet.errors import Error, NotFoundError, ServiceError
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
GIVE_UP_AFTER = 300.0
"""Seconds for which arguments cannot be read, after which they are given up if the journal can be written: then they are
damaged, and not the disk or the database away. Those that wait for these keep a container waiting."""


class _ArgumentsAsked(msgspec.Struct):
    """What is read, and how it goes. `failing_since`: on the loop's clock; None: it does not fail."""

    command: ReadArguments
    delay: float = RETRY_FIRST
    failing_since: float | None = None


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
        self._ask(_ArgumentsAsked(command))

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

    def _ask(self, reading: _ArgumentsAsked) -> None:
        if not self._is_closed:
            question = partial(_read, wanted=reading.command.wanted, ahead=reading.command.ahead)
            self._keeper.look(question, partial(self._came, reading))

    def _came(self, reading: _ArgumentsAsked, found: Found | Error) -> None:
        command = reading.command
        if isinstance(found, Error):
            self._failed(reading, found)
            return
        inputs = [(*key, payload) for key, payload in found.items() if payload]
        self._driver.take(ArgumentsRead(command.function_id, inputs))
        for key in command.wanted:
            payload = found[key]
            for then in self._waiting.pop(key, ()):
                then(payload or _missing(key))

    def _failed(self, reading: _ArgumentsAsked, error: Error) -> None:
        now = asyncio.get_running_loop().time()
        if reading.failing_since is None:
            reading.failing_since = now
            logger.warning("arguments of spawned calls cannot be read, and their inputs wait: %s", error)
        if now - reading.failing_since >= GIVE_UP_AFTER and not self._is_closed:
            self._keeper.keep((), partial(self._tried, reading, error))
        else:
            self._ask_later(reading)

    def _ask_later(self, reading: _ArgumentsAsked) -> None:
        asyncio.get_running_loop().call_later(reading.delay, self._ask, reading)
        reading.delay = min(2 * reading.delay, RETRY_MOST)

    def _tried(self, reading: _ArgumentsAsked, error: Error, not_kept: Error | None) -> None:
        """Whether the journal can be written is known."""
        if not_kept is not None:
            self._ask_later(reading)
            return
        wanted = reading.command.wanted
        logger.error(
            "the arguments of %d inputs of spawned calls cannot be read, and these fail: %s", len(wanted), error
        )
        for key in wanted:
            for then in self._waiting.pop(key, ()):
                then(ServiceError(f"the arguments of input {key[1]} of {key[0]} cannot be read: {error}"))


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
