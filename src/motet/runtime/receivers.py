"""How the main thread waits for deliveries: in a blocking read, or in an event loop where there is async code."""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
from collections.abc import Callable
from queue import SimpleQueue
from time import perf_counter

from motet.client.sockets import read_frames
from motet.errors import ConnectionError
from motet.runtime.attempts.outcomes import tell_of_stray
from motet.runtime.busy_poll import BusyPoll
from motet.runtime.executor import Executor
from motet.runtime.kept_attempts import KeptAttempts
from motet.runtime.loop.user_loop import UserLoop
from motet.runtime.processes import forked_child
from motet.wire import codec
from motet.wire.container_messages import Deliver, DeliverBatched, FeedItems, Resume
from motet.wire.framing import FrameReader

STOP_TIMEOUT = 5.0
"""Seconds that cancelled inputs have to end before the exit hooks run."""


def handle(executor: Executor, frame: memoryview) -> None:
    """Give a frame's messages to the executor."""
    for message in codec.decode_to_executor(frame):
        if isinstance(message, Deliver):
            executor.deliver(message.attempts)
        elif isinstance(message, FeedItems):
            executor.feed(message.attempt, message.items)
        elif isinstance(message, DeliverBatched):
            executor.deliver_batch(message.attempts, message.more)
        elif isinstance(message, Resume):
            executor.resume()


class BlockingReceiver:
    """For sync code only: the shortest way from the socket to the function, no loop in between.

    While the main thread runs an input, nothing is read here: no other attempt can come then, and everything else comes
    over the control connection.
    """

    def __init__(self, sock: socket.socket, kept: KeptAttempts | None = None) -> None:
        self._kept = kept
        self._next: SimpleQueue[socket.socket] = SimpleQueue()
        self._is_stopped = False
        self._use(sock)
        self._busy_poll = BusyPoll()
        self._executor: Executor | None = None

    def run_main(self, work: Callable[[], None]) -> None:
        work()

    def idle(self) -> None:
        """Whoever reads in a blocking way finds out by itself."""

    def run(self, executor: Executor, on_ready: Callable[[], None]) -> None:
        """Serve until the connection ends or `stop` is called; `on_ready` is called when attempts may come."""
        self._executor = executor
        on_ready()
        while True:
            try:
                read_frames(self._receive, lambda frame: handle(executor, frame))
            except (OSError, ConnectionError):
                if self._kept is None:
                    return
            if self._kept is None or self._is_stopped:
                break
            self._go_on(executor)
        executor.canceller.wait_threads(STOP_TIMEOUT)

    def _go_on(self, executor: Executor) -> None:
        """Over the connection to the next server, when there is one."""
        while True:
            try:
                sock = self._next.get()
                break
            except BaseException as error:
                tell_of_stray(error, "a handler of a signal, between inputs")
        forked_child.is_closed(self._socket.fileno())
        self._socket.close()
        self._use(sock)
        if self._is_stopped:  # just now, so that another connection was shut down
            sock.shutdown(socket.SHUT_RD)
        executor.reopen()

    def _use(self, sock: socket.socket) -> None:
        self._socket = sock
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)

    def replace(self, sock: socket.socket) -> None:
        """Go on over this connection; from any thread."""
        self._next.put(sock)

    def _receive(self, buffer: memoryview) -> int:
        while True:
            try:
                return self._receive_once(buffer)
            except BaseException as error:
                if isinstance(error, OSError) and error.errno is not None:
                    raise
                # Such as of an alarm that an input has set and left.
                tell_of_stray(error, "a handler of a signal, between inputs")

    def _receive_once(self, buffer: memoryview) -> int:
        awake_until = self._busy_poll.begin(perf_counter())
        # Beside several running threads, looking again and again would keep the GIL from them.
        if self._executor is not None and self._executor.held <= 1:
            while perf_counter() < awake_until and not self._poll.poll(0):
                pass
        count = self._socket.recv_into(buffer)
        self._busy_poll.end(perf_counter())
        return count

    def stop(self) -> None:
        """Make `run` return; from any thread."""
        self._is_stopped = True
        self._socket.shutdown(socket.SHUT_RD)


