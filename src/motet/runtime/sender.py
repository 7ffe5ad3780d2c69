"""What a container sends: outcomes together where they come together, everything in order."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import deque
from collections.abc import Iterable

from motet.client.sockets import send_all
from motet.model.outcome import AttemptEnd
from motet.wire import codec
from motet.wire.messages import Finished, Message


class Sender:
    """Writes to the executor connection from any thread.

    `finish` queues an outcome; `flush` sends what is queued, unless another thread is at it: then that one sends it
    too. So outcomes that come while one is being sent leave together, and no thread waits for another.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.streaming_tasks = 0
        """Generators that run as tasks now: the only one has no others to wait for."""
        self._socket = sock
        self._lock = threading.Lock()
        self._ends: deque[AttemptEnd] = deque()
        self._queued: deque[Message] = deque()
        self._flush_scheduled = False

    def finish(self, end: AttemptEnd) -> None:
        """Queue an outcome for the next `flush`."""
        self._ends.append(end)

    def finish_all(self, ends: Iterable[AttemptEnd]) -> None:
        """Queue outcomes that belong together."""
        self._ends.extend(ends)

    def queue(self, message: Message) -> None:
        """Queue something else for the next `flush`, which sends it before any outcome."""
        self._queued.append(message)

    def flush(self) -> None:
        """Send what is queued."""
        while self._ends or self._queued:
            if not self._lock.acquire(blocking=False):
                return
            try:
                messages: list[Message] = []
                ends = []
                while self._ends:
                    ends.append(self._ends.popleft())
                while self._queued:
                    messages.append(self._queued.popleft())
                if ends:
                    messages.append(Finished(ends))
                send_all(self._socket, b"".join(codec.frames(messages)))
            finally:
                self._lock.release()

    def flush_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        """Send what is queued at the end of this turn of the loop, with whatever else the turn brings. On its thread."""
        if not self._flush_scheduled:
            self._flush_scheduled = True
            loop.call_soon(self._flush_scheduled_now)

    def _flush_scheduled_now(self) -> None:
        self._flush_scheduled = False
        self.flush()

    def send(self, message: Message) -> None:
        """Send something else, before any outcome that is queued later."""
        with self._lock:
            send_all(self._socket, b"".join(codec.frames((message,))))
