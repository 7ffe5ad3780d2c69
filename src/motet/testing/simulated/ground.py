"""What links of a simulated world stand on: streams in memory, threads that take turns, and virtual time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from motet.client.ground import Ground
from motet.errors import ConnectionError
from motet.testing.simulated.cable import Cable
from motet.testing.simulated.loop import SimulatedLoop
from motet.testing.simulated.process import SimulatedProcess, process_of
from motet.testing.stepped import SteppedThread, current_stepped


class EndOfWorld(BaseException):
    """Unwinds threads of processes that are dead, and of a world that is over."""


class SimulatedStream:
    """A `ByteStream` over a cable. Whoever receives is a stepped thread."""

    key = ""
    """See `ByteStream`."""

    def __init__(self) -> None:
        self.cable: Cable | None = None
        self._bytes = bytearray()
        self._is_over = False
        self._wake: Callable[[], object] | None = None
        self._timeout: float | None = None
        self._silence = 0.0

    def came(self, data: bytes) -> None:
        """Bytes arrived."""
        self._bytes += data
        self._notify()

    def over(self) -> None:
        """Nothing more comes."""
        self._is_over = True
        self._notify()

    def _notify(self) -> None:
        if self._wake is not None:
            wake, self._wake = self._wake, None
            wake()

    def send(self, data: bytes | memoryview) -> None:
        """See `ByteStream`."""
        assert self.cable is not None
        self.cable.send(bytes(data))

    def receive_into(self, view: memoryview) -> int:
        """See `ByteStream`."""
        thread = current_stepped()
        assert thread is not None
        seconds = self._silence or self._timeout
        if not self._bytes and not self._is_over:
            thread.park(until=self._keep, seconds=seconds or None)
            if not self._bytes and not self._is_over:
                raise BlockingIOError if self._silence else TimeoutError("timed out")
        count = min(len(view), len(self._bytes))
        view[:count] = self._bytes[:count]
        del self._bytes[:count]
        return count

    def _keep(self, wake: Callable[[], object]) -> None:
        self._wake = wake

    def end(self) -> None:
        """See `ByteStream`."""
        assert self.cable is not None
        self.cable.end()

    def close(self) -> None:
        """See `ByteStream`."""
        self.end()

    def wait(self, timeout: float | None) -> None:
        """See `ByteStream`."""
        self._timeout = timeout

    def expect_bytes(self, seconds: float) -> None:
        """See `ByteStream`."""
        self._silence = seconds

    def can_send(self) -> bool:
        """See `ByteStream`."""
        return self.cable is not None and self.cable.is_open


Connect = Callable[[SimulatedProcess, Callable[[bytes], None], Callable[[], None]], Cable | None]


class SimulatedGround(Ground):
    """For the links of all processes of one world. `connect` leads to the server that takes clients now, if one does."""

    def __init__(self, loop: SimulatedLoop, connect: Connect) -> None:
        self._loop = loop
        self._connect = connect
        self._threads: list[SteppedThread] = []

    def open_stream(self, address: str, fingerprint: str = "", timeout: float | None = None) -> SimulatedStream:
        """See `Ground`."""
        process = process_of(None)
        assert process is not None
        stream = SimulatedStream()
        stream.cable = self._connect(process, stream.came, stream.over)
        if stream.cable is None:
            raise ConnectionError(f"no connection to the server at {address}: nobody listens there")
        return stream

    def start_thread(self, work: Callable[[], None]) -> None:
        """See `Ground`."""

        def until_the_end() -> None:
            with contextlib.suppress(EndOfWorld):
                work()

        thread = SteppedThread(self._loop, until_the_end)
        self._threads.append(thread)
        self._loop.call_soon(thread.start)

    def now(self) -> float:
        """See `Ground`."""
        return self._loop.time()

    def sleep(self, seconds: float) -> None:
        """See `Ground`."""
        thread = current_stepped()
        assert thread is not None
        thread.park(seconds=seconds)

    def end(self) -> None:
        """End all threads. In no process's name."""
        for thread in self._threads:
            thread.throw(EndOfWorld())
