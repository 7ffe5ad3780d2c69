"""What a container sends: outcomes together where they come together, everything in order."""

from __future__ import annotations

import _thread
import asyncio
import contextlib
import socket
import threading
from collections import deque
from collections.abc import Sequence
from time import sleep

from motet.client.sockets import send_all
from motet.model.outcome import AttemptEnd
from motet.wire import codec
from motet.wire.container_messages import Finished
from motet.wire.message import Message
from motet.wire.output_messages import Output, Written

ENTRIES_PER_FRAME = 512
"""Lines are cut into frames of so many entries at most: the server has others to listen to."""
MAX_WAITING_CHARS = 16 * 1024 * 1024
"""Text that may wait for a server that does not read, about; more is left out."""
GATHERING_TIME = 0.001
"""Seconds for which a server that does not keep up gets nothing, and then all at once."""
ROOM_TIMEOUT = 0.05
"""Seconds that a writer waits for room before its lines are left out."""

_start_thread = _thread.start_new_thread


class Sender:
    """Writes to the executor connection from any thread.

    `finish` queues an outcome; `flush` sends what is queued, unless another thread is at it: then that one sends it
    too. So outcomes that come while one is being sent leave together, and no thread waits for another. Nor does one wait
    for the server: what does not fit into the socket leaves from a thread of its own.

    Made without a socket, it keeps everything until it is given one by `resume`.
    """

    def __init__(self, sock: socket.socket | None = None) -> None:
        self.streaming_tasks = 0
        """Generators that run as tasks now: the only one has no others to wait for."""
        self._lock = threading.Lock()
        self._ends: deque[AttemptEnd] = deque()
        self._queued: deque[Message] = deque()
        self._written: deque[Written] = deque()
        self._waiting_chars = 0
        self._congested = False
        self._flush_scheduled = False
        self.survives = False
        """What cannot be sent because the server is gone is no error: there will be another one."""
        self.drains = False
        """The server was asked to send no more attempts."""
        self._is_lost = sock is None
        self._socket: socket.socket
        if sock is not None:
            self._socket = sock

    def finish(self, end: AttemptEnd) -> None:
        """Queue an outcome for the next `flush`."""
        self._ends.append(end)

    def queue(self, message: Message) -> None:
        """Queue something else for the next `flush`, which sends it before any outcome."""
        self._queued.append(message)

    def write(self, written: Written, chars: int) -> bool:
        """Send lines of so many characters, before any outcome that is queued later.

        When this returns they are on their way, or will be as soon as what another thread is sending has left. False: they
        were not taken, because too many wait for a server that does not read. Raises `OSError` if it is gone.
        """
        if self._written or self._is_lost or not self._lock.acquire(blocking=False):
            if self._waiting_chars > MAX_WAITING_CHARS and not self._found_room():
                return False
            self._written.append(written)
            self._waiting_chars += chars  # two threads at once may lose one's: it is no exact bound
            self.flush()
            return True
        # The usual case, at half the price.
        handed_over = False
        try:
            handed_over = self._transmit(b"".join(codec.frames((Output([written]),))))
        finally:
            if not handed_over:
                self._lock.release()
        if self._written or self._ends or self._queued:
            self.flush()
        return True

    def _found_room(self) -> bool:
        """Wait a moment for room, once for each time that there is none."""
        if not self._congested:
            for _ in range(10):
                sleep(ROOM_TIMEOUT / 10)
                if self._waiting_chars <= MAX_WAITING_CHARS:
                    return True
        self._congested = True
        return False

    def flush(self) -> None:
        """Send what is queued."""
        while (self._ends or self._queued or self._written) and not self._is_lost:
            if not self._lock.acquire(blocking=False):
                return
            handed_over = False
            try:
                handed_over = self._transmit(self._collect())
            finally:
                if not handed_over:
                    self._lock.release()

    def _transmit(self, data: bytes) -> bool:
        """True if another thread goes on with it, and lets go of the lock."""
        try:
            sent = self._socket.send(data, socket.MSG_DONTWAIT)
        except BlockingIOError:
            sent = 0
        except OSError:
            if not self.survives:
                raise
            self._is_lost = True
            return False
        if sent == len(data):
            return False
        # Whoever is here goes on meanwhile; what comes until then waits behind this, and leaves together.
        _start_thread(self._send_rest, (memoryview(data)[sent:],))
        return True

    def _send_rest(self, rest: memoryview | bytes) -> None:
        with contextlib.suppress(OSError):  # the server is gone; the control thread sees to that
            try:
                while rest:
                    send_all(self._socket, rest)
                    # It was too slow for each line on its own.
                    sleep(GATHERING_TIME)
                    rest = b"" if self._is_lost else self._collect()
            except OSError:
                self._is_lost = self.survives
                raise
            finally:
                self._lock.release()
            self.flush()

    def _collect(self) -> bytes:
        """All that is queued, as it goes over the wire."""
        ends = []
        while self._ends:
            ends.append(self._ends.popleft())
        messages: list[Message] = []
        frames: list[bytes] = []
        # Those of the inputs that end here among them: they were written before.
        count = len(self._written)
        if count:
            self._waiting_chars, self._congested = 0, False
            while count:
                taken = min(count, ENTRIES_PER_FRAME)
                count -= taken
                messages.append(Output(self._take_written(taken)))
                if count:
                    frames += codec.frames(messages)
                    messages = []
        while self._queued:
            messages.append(self._queued.popleft())
        if ends:
            messages.append(Finished(ends))
        if messages:
            frames += codec.frames(messages)
        return b"".join(frames)

    def _take_written(self, count: int) -> list[Written]:
        """The oldest ones; what came from one writer one after the other, as one."""
        written = self._written.popleft()
        entries = [written]
        for _ in range(count - 1):
            following = self._written.popleft()
            if (
                following.index == written.index
                and following.stream == written.stream
                and following.call_id == written.call_id
            ):
                written.lines.extend(following.lines)
            else:
                entries.append(following)
                written = following
        return entries

    def lose(self) -> None:
        """The server is gone: everything waits for the next one."""
        self._is_lost = True

    def resume(self, sock: socket.socket, first: Sequence[Message]) -> None:
        """There is another server, at the other end of this: it gets these messages first, and then what waits. Outcomes that
        wait may be among those, and come twice. Raises `OSError` if it is gone, too."""
        data = b"".join(codec.frames(first))
        with self._lock:
            self._socket = sock
            send_all(sock, data)
            self._is_lost = False
        self.flush()

    def wait_sent(self, timeout: float) -> None:
        """Return when all that was queued has left, or after `timeout` seconds: this process is about to end."""
        with contextlib.suppress(OSError):
            self.flush()
        if self._lock.acquire(timeout=timeout):
            self._lock.release()

    def flush_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        """Send what is queued at the end of this turn of the loop, with whatever else the turn brings. On its thread."""
        if not self._flush_scheduled:
            self._flush_scheduled = True
            loop.call_soon(self._flush_scheduled_now)

    def _flush_scheduled_now(self) -> None:
        # Before: what is queued while this sends may need another turn.
        self._flush_scheduled = False
        self.flush()

    def send(self, message: Message) -> None:
        """Send something else, before any outcome that is queued later."""
        if self.survives:
            self.queue(message)
            self.flush()
            return
        with self._lock:
            send_all(self._socket, b"".join(codec.frames((message,))))
        self.flush()  # of what came meanwhile, which its threads have left to whoever had the lock
