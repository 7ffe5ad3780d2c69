"""A server that leads says to its host agents that it is here, on a thread of its own: they notice when it stands still."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from motet.agent.agent_process import connected
from motet.wire.agent import Leads, agent_frame

SEND_TIMEOUT = 1.0
"""Seconds for which an agent may take nothing, before another connection to it is made."""


class Presence:
    """Says it every `interval` seconds to the agents at the sockets that `paths` names, until it is closed. `seconds`: after
    how many without a word they are to end everything; 0: not for that."""

    def __init__(
        self, paths: Callable[[], Sequence[Path]], term: int, interval: float, seconds: Callable[[], float]
    ) -> None:
        self._paths = paths
        self._term = term
        self._interval = interval
        self._seconds = seconds
        self._open: dict[Path, socket.socket] = {}
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._say_until_closed, name="motet-presence", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Idempotent."""
        self._closing.set()
        self._thread.join()
        for sock in self._open.values():
            sock.close()
        self._open.clear()

    def _say_until_closed(self) -> None:
        while True:
            frame = agent_frame(Leads(self._term, self._seconds()))
            for path in self._paths():
                self._say(path, frame)
            if self._closing.wait(self._interval):
                return

    def _say(self, path: Path, frame: bytes) -> None:
        """To one that has ended nothing is said: its server notices by other means."""
        with contextlib.suppress(OSError):
            sock = self._open.get(path) or connected(path)
            if sock is not None:
                self._open[path] = sock
                sock.settimeout(SEND_TIMEOUT)
                try:
                    sock.sendall(frame)
                except OSError:
                    del self._open[path]
                    sock.close()
