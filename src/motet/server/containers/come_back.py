"""Containers that a server before this one had started: from when they are heard of until their function is here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from motet.backends.base import HeldContainer
from motet.core import events as e
from motet.errors import ConnectionError
from motet.model.outcome import AttemptEnd
from motet.server.apps.catalogue import Catalogue
from motet.server.containers.known_container import KnownContainer
from motet.server.containers.sessions import ExecutorSession
from motet.server.containers.unacknowledged import Unacknowledged
from motet.server.driver import Driver
from motet.server.facts import ContainerCameBack
from motet.wire import container_messages as m
from motet.wire.codec import ToServer
from motet.wire.output_messages import Output, Stalled

COME_BACK_TIMEOUT = 30.0
"""Seconds that a container may take to come back to a new server. One whose threads stand still for as long is ended."""

CLAIM_TIMEOUT = 30.0
"""Seconds in which a function must be here, for its containers to stay: programs that use the server are back by then."""

MOST_OUTPUT = 1000
"""Messages with output that are kept of a container whose function is not here: beyond that, lines are lost."""
MOST_LATER = 100_000
"""Messages of any kind: it has more than one for each input only if something is wrong with it."""


@dataclass(frozen=True, slots=True)
class Inherited:
    """What a server takes over: the containers of the one before it, if any live, and the first number for its own attempts.

    Its own containers outlive it in their turn, for the server after it."""

    held: Sequence[HeldContainer]
    first_attempt: int
    leave: Callable[[], Awaitable[None]]
    """Leave all containers to the server after this one."""
    sockets: Sequence[Path] = ()
    """Of servers before it that had another home: some of the containers come back there."""


class ReturningSession:
    """The executor connection of a container that comes back. What it says is kept until its function is here.

    `complete` is called when it has said what it holds, with the outcomes.
    """

    def __init__(
        self, container_id: str, session: ExecutorSession, complete: Callable[[str], None], first_attempt: int
    ) -> None:
        self.held: m.Held | None = None
        self._first_attempt = first_attempt
        self._container_id = container_id
        self._session = session
        self._complete = complete
        self._ends: dict[int, AttemptEnd] = {}
        self._later: list[ToServer] = []
        self._outputs = 0
        self._is_claimed = False

    @property
    def is_complete(self) -> bool:
        """It has said all that it holds."""
        return self.held is not None and len(self._ends) >= len(self.held.ended)

    def receive(self, messages: Sequence[ToServer]) -> None:
        """See `Handler`."""
        if self._is_claimed:
            self._session.receive(messages)
            return
        was_complete = self.is_complete
        for message in messages:
            if isinstance(message, m.ClockRead):
                self._session.receive([message])
            elif isinstance(message, m.Held) and self.held is None:
                self._check(message)
                self.held = message
            elif isinstance(message, m.Finished) and not self.is_complete:
                self._ends.update((end.attempt, end) for end in self._session.on_our_clock(message.attempts))
            else:
                self._keep(message)
        if self.is_complete and not was_complete:
            self._complete(self._container_id)

    def _check(self, held: m.Held) -> None:
        """Raise `ConnectionError` if it cannot be as the container says: its numbers are not those of a server before this one.
        An engine that believed it would confuse them with its own."""
        every = [*held.running, *held.ended]
        numbers = {each.attempt for each in every}
        if len(numbers) < len(every) or any(max(it.attempt, it.slot) >= self._first_attempt for it in every):
            raise ConnectionError(
                f"container {self._container_id} holds attempts that no server before this one has made"
            )

    def _keep(self, message: ToServer) -> None:
        """Keep it until its function is here. Raises `ConnectionError` if there is too much."""
        if isinstance(message, Output | Stalled):
            self._outputs += 1
            if self._outputs > MOST_OUTPUT:
                return
        if len(self._later) >= MOST_LATER:
            raise ConnectionError(f"a container said {MOST_LATER} things before its function was here: it is let go of")
        self._later.append(message)

    def resumed(self, function_id: str, gpus: tuple[str, ...]) -> e.ContainerResumed:
        """What the engine is to know of it; from the loop's next turn on it hears what the container says."""
        assert self.held is not None
        held = self.held
        asyncio.get_running_loop().call_soon(self._go_on)
        return e.ContainerResumed(
            self._container_id,
            function_id,
            held.running,
            [(each, self._ends[each.attempt]) for each in held.ended if each.attempt in self._ends],
            held.limit or None,
            "it asked for no more inputs, or was told to stop" if held.leaving else None,
            gpus,
        )

    def _go_on(self) -> None:
        self._is_claimed = True
        later, self._later = self._later, []
        if later:
            self._session.receive(later)

    def disconnected(self) -> None:
        """See `Handler`."""
        self._session.disconnected()


