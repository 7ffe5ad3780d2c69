"""When inputs came and how long they ran, for `motet simulate`."""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from pathlib import Path

from motet.core import commands as c
from motet.core import events as e
from motet.model.outcome import AttemptEnd, Delivery, InputEnd
from motet.server.traces.container_trace import ContainerTrace

InputKey = tuple[str, int]
"""A call and an index in it."""


class LoadTrace:
    """An observer. Keeps 16 bytes for each input that ended, and the life of each container; `save` writes them.

    An input's duration is that of its last attempt, beside whatever else ran there. Those that no attempt finished
    (cancelled, lost, refused) are not recorded.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._began_at: float | None = None
        self._names: dict[str, str] = {}
        self._recorded: dict[str, array[float]] = {}
        """By function: arrival and duration in turn."""
        self._arrivals: dict[InputKey, tuple[str, float]] = {}
        self._running: dict[str, dict[int, tuple[InputKey, float]]] = {}
        """By container: its attempts, each with its input and when it began."""
        self._durations: dict[InputKey, float] = {}
        self._containers = ContainerTrace()

    def turned(self, events: Sequence[e.Event], commands: Sequence[c.Command], now: float) -> None:
        """See `Driver.follow`."""
        if self._began_at is None:  # the first turn: arrivals are counted from there
            self._began_at = now
        for event in events:
            if isinstance(event, e.AttemptsFinished):
                self._finished(event.container_id, event.attempts, now)
            elif isinstance(event, e.InputsSubmitted):
                for new in event.inputs:
                    self._arrivals[event.call_id, new.index] = (event.function_id, now)
            elif isinstance(event, e.FunctionAdded):
                self._names[event.function_id] = event.spec.name
            elif isinstance(event, e.ContainerEnded):
                self._running.pop(event.container_id, None)
        for command in commands:
            if isinstance(command, c.DeliverAttempts | c.DeliverBatch):
                self._began(command.container_id, command.attempts, now)
            elif isinstance(command, c.SendOutcomes | c.SaveOutcomes):
                self._ended(command.call_id, command.ended)
        self._containers.take(events, commands, now)

    def _began(self, container_id: str, attempts: list[Delivery], now: float) -> None:
        running = self._running.setdefault(container_id, {})
        for delivery in attempts:
            running[delivery.attempt] = ((delivery.call_id, delivery.index), now)

    def _finished(self, container_id: str, ends: list[AttemptEnd], now: float) -> None:
        running = self._running.get(container_id, {})
        for end in ends:
            if end.attempt in running:
                key, began_at = running.pop(end.attempt)
                if key in self._arrivals:
                    self._durations[key] = now - began_at

    def _ended(self, call_id: str, ended: list[InputEnd]) -> None:
        for end in ended:
            key = (call_id, end.index)
            arrival = self._arrivals.pop(key, None)
            duration = self._durations.pop(key, None)
            if arrival is not None and duration is not None:
                function_id, moment = arrival
                recorded = self._recorded.setdefault(function_id, array("d"))
                recorded.extend((moment - (self._began_at or 0.0), duration))

    def save(self) -> None:
        """Write FUNCTION.csv, a trace, for each function that had inputs, and FUNCTION.containers.csv for each that had
        containers; FUNCTION-2.csv and so on for others of that name."""
        directory, began_at = self._directory, self._began_at or 0.0
        stems = self._stems([*self._recorded, *self._containers.functions])
        for function_id, recorded in self._recorded.items():
            rows = sorted(zip(recorded[::2], recorded[1::2], strict=True))
            with (directory / f"{stems[function_id]}.csv").open("w", encoding="utf-8") as file:
                file.write("arrival,duration\n")
                file.writelines(f"{arrival:.6f},{duration:.6f}\n" for arrival, duration in rows)
        for function_id in self._containers.functions:
            self._containers.save(function_id, directory / f"{stems[function_id]}.containers.csv", began_at)

    def _stems(self, function_ids: list[str]) -> dict[str, str]:
        """Names of files, one for each function."""
        stems: dict[str, str] = {}
        for function_id in dict.fromkeys(function_ids):
            stem = re.sub(r"[^\w.-]", "_", self._names.get(function_id, function_id))
            names = (stem if number == 1 else f"{stem}-{number}" for number in range(1, len(stems) + 2))
            stems[function_id] = next(name for name in names if name not in stems.values())
        return stems
