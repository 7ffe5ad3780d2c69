"""What systemd is told by a service that says when it is ready: a word at a time, to the socket in NOTIFY_SOCKET."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import MutableMapping

_SOCKET, _WATCHDOG, _WATCHDOG_PID = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"


class ServiceManager:
    """Tells it; without one, nobody. What says where it is, is taken out of the environment: it is not for containers."""

    def __init__(self, env: MutableMapping[str, str]) -> None:
        self._path = env.pop(_SOCKET, "")
        watched = env.pop(_WATCHDOG, "")
        is_ours = env.pop(_WATCHDOG_PID, "") in ("", str(os.getpid()))
        self._interval = int(watched) / 2e6 if watched.isdecimal() and is_ours else 0.0
        """Seconds between two signs of life: twice as often as is asked for."""
        self._timer: asyncio.TimerHandle | None = None

    def ready(self, status: str) -> None:
        """The service can be used; signs of life follow, if they are asked for."""
        self._tell(f"READY=1\nSTATUS={status}")
        if self._interval > 0:
            self._live()

    def stopping(self, seconds: float) -> None:
        """It ends, which may take so long."""
        self._tell(f"STOPPING=1\nEXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")

    def close(self) -> None:
        """No more signs of life."""
        if self._timer is not None:
            self._timer.cancel()

    def _live(self) -> None:
        # From the loop that does the work: while it stands still, nothing is told.
        self._tell("WATCHDOG=1")
        self._timer = asyncio.get_running_loop().call_later(self._interval, self._live)

    def _tell(self, text: str) -> None:
        if not self._path:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.sendto(text.encode(), self._path.replace("@", "\0", 1) if self._path[0] == "@" else self._path)
