"""A container that outlives its server: it runs on while none is there, and tells the next one what it holds."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context
from functools import partial
from typing import Protocol, cast

from motet.backends.base import Launch
from motet.model.outcome import AttemptEnd, Delivery
from motet.runtime.control import RETRY_INTERVAL
from motet.runtime.kept_attempts import KeptAttempts
from motet.testing.container import LOST_SERVER, ContainerOwner, WorldContainer
from motet.testing.pipe import Pipe
from motet.testing.simulated.cable import Cable
from motet.testing.simulated.process import SimulatedProcess
from motet.testing.virtual_loop import VirtualLoop
from motet.wire import codec
from motet.wire import container_messages as m
from motet.wire.hello import Hello, Refused
from motet.wire.message import Message


class CablePipe:
    """A `Pipe` to a server that may be killed."""

    def __init__(self, cable: Cable) -> None:
        self.cable = cable
        self.seconds = 0.0
        self._repeats = 0
        self._left: int | None = None

    def send(self, message: Message) -> None:
        """See `Pipe`. Raises `OSError` if it has ended."""
        data = b"".join(codec.frames((message,)))
        for _ in range(1 + self._repeats):
            if self._left is None:
                self.cable.send(data)
            else:
                data, self._left = data[: self._left], max(0, self._left - len(data))
                self.cable.send(data)
                if not self._left:
                    self.cable.end()
                    break
        self._repeats = 0

    def close(self) -> None:
        """See `Pipe`."""
        self.cable.end()

    def hold(self, held: bool) -> None:
        """See `Pipe`."""
        self.cable.hold(held)

    def delay(self, seconds: float) -> None:
        """See `Pipe`."""
        self.seconds = seconds

    def cut(self, after: int = 0) -> None:
        """See `Pipe`."""
        self._left = after
        if not after:
            self.cable.cut()

    def repeat(self) -> None:
        """See `Pipe`."""
        self._repeats += 1


class StayingOwner(ContainerOwner, Protocol):
    """Where one runs."""

    def reach(
        self, container: StayingContainer, role: str, receive: Callable[[memoryview], None], closed: Callable[[], None]
    ) -> CablePipe | None:
        """A connection to the server that is there now, if one is."""


class StayingContainer(WorldContainer):
    """What it does over the end of its server is what `runtime.control` and the executor do."""

    def __init__(self, launch: Launch, loop: VirtualLoop, place: StayingOwner, host: str) -> None:
        super().__init__(launch, loop, place)
        self.host = host
        self.note = launch.note
        self.is_frozen = False
        self.process = SimulatedProcess(launch.container_id, loop)
        """What comes over its connections comes to this; its functions' code is nobody's, as the test's is."""
        self._staying_place = place
        self._kept = KeptAttempts(clock=loop.time)
        self._survives = self._is_lost = False
        self._connections = 0
        self._waiting: list[Message] = []
        """What is said to the next server."""

    def start(self) -> None:
        """See `WorldContainer`."""
        if self.state != "ended" and not self._connect(resumes=False):
            self._end(LOST_SERVER)

    def vanish(self) -> None:
        """See `WorldContainer`."""
        super().vanish()
        self.process.die()

    def _connect(self, *, resumes: bool) -> bool:
        self._connections += 1
        number = self._connections
        pipes: dict[str, CablePipe] = {}
        for role, receive in (("control", self._on_control), ("executor", self._on_executor)):
            pipe = self._staying_place.reach(self, role, receive, partial(self._closed, number, role == "control"))
            if pipe is None:
                self._connections += 1  # what is said of the other one means nothing
                for each in pipes.values():
                    each.close()
                return False
            pipes[role] = pipe
        self.pipes = cast("dict[str, Pipe]", pipes)
        for role, pipe in pipes.items():
            pipe.send(Hello(role, self._launch.token, self.container_id, resumes=resumes))  # type: ignore[arg-type]
        return True

    def _send(self, message: Message) -> None:
        if self.state == "ended":
            return
        if not self._is_lost:
            try:
                self.pipes["executor"].send(message)
            except OSError:
                self._is_lost = True
            else:
                return
        self._waiting.append(message)

    # --- what it keeps for the next server ----------------------------------------------------------------------------

    def _configured(self, message: m.Configure) -> None:
        self._survives = message.survives

    def _run(self, delivery: Delivery) -> None:
        if not self._survives or self._kept.began(delivery):
            super()._run(delivery)

    def _have_ended(self, ends: list[AttemptEnd]) -> None:
        if self._survives:
            for end in ends:
                self._kept.ended(end)

    def _hear(self, message: object) -> None:
        if isinstance(message, m.AckOutcomes):
            self._kept.acknowledged(message.attempts)
        elif isinstance(message, Refused):  # the next server does not know it
            self._end(LOST_SERVER)
        else:
            super()._hear(message)

    # --- the server is gone -------------------------------------------------------------------------------------------

    def _closed(self, connection: int, is_control: bool) -> None:
        if connection == self._connections and self.state != "ended":
            self._is_lost = True
            if is_control:
                self._lost_server()

    def _lost_server(self) -> None:
        self._connections += 1
        if not self._survives or self.state not in ("ready", "stopping"):
            self._end(LOST_SERVER)
            return
        streams = list(self._windows)
        self._kept.cut_off(number for number in streams if not self._slots.cancelled(number))
        self._cancel(streams)
        self._kept.cut(self._slots.cancelled)
        for pipe in self.pipes.values():
            pipe.close()
        self._come_back()

    def _come_back(self) -> None:
        if self.state == "ended":
            return
        if not self._connect(resumes=True):
            self._loop.call_later(RETRY_INTERVAL, self._come_back, context=Context())
            return
        running, ended, ends = self._kept.cut(self._slots.cancelled)
        waiting, self._waiting = self._waiting, []
        self._is_lost = False
        self._send(m.Held(running, ended, 0, self.state == "stopping"))
        for end in ends:
            self._send(m.Finished([end]))
        for message in waiting:  # outcomes among them come twice, as from the runtime
            self._send(message)
        self._kept.reopen()
