"""What a link to a server stands on: streams that lead there, a thread, and a clock. On virtual time it is another one."""

from __future__ import annotations

import _thread
import time
from collections.abc import Callable

from motet.client.open_stream import open_stream
from motet.client.streams import ByteStream

# As they were at the start: see `sockets`.
_start_thread = _thread.start_new_thread
_sleep = time.sleep
_monotonic = time.monotonic


class Ground:
    """That of processes: sockets, threads of the system, and its monotonic clock."""

    def open_stream(self, address: str, fingerprint: str = "", timeout: float | None = None) -> ByteStream:
        """See `open_stream`."""
        return open_stream(address, fingerprint, timeout)

    def start_thread(self, work: Callable[[], None]) -> None:
        """Run `work` beside whatever else runs."""
        _start_thread(work, ())

    def now(self) -> float:
        """Seconds, of which only differences mean anything."""
        return _monotonic()

    def sleep(self, seconds: float) -> None:
        """Do nothing for so long, on a thread that `start_thread` began."""
        _sleep(seconds)


_ground = Ground()


def ground() -> Ground:
    """What links stand on now."""
    return _ground


def stand_on(other: Ground) -> None:
    """Have links that are made from now on stand on this; for tests."""
    global _ground
    _ground = other
