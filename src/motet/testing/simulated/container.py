"""A container of a simulated world: speaks as the runtime does, keeps what that keeps, and runs scripts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from motet.backends.base import Launch
from motet.model.function import FunctionSpec
from motet.model.outcome import AttemptEnd, Delivery, OutcomeKind
from motet.runtime.attempts.batch import BatchDelivery, batch_of
from motet.runtime.control import LOST_SERVER, RETRY_INTERVAL
from motet.runtime.kept_attempts import KeptAttempts
from motet.runtime.slots import Slots
from motet.testing.history_events import AttemptBegan, Event, OutcomeOffered
from motet.testing.simulated.cable import Cable
from motet.testing.simulated.process import SimulatedProcess
from motet.testing.simulated.script import Script, ScriptResult, encoded, script_of
from motet.testing.simulated.yielding_attempt import YieldingAttempt
from motet.wire import codec
from motet.wire import container_messages as m
from motet.wire.framing import FrameReader
from motet.wire.hello import Hello, Refused
from motet.wire.message import Message

LAST_ACKNOWLEDGEMENTS = 2.0
"""Seconds that one which has been stopped stays for outcomes that their callers may not have, as the runtime does."""

KILLED = -9


class ContainerPlace(Protocol):
    """Where a scripted container runs."""

    def connect(
        self, process: SimulatedProcess, receive: Callable[[bytes], None], closed: Callable[[], None]
    ) -> Cable | None:
        """A connection to the server that containers can reach now, if there is one."""
        ...

    def ended(self, container_id: str, code: int) -> None: ...

    def clock(self) -> float:
        """Its own: not the server's."""
        ...

    def write(self, event: Event) -> None:
        """Into the history."""

    def load_seconds(self) -> float: ...


def frames_into(take: Callable[[memoryview], None]) -> Callable[[bytes], None]:
    """Takes bytes as they come, and gives whole frames to `take`."""
    reader = FrameReader()

    def receive(data: bytes) -> None:
        at = 0
        while at < len(data):
            buffer = reader.buffer()
            count = min(len(buffer), len(data) - at)
            buffer[:count] = data[at : at + count]
            for frame in reader.received(count):
                take(frame)
            at += count

    return receive