class LoopReceiver(asyncio.BufferedProtocol):
    """For code that is async in part: the loop runs on between inputs.

    A sync input that must have the main thread for itself gets it with the loop paused.
    """

    def __init__(self, sock: socket.socket, loop: UserLoop, kept: KeptAttempts | None = None) -> None:
        self._kept = kept
        self._transport: asyncio.BaseTransport | None = None
        self._descriptor = -1
        self._made = self._lost = 0
        """Connections that there were, and those of them that are over."""
        self._connecting: asyncio.Task[object] | None = None
        self._socket = sock
        self._user_loop = loop
        self._loop = loop.loop
        self._reader = FrameReader()
        self._executor: Executor | None = None
        self._work: list[Callable[[], None]] = []
        self._stopped = asyncio.Event()
        self._busy_poll = BusyPoll()
        self._awake_until = 0.0

    def run_main(self, work: Callable[[], None]) -> None:
        self._work.append(work)
        self._loop.stop()

    def run(self, executor: Executor, on_ready: Callable[[], None]) -> None:
        """Serve until the connection ends or `stop` is called; `on_ready` is called when attempts may come."""
        self._executor = executor
        self._socket.setblocking(False)
        self._user_loop.run(self._loop.create_connection(lambda: self, sock=self._socket))
        on_ready()
        # In the main task, which lasts: anyio ends its worker threads with the task that the loop runs until, and without
        # one with the request they served, which made each sync endpoint start a thread (measured: 7 times slower).
        serving = self._user_loop.begin(self._user_loop.serve(self._stopped))
        while not serving.is_done:
            self._user_loop.turn()
            while self._work:
                self._work.pop(0)()
        self._user_loop.run(executor.canceller.wait_tasks(STOP_TIMEOUT))

    def stop(self) -> None:
        """Make `run` return; from any thread."""
        self._loop.call_soon_threadsafe(self._stopped.set)

    def replace(self, sock: socket.socket) -> None:
        """Go on over this connection; from any thread."""
        sock.setblocking(False)
        with contextlib.suppress(RuntimeError):  # the container ends, and its loop is closed
            self._loop.call_soon_threadsafe(self._go_on, sock)

    def _go_on(self, sock: socket.socket) -> None:
        forked_child.is_closed(self._descriptor)
        if isinstance(self._transport, asyncio.WriteTransport):
            self._transport.abort()
        self._reader = FrameReader()
        self._socket = sock
        # Held: a loop knows its tasks weakly.
        self._connecting = asyncio.Task(self._loop.create_connection(lambda: self, sock=sock), loop=self._loop)

    # --- asyncio calls these ----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._descriptor = self._socket.fileno()
        self._made += 1
        if self._executor is not None:
            self._executor.reopen()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._reader.buffer()

    def buffer_updated(self, nbytes: int) -> None:
        assert self._executor is not None
        self._busy_poll.end(perf_counter())
        for frame in self._reader.received(nbytes):
            handle(self._executor, frame)

    def idle(self) -> None:
        """The last attempt held has ended: stay awake for the next one, if it is likely to come soon."""
        now = perf_counter()
        self._awake_until = self._busy_poll.begin(now)
        if self._awake_until > now:
            self._loop.call_soon(self._stay_awake)

    def _stay_awake(self) -> None:
        # A loop with something to do next looks at its sockets without sleeping.
        if perf_counter() < self._awake_until and self._executor is not None and not self._executor.held:
            self._loop.call_soon(self._stay_awake)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost += 1
        if self._kept is None:
            self._stopped.set()
        elif self._lost == self._made:  # and not one that another has replaced
            forked_child.is_closed(self._descriptor)
