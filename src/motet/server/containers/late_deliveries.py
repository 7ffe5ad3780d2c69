"""Deliveries whose arguments are on the disk: they leave when these were read, and so does what comes after them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import msgspec

from motet.core.commands import ReadArguments
from motet.core.events import ArgumentsRead
from motet.errors import Error
from motet.model.outcome import Delivery
from motet.server.containers.known_container import KnownContainer
from motet.server.driver import Driver, logger
from motet.server.peers import Peer
from motet.store.journal import Journal
from motet.wire import container_messages as m
from motet.wire.message import Message

Key = tuple[str, int]
"""A call, and the index of an input of it."""
Found = dict[Key, bytes]
Look = Callable[[Callable[[Journal], Found], Callable[[Found | Error], None]], None]
"""Has a question to the journal answered, beside what is being kept."""

AHEAD_BYTES = 8 * 1024 * 1024
"""Of arguments that are read ahead of their need, about."""
AHEAD_AT_ONCE = 50
"""Inputs between two looks at how much that is."""
RETRY_INTERVAL = 0.5
"""Seconds until what could not be read is asked for again."""


class LateDeliveries:
    """Carries out `ReadArguments`. `look` is set where there is a journal."""

    def __init__(self, driver: Driver, containers: Mapping[str, KnownContainer]) -> None:
        self.look: Look | None = None
        self._driver = driver
        self._containers = containers
        self._held: dict[str, _LateQueue] = {}

    def read(self, command: ReadArguments) -> None:
        """Have what is sent to a container from now on wait for these."""
        container = self._containers.get(command.container_id)
        if container is None or container.executor is None or self.look is None:
            self._driver.take(ArgumentsRead(command.function_id, []))  # nothing is being read
            return
        held = self._held.get(command.container_id)
        if held is None or not held.holds(container):
            held = self._held[command.container_id] = _LateQueue(container, container.executor)
        held.reads += 1
        self._ask(command, held)

    def _ask(self, command: ReadArguments, held: _LateQueue) -> None:
        def found(what: Found | Error) -> None:
            if isinstance(what, Error):
                self._failed(command, held, what)
                return
            inputs = [(call_id, index, payload) for (call_id, index), payload in what.items()]
            # First: what the engine does with them leaves after what waits for them.
            self._driver.take(ArgumentsRead(command.function_id, inputs))
            if held.arrived(what):
                self._forget(command.container_id, held)

        assert self.look is not None
        self.look(lambda journal: _read(journal, command.wanted, command.ahead), found)

    def _failed(self, command: ReadArguments, held: _LateQueue, error: Error) -> None:
        container = self._containers.get(command.container_id)
        if container is None or not held.holds(container):  # it is gone, and what it was to run goes elsewhere
            self._forget(command.container_id, held)
            self._driver.take(ArgumentsRead(command.function_id, []))
            return
        logger.warning("arguments of spawned calls cannot be read, and their inputs wait: %s", error)
        asyncio.get_running_loop().call_later(RETRY_INTERVAL, self._ask, command, held)

    def _forget(self, container_id: str, held: _LateQueue) -> None:
        if self._held.get(container_id) is held:
            del self._held[container_id]


class _LateQueue:
    """What is to be sent to a container over its two connections, while arguments are read: the attempts, and that some of them
    are cancelled. All else that is said to it goes its way."""

    def __init__(self, container: KnownContainer, executor: Peer) -> None:
        self.reads = 0
        """That are not back."""
        self._container = container
        self._executor, self._control = executor, container.control
        self._found: Found = {}
        self._queue: list[tuple[Peer, Sequence[Message]]] = []
        self._to_executor: Peer = _HeldPeer(executor, self._queue)
        container.executor = self._to_executor
        if container.control is not None:
            container.control = _HeldPeer(container.control, self._queue, m.Cancel)

    def holds(self, container: KnownContainer) -> bool:
        """Whether what is sent to it waits here."""
        return container.executor is self._to_executor

    def arrived(self, found: Found) -> bool:
        """Send what waited, if it was for these alone; whether it was."""
        self._found.update(found)
        self.reads -= 1
        if self.reads:
            return False
        if self.holds(self._container):
            self._container.executor, self._container.control = self._executor, self._control
        for peer, messages in self._queue:
            peer.send([self._filled(message) for message in messages])
        self._queue.clear()
        return True

    def _filled(self, message: Message) -> Message:
        if isinstance(message, m.Deliver | m.DeliverBatched):
            return msgspec.structs.replace(message, attempts=[self._with_arguments(it) for it in message.attempts])
        return message

    def _with_arguments(self, delivery: Delivery) -> Delivery:
        payload = self._found.get((delivery.call_id, delivery.index))
        return delivery if delivery.payload or not payload else msgspec.structs.replace(delivery, payload=payload)


class _HeldPeer:
    """Stands for a peer while what is sent to it waits: all of it, or what is of one kind."""

    def __init__(
        self, peer: Peer, queue: list[tuple[Peer, Sequence[Message]]], only: type[Message] | None = None
    ) -> None:
        self._peer = peer
        self._queue = queue
        self._only = only

    @property
    def unsent_bytes(self) -> int:
        """See `Peer`."""
        return self._peer.unsent_bytes

    def send(self, messages: Sequence[Message]) -> None:
        """See `Peer`."""
        if self._only is None or isinstance(messages[0], self._only):
            self._queue.append((self._peer, messages))
        else:
            self._peer.send(messages)

    def close(self) -> None:
        """See `Peer`."""
        self._peer.close()


def _read(journal: Journal, wanted: Sequence[Key], ahead: Sequence[Key]) -> Found:
    found = _payloads(journal, wanted)
    size = 0
    for first in range(0, len(ahead), AHEAD_AT_ONCE):
        if size > AHEAD_BYTES:
            break
        more = _payloads(journal, ahead[first : first + AHEAD_AT_ONCE])
        size += sum(map(len, more.values()))
        found.update(more)
    return found


def _payloads(journal: Journal, wanted: Sequence[Key]) -> Found:
    of: dict[str, list[int]] = {}
    for call_id, index in wanted:
        of.setdefault(call_id, []).append(index)
    return {
        (call_id, index): payload
        for call_id, indices in of.items()
        for index, payload in zip(indices, journal.payloads(call_id, indices), strict=True)
    }
