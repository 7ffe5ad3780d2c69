"""A container's two connections, as the server hears them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from motet.core import events as e
from motet.model.outcome import AttemptEnd
from motet.server.containers.container_clock import ContainerClock
from motet.server.containers.output import ContainerOutput
from motet.server.containers.unacknowledged import Unacknowledged
from motet.server.driver import Driver
from motet.wire import container_messages as m
from motet.wire.codec import ToServer
from motet.wire.output_messages import Output, OutputShared, Stalled


class ContainerReports(Protocol):
    """Who knows the containers, and what to make of what they say of themselves."""

    def ready(self, container_id: str, entering: float) -> list[e.Event]: ...

    def stood_still(self, container_id: str, seconds: float) -> list[e.Event]: ...

    def stalled(self, container_id: str, stall: Stalled) -> None: ...

    def executor_gone(self, container_id: str) -> None: ...


class ExecutorSession:
    """The connection that carries a container's attempts. Made when the container has been sent its configuration.

    From here on all moments are of the server's clock.
    """

    def __init__(
        self,
        container_id: str,
        driver: Driver,
        reports: ContainerReports,
        output: ContainerOutput,
        unacknowledged: Unacknowledged | None = None,
        asked_ago: float = 0.0,
    ) -> None:
        self._container_id = container_id
        self._driver = driver
        self._reports = reports
        self._output = output
        self._unacknowledged = unacknowledged
        self._clock = ContainerClock(driver.clock.now() - asked_ago)

    def receive(self, messages: Sequence[ToServer]) -> None:
        """What the container said, in order; all of it reaches the engine in one turn."""
        events: list[e.Event] = []
        # Of a stream, all that one read brought is one event: its consumer is told once.
        yielded: dict[int, list[bytes]] = {}
        for message in messages:
            if isinstance(message, m.Finished):
                # First: what the pipes hold until now may be this input's, and is asked for in here.
                self._output.finished(len(message.attempts))
                ends = self._clock.ends(message.attempts) if self._clock.behind else message.attempts
                events.append(e.AttemptsFinished(self._container_id, ends))
                if self._unacknowledged is not None:
                    self._unacknowledged.finished(self._container_id, ends)
            elif isinstance(message, m.Items):
                earlier = yielded.get(message.attempt)
                if earlier is None:
                    yielded[message.attempt] = message.items
                    events.append(e.ItemsYielded(self._container_id, message.attempt, message.items))
                else:  # they go on with those that came before: an attempt's end comes after all of its items
                    earlier += message.items
            elif isinstance(message, Output | OutputShared | Stalled):
                self._receive_output(message)
            elif isinstance(message, m.TakeFeed):
                events.append(e.FeedTaken(self._container_id, message.attempt, message.count))
            else:
                events += self._of_itself(message)
        if events:
            self._driver.take(*events)

    def on_our_clock(self, ends: list[AttemptEnd]) -> list[AttemptEnd]:
        """The same, with moments of the server's clock."""
        return self._clock.ends(ends) if self._clock.behind else ends

    def _of_itself(self, message: ToServer) -> list[e.Event]:
        """What a container says of itself."""
        container_id = self._container_id
        match message:
            case m.LimitInputs():
                event: e.Event = e.InputsLimited(container_id, message.limit)
            case m.StopDelivering():
                event = e.DrainAsked(container_id, message.preempted)
            case m.Blocked():
                event = e.ContainerBlocked(container_id, message.seen, message.not_begun)
            case m.Unblocked():
                event = e.ContainerUnblocked(container_id)
            case m.StartFailed():
                event = e.ContainerFailed(container_id, message.failure)
            case m.StoodStill():
                return self._reports.stood_still(container_id, message.seconds)
            case m.Ready():
                return self._reports.ready(container_id, message.entering)
            case m.ClockRead():
                self._clock.told(message.moment, self._driver.clock.now())
                return []
            case _:
                return []
        return [event]

    def _receive_output(self, message: Output | OutputShared | Stalled) -> None:
        if isinstance(message, Output):
            self._output.wrote(message.entries, self._clock.behind)
        elif isinstance(message, OutputShared):
            self._output.shared(message.shared)
        else:
            self._reports.stalled(self._container_id, self._clock.stall(message))

    def disconnected(self) -> None:
        self._reports.executor_gone(self._container_id)


class ControlSession:
    """The connection that stays readable while user code runs; the container only listens on it."""

    def receive(self, messages: Sequence[ToServer]) -> None:
        """Containers say nothing here."""

    def disconnected(self) -> None:
        """The executor connection is the one that counts."""
