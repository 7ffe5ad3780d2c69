"""The doing of each command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from motet.core import commands as c
from motet.server.apps import Apps
from motet.server.clients import ClientSession
from motet.server.containers import Containers
from motet.server.recorder import Recorder
from motet.server.spawned import SpawnedCalls

C = TypeVar("C", bound=c.Command)


class ServerEffects:
    """Carries out the engine's commands on the server's parts."""

    def __init__(
        self,
        containers: Containers,
        apps: Apps,
        calls: SpawnedCalls,
        clients: dict[int, ClientSession],
        recorder: Recorder | None = None,
    ) -> None:
        self._containers = containers
        self._clients = clients
        self._performers: dict[type[c.Command], Callable[[Any], None]] = {
            c.StartContainer: containers.start,
            c.StopContainer: containers.stop,
            c.KillContainer: containers.kill,
            c.FindGpus: containers.find_gpus,
            c.DeliverAttempts: containers.deliver,
            c.DeliverBatch: containers.deliver_batch,
            c.CancelAttempts: containers.cancel,
            c.ResumeContainer: containers.resume,
            c.AckItems: containers.ack,
            c.SendOutcomes: self._send_outcomes,
            c.SendItems: self._send_items,
            c.FeedAttempt: containers.feed,
            c.AckFeed: self._ack_feed,
            c.SaveOutcomes: lambda command: calls.save(command.call_id, command.ended),
            c.ReportDecision: lambda command: None,
            c.ReportAppStopped: lambda command: apps.stopped(command.app_id),
            c.ReportFunctionRetired: lambda command: apps.retired(command.function_id),
            c.RecordCalls: lambda command: None,
            c.RecordInputs: lambda command: None,
            c.RecordSuccesses: lambda command: None,
            c.RecordStart: lambda command: None,
            c.RecordEnd: lambda command: None,
        }
        if recorder is not None:
            self._performers[c.RecordCalls] = lambda command: recorder.calls_made(command.calls)
            self._performers[c.ReportDecision] = recorder.decided
            self._performers[c.RecordInputs] = lambda command: recorder.inputs_ended(
                command.function_id, command.inputs
            )
            self._performers[c.RecordSuccesses] = lambda command: recorder.inputs_succeeded(
                command.function_id, command.inputs
            )

    def also(self, kind: type[C], then: Callable[[C], None]) -> None:
        """From now on call `then` after each command of this kind."""
        perform = self._performers[kind]

        def both(command: C) -> None:
            perform(command)
            then(command)

        self._performers[kind] = both

    def stood_still(self, seconds: float) -> None:
        """See `Effects`."""
        self._containers.ask_standstill(seconds)

    def perform(self, command: c.Command) -> None:
        self._performers[type(command)](command)

    def _send_outcomes(self, command: c.SendOutcomes) -> None:
        client = self._clients.get(command.client)
        if client is not None:
            client.send_outcomes(command.call_id, command.ended)

    def _send_items(self, command: c.SendItems) -> None:
        client = self._clients.get(command.client)
        if client is not None:
            client.send_items(command.call_id, command.index, command.items)

    def _ack_feed(self, command: c.AckFeed) -> None:
        client = self._clients.get(command.client)
        if client is not None:
            client.send_feed_taken(command.call_id, command.index, command.count)
