"""A cluster driver that a test plays, for the server's end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from motet.wire import cluster as m


class PlayedDriver:
    """Takes the place of a `DriverLink`: `sent` is what the server has said, and `says` what it hears."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.begin: Callable[[], m.BeginOnCluster]
        self.says: Callable[[m.FromDriver], None]
        self.dies: Callable[[str], None]
        self.is_closed = False

    async def open(
        self,
        begin: Callable[[], m.BeginOnCluster],
        received: Callable[[m.FromDriver], None],
        ended: Callable[[str], None],
    ) -> str:
        self.begin, self.says, self.dies = begin, received, ended
        return "a played cluster"

    def send(self, message: m.ToDriver) -> None:
        self.sent.append(message)

    async def close(self) -> None:
        self.is_closed = True

    def told(self) -> list[Any]:
        """What the server has said since this was asked last."""
        sent, self.sent = self.sent, []
        return sent