class ScriptedContainer:
    """One container. What it does over the end of its server is what `runtime.control` does."""

    def __init__(
        self, launch: Launch, process: SimulatedProcess, place: ContainerPlace, now: Callable[[], float]
    ) -> None:
        self.container_id = launch.container_id
        self.process = process
        self.note = launch.note
        self.is_frozen = False
        self._token = launch.token
        self._place = place
        self._now = now
        self._loop = asyncio.get_running_loop()
        self._kept = KeptAttempts(clock=place.clock)
        self._slots = Slots(1)
        self._spec: FunctionSpec | None = None
        self._survives = self._is_ready = self._is_stopping = self._is_lost = False
        self._running: dict[int, tuple[Delivery, Callable[[], object]]] = {}
        """What runs, each with what stops it."""
        self._streams: dict[int, YieldingAttempt] = {}
        self._parts: list[Delivery] = []
        """Of a batch that is not here as a whole yet."""
        self._connections = 0
        self._waiting: list[Message] = []
        """What could not be sent, because the server is gone."""
        self._executor: Cable | None = None
        self._control: Cable | None = None

    # --- its life -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Connect; the rest follows from what the server says."""
        if not self._connect(resumes=False):
            self._end(LOST_SERVER)

    def _connect(self, *, resumes: bool) -> bool:
        self._connections += 1
        number = self._connections
        control = self._place.connect(
            self.process, frames_into(self._on_control), lambda: self._closed(number, is_control=True)
        )
        executor = self._place.connect(
            self.process, frames_into(self._on_executor), lambda: self._closed(number, is_control=False)
        )
        if control is None or executor is None:
            self._connections += 1  # what is said of these means nothing
            for each in (control, executor):
                if each is not None:
                    each.end()
            return False
        self._control, self._executor = control, executor
        try:
            for role, cable in (("control", control), ("executor", executor)):
                hello = Hello(role, self._token, self.container_id, resumes=resumes)  # type: ignore[arg-type]
                cable.send(b"".join(codec.frames((hello,))))
        except OSError:
            return False
        return True

    def _end(self, code: int) -> None:
        self._place.ended(self.container_id, code)

    def _send(self, message: Message) -> None:
        """What is said while no server is there is said to the next one."""
        if self._is_lost or self._executor is None:
            self._waiting.append(message)
            return
        try:
            self._executor.send(b"".join(codec.frames((message,))))
        except OSError:
            self._waiting.append(message)
            self._is_lost = True

    # --- what the server says -----------------------------------------------------------------------------------------

    def _on_executor(self, frame: memoryview) -> None:
        for message in codec.decode_to_executor(frame):
            if isinstance(message, m.Configure):
                self._spec, self._survives = message.spec, message.survives
                self._slots = Slots(message.spec.concurrency.max_inputs)
                self._send(m.ClockRead(self._place.clock()))
                self._loop.call_later(self._place.load_seconds(), self._say_ready)
            elif isinstance(message, m.Deliver):
                for delivery in message.attempts:
                    self._deliver(delivery)
            elif isinstance(message, m.DeliverBatched):
                self._parts += message.attempts
                if not message.more:
                    whole, self._parts = self._parts, []
                    self._deliver(batch_of(whole))
            elif isinstance(message, Refused):
                self._end(LOST_SERVER)

    def _say_ready(self) -> None:
        if not self._is_stopping:
            self._is_ready = True
            self._send(m.Ready(0.0))

    def _on_control(self, frame: memoryview) -> None:
        for message in codec.decode_to_control(frame):
            if isinstance(message, m.Cancel):
                self._cancel(message.attempts)
            elif isinstance(message, m.AckOutcomes):
                self._kept.acknowledged(message.attempts)
            elif isinstance(message, m.AckAttemptItems):
                if (stream := self._streams.get(message.attempt)) is not None:
                    stream.grant(message.count)
            elif isinstance(message, m.AskStandstill):
                self._send(m.StoodStill(0.0))
            elif isinstance(message, Refused):
                self._end(LOST_SERVER)
            elif isinstance(message, m.Stop):
                self._stop()

    def _stop(self) -> None:
        self._is_stopping = True
        self._cancel(list(self._running))
        if not self._is_ready:
            self._end(0)
        else:
            self._loop.call_later(0.001 if self._kept.wait_acknowledged(0) else LAST_ACKNOWLEDGEMENTS, self._end, 0)

    # --- running ------------------------------------------------------------------------------------------------------

    def _deliver(self, delivery: Delivery) -> None:
        if self._survives and not self._kept.began(delivery):
            return
        number = delivery.attempt
        batch = number if isinstance(delivery, BatchDelivery) else 0
        scripts = [script_of(each) for each in _members(delivery)]
        for each, script in zip(_members(delivery), scripts, strict=True):
            self._place.write(
                AttemptBegan(
                    at=self._now(), key=script.key, attempt=each.attempt, container=self.container_id, batch=batch
                )
            )
        cancelled = self._slots.take(number)
        self._running[number] = delivery, self._run(number, scripts)
        if cancelled:
            self._finish(number, self._place.clock(), OutcomeKind.CANCELLED)

    def _run(self, number: int, scripts: list[Script]) -> Callable[[], object]:
        """What stops it."""
        began = self._place.clock()
        if not scripts[0].items:
            return self._loop.call_later(max(each.seconds for each in scripts), self._over, number, began).cancel
        stream = self._streams[number] = YieldingAttempt(
            number, scripts[0], self._send, self._place.write, self._now, lambda: self._over(number, began)
        )
        stream.begin()
        return stream.stop

    def _over(self, number: int, began: float) -> None:
        delivery, _ = self._running[number]
        if any(script_of(each).ends == "death" for each in _members(delivery)):
            self._end(KILLED)
        else:
            self._finish(number, began)

    def _cancel(self, attempts: list[int]) -> None:
        for attempt in attempts:
            if self._slots.cancel(attempt):
                self._finish(attempt, self._place.clock(), OutcomeKind.CANCELLED)

    def _finish(self, number: int, began: float, kind: OutcomeKind | None = None) -> None:
        """Attempts in a slot have ended; without a kind each as its script says."""
        delivery, stop = self._running.pop(number)
        stop()
        self._streams.pop(number, None)
        self._slots.release(number)
        ends: list[AttemptEnd] = []
        for each in _members(delivery):
            script, attempt = script_of(each), each.attempt
            own = OutcomeKind.FAILURE if script.ends == "failure" else OutcomeKind.SUCCESS
            how = own if kind is None else kind
            ends.append(
                AttemptEnd(attempt, how, encoded(ScriptResult(script.key, attempt)), began, self._place.clock())
            )
            if self._survives:
                self._kept.ended(ends[-1])
            self._place.write(
                OutcomeOffered(at=self._now(), key=script.key, attempt=attempt, container=self.container_id, kind=how)
            )
        self._send(m.Finished(ends))

    def connection(self, *, is_control: bool) -> Cable | None:
        """One of its connections, for who does harm to it."""
        return self._control if is_control else self._executor

    # --- the server is gone -------------------------------------------------------------------------------------------

    def _closed(self, connection: int, *, is_control: bool) -> None:
        """The control connection is what counts."""
        if connection == self._connections:
            self._is_lost = True
            if is_control:
                self._lose_server()

    def _lose_server(self) -> None:
        self._connections += 1
        if not (self._survives and self._is_ready):
            self._end(LOST_SERVER)
            return
        # Their items do not reach their consumers any more.
        self._kept.cut_off(number for number in self._streams if not self._slots.cancelled(number))
        self._cancel(list(self._streams))
        self._kept.cut(self._slots.cancelled)
        for cable in (self._executor, self._control):
            if cable is not None:
                cable.end()
        self._come_back()

    def _come_back(self) -> None:
        if not self._connect(resumes=True):
            self._loop.call_later(RETRY_INTERVAL, self._come_back)
            return
        running, ended, ends = self._kept.cut(self._slots.cancelled)
        waiting, self._waiting = self._waiting, []
        self._is_lost = False
        self._send(m.Held(running, ended, 0, self._is_stopping))
        self._send(m.ClockRead(self._place.clock()))
        for end in ends:
            self._send(m.Finished([end]))
        for message in waiting:  # outcomes among them come twice, as from the runtime
            self._send(message)
        self._parts.clear()
        self._kept.reopen()


def _members(delivery: Delivery) -> list[Delivery]:
    return delivery.members if isinstance(delivery, BatchDelivery) else [delivery]