class Returning:
    """Those that are awaited, and those that are back and whose function is not here."""

    def __init__(
        self,
        driver: Driver,
        catalogue: Catalogue,
        kill: Callable[[str], None],
        unacknowledged: Unacknowledged | None,
        first_attempt: int = 0,
    ) -> None:
        self._first_attempt = first_attempt
        self._driver = driver
        self._catalogue = catalogue
        self._kill = kill
        self._unacknowledged = unacknowledged
        self._containers: dict[str, KnownContainer] = {}
        self._awaited: set[str] = set()
        self._sessions: dict[str, ReturningSession] = {}
        self._all_here = asyncio.Event()

    def __contains__(self, container_id: str) -> bool:
        return container_id in self._awaited or container_id in self._sessions

    def await_container(self, container_id: str, container: KnownContainer) -> None:
        """It lives, and is to come back."""
        self._containers[container_id] = container
        self._awaited.add(container_id)

    def begins(self, container_id: str, session: ExecutorSession) -> ReturningSession:
        """It has connected."""
        returning = self._sessions[container_id] = ReturningSession(
            container_id, session, self._is_back, self._first_attempt
        )
        return returning

    def claim(self, function_id: str) -> list[e.Event]:
        """A function is here: its containers that are back are the engine's from now on."""
        ids = [each for each in self._sessions if self._containers[each].function_id == function_id]
        return [event for each in ids for event in self._claim(each)]

    def _claim(self, container_id: str) -> list[e.Event]:
        container, session = self._containers[container_id], self._sessions[container_id]
        if not session.is_complete:
            return []
        del self._sessions[container_id]
        event = session.resumed(container.function_id, container.note.gpus)
        container.output.resumed(len(event.running))
        container.silent = False  # as the engine sees it; if it is, that is said once more
        if self._unacknowledged is not None:
            kept = [*event.running, *(held for held, _ in event.ended)]
            self._unacknowledged.delivered(container_id, [held for held in kept if not held.cut])
            self._unacknowledged.finished(container_id, [end for held, end in event.ended if held.cut])
        isolation = self._catalogue.configuration(container.function_id).spec.isolation
        self._driver.tell(ContainerCameBack(container_id, container.function_id, isolation or "process"))
        return [event, e.ContainerFrozen(container_id)] if container.frozen else [event]

    def _is_back(self, container_id: str) -> None:
        """It has said what it holds. Its function may be here already; it itself may be gone."""
        self._awaited.discard(container_id)
        if container_id not in self._sessions:
            return
        if self._catalogue.has(self._containers[container_id].function_id):
            self._driver.take(*self._claim(container_id))
        self._look()

    def is_gone(self, container_id: str) -> None:
        """It has ended. Idempotent."""
        self._awaited.discard(container_id)
        self._sessions.pop(container_id, None)
        self._containers.pop(container_id, None)
        self._look()

    async def all_back(self) -> None:
        """Wait until each that is awaited is back, or gone; those that take too long are ended."""
        self._look()
        for _ in range(2):  # the second time for those that are ended
            try:
                async with asyncio.timeout(COME_BACK_TIMEOUT):
                    await self._all_here.wait()
                return
            except TimeoutError:
                for container_id in list(self._awaited):
                    self._kill(container_id)

    def expect_claims(self) -> None:
        """Clients may come from now on: containers whose function is not here in time are ended."""
        if self._sessions:
            asyncio.get_running_loop().call_later(CLAIM_TIMEOUT, self._end_unclaimed)

    def _end_unclaimed(self) -> None:
        for container_id in list(self._sessions):
            self._kill(container_id)

    def _look(self) -> None:
        if not self._awaited:
            self._all_here.set()
