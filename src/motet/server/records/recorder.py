"""Remembers what happens on a server: makes records of what observers are told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from motet.core import commands as c
from motet.core.events import Event
from motet.records.arguments import DefinitionRecord
from motet.records.facts import DecisionRecord, FactRecord
from motet.records.logs import LogBatch
from motet.records.pools import AppRecord, ContainerRecord
from motet.server import facts
from motet.server.clock import Clock
from motet.server.records.queue import RecordQueue
from motet.wire.client_messages import OutputLines

RESUMED = "a server before this one had started it"


class Recorder:
    """An observer. Records of the engine keep moments of the server's clock until they are handed over; others have them on the
    wall clock."""

    def __init__(self, records: RecordQueue, clock: Clock) -> None:
        self._records = records
        self._clock = clock
        self.containers: dict[str, ContainerRecord] = {}
        """Those that have not ended, by id."""
        self._apps: dict[str, AppRecord] = {}
        self._definitions: dict[str, DefinitionRecord] = {}
        """Those of functions that can be called, by id: kept with the first arguments."""
        self._of: dict[type[c.Command], Callable[[Any, float], None] | None] = {
            **dict.fromkeys(c.Command.__subclasses__(), None),
            c.RecordCalls: lambda command, now: records.add_calls(command.calls),
            c.RecordInputs: lambda command, now: records.add_inputs(command.function_id, command.inputs),
            c.RecordSuccesses: lambda command, now: records.add_successes(command.function_id, command.inputs),
            c.RecordArguments: self._failed,
            c.ReportDecision: self._decided,
            c.StartContainer: self._started,
            c.StopContainer: self._told_to_end,
            c.KillContainer: self._told_to_end,
        }

    def turned(self, events: Sequence[Event], commands: Sequence[c.Command], now: float) -> None:
        """See `Driver.follow`."""
        recording = self._of
        for command in commands:
            record = recording[type(command)]
            if record is not None:
                record(command, now)

    def told(self, fact: facts.Fact) -> None:
        """See `Driver.listen`."""
        match fact:
            case FactRecord():
                self._records.add_fact(fact)
            case facts.AppStarted():
                record = self._apps[fact.app_id] = AppRecord(fact.app_id, fact.name, self._clock.wall_now())
                self._records.add_app(record)
            case facts.AppEnded():
                record = self._apps.pop(fact.app_id)
                self._records.add_app(AppRecord(record.app_id, record.name, record.started_at, self._clock.wall_now()))
            case facts.FunctionDeclared():
                self._records.add_function(fact.record)
                if fact.definition is not None:
                    self._definitions[fact.record.function_id] = fact.definition
            case facts.FunctionGone():
                self._definitions.pop(fact.function_id, None)
            case facts.ContainerCameBack():
                now = self._clock.wall_now()
                resumed = ContainerRecord(
                    *(fact.container_id, fact.function_id, now, now, RESUMED, now, now, now), isolation=fact.isolation
                )
                self.containers[fact.container_id] = resumed
                self._records.add_container(resumed)
            case facts.ContainerConnected() | facts.ContainerEntered() | facts.ContainerGone():
                if (container := self.containers.get(fact.container_id)) is not None:
                    self._went_on(container, fact)

    def wrote(self, function_id: str, output: OutputLines) -> None:
        """Lines came. Those that are still being written are not kept: they come again."""
        if output.part != "begun":
            self._records.add_lines(
                LogBatch(
                    output.at or self._clock.wall_now(),
                    function_id,
                    output.container_id,
                    output.call_id,
                    output.index,
                    output.stream,
                    output.lines,
                )
            )

    def _failed(self, command: c.RecordArguments, now: float) -> None:
        ids = dict.fromkeys(each.function_id for each in command.arguments)
        known = [definition for each in ids if (definition := self._definitions.get(each)) is not None]
        self._records.add_arguments(command.arguments, known)

    def _decided(self, decision: c.ReportDecision, now: float) -> None:
        self._records.add_fact(
            DecisionRecord(
                self._clock.wall(now),
                decision.function_id,
                decision.desired,
                decision.live,
                decision.starting,
                decision.waiting_inputs,
                decision.running_inputs,
                decision.reason,
            )
        )

    # --- containers ---------------------------------------------------------------------------------------------------

    def _started(self, command: c.StartContainer, now: float) -> None:
        at = self._clock.wall(now)  # that of the turn: its inputs, which waited for it, are dated by the same
        record = ContainerRecord(
            *(command.container_id, command.function_id, at - command.waited, at, command.reason),
            isolation=command.isolation,
        )
        self.containers[command.container_id] = record
        self._records.add_container(record)

    def _told_to_end(self, command: c.StopContainer | c.KillContainer, now: float) -> None:
        if (record := self.containers.get(command.container_id)) is not None:
            record.end = command.reason
            self._records.add_container(record)

    def _went_on(
        self, record: ContainerRecord, fact: facts.ContainerConnected | facts.ContainerEntered | facts.ContainerGone
    ) -> None:
        now = self._clock.wall_now()
        match fact:
            case facts.ContainerConnected():
                record.connected_at = now
            case facts.ContainerEntered():
                record.ready_at = now
                record.loaded_at = max(now - fact.seconds, record.connected_at or record.started_at)
            case facts.ContainerGone():
                # Spans of what ends with it are told of in the next turn: they do without its start.
                del self.containers[record.container_id]
                record.ended_at = now
                record.end = f"{record.end}; {fact.description}" if record.end else fact.description
        self._records.add_container(record)
