"""An engine that is always asked to tell of calls and inputs."""

from __future__ import annotations

from collections.abc import Iterable

from motet.core.commands import Command
from motet.core.engine import Engine
from motet.core.events import Event


class RecordingEngine(Engine):
    def handle(self, events: Iterable[Event], now: float, *, records: bool = True) -> list[Command]:
        return super().handle(events, now, records=records)
