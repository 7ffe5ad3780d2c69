"""When containers were wanted, ready, told to end, and gone, for whoever wants to know what they cost."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from motet.core import commands as c
from motet.core import events as e

WANTED, READY, TOLD, ENDED = MOMENTS = ("wanted", "ready", "told", "ended")


class ContainerTrace:
    """Keeps four moments of each container, on the clock of whoever calls."""

    def __init__(self) -> None:
        self._function_of: dict[str, str] = {}
        self._moments: dict[str, dict[str, float]] = {}

    def take(self, events: Iterable[e.Event], commands: Iterable[c.Command], now: float) -> None:
        """This has happened, and the engine answered that."""
        for event in events:
            if isinstance(event, e.ContainerReady):
                self._note(event.container_id, READY, now)
            elif isinstance(event, e.ContainerEnded):
                self._note(event.container_id, ENDED, now)
        for command in commands:
            if isinstance(command, c.StartContainer):
                self._function_of[command.container_id] = command.function_id
                self._moments[command.container_id] = {WANTED: now}
            elif isinstance(command, c.StopContainer | c.KillContainer):
                self._note(command.container_id, TOLD, now)

    def _note(self, container_id: str, what: str, now: float) -> None:
        if container_id in self._moments:
            self._moments[container_id].setdefault(what, now)

    @property
    def functions(self) -> list[str]:
        """Those that had containers."""
        return list(dict.fromkeys(self._function_of.values()))

    def save(self, function_id: str, path: Path, began_at: float) -> None:
        """Write a function's containers as CSV, moments as seconds since `began_at`; what did not happen is empty."""
        with path.open("w", encoding="utf-8") as file:
            file.write(",".join(MOMENTS) + "\n")
            for container_id, moments in self._moments.items():
                if self._function_of[container_id] == function_id:
                    cells = (moments.get(what) for what in MOMENTS)
                    file.write(",".join("" if at is None else f"{at - began_at:.6f}" for at in cells) + "\n")
