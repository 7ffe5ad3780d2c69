"""The control connection: what a container must hear while its main thread runs an input, on a thread of its own."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import time
import traceback
from collections.abc import Callable
from time import sleep
from typing import Literal

from motet.client.sockets import read_frames
from motet.errors import ConnectionError
from motet.runtime.executor import Executor
from motet.runtime.lifecycle import leaving
from motet.runtime.lifecycle.late_signals import LateSignals
from motet.runtime.processes import forked_child
from motet.runtime.receivers import BlockingReceiver, LoopReceiver
from motet.runtime.sender import Sender
from motet.runtime.stalls.standstill import INTERVAL, Standstills
from motet.wire import codec
from motet.wire.container_messages import (
    AckAttemptItems,
    AckOutcomes,
    AskStandstill,
    Cancel,
    ClockRead,
    Finished,
    Held,
    StoodStill,
    Stop,
)
from motet.wire.hello import Refused
from motet.wire.message import Message

LOST_SERVER = 69
"""Exit status of a container whose server is gone (`EX_UNAVAILABLE`)."""

RETRY_INTERVAL = 0.1
"""Seconds between two tries to reach the next server. The host agent ends the container when there is none for too long."""


WayBack = Callable[[Literal["control", "executor"]], socket.socket]
"""Connects to the next server. Raises `ConnectionError` while there is none."""


class Control:
    """Reads it, looks at the container's clock once a second, and hears of signals that the main thread has missed.

    Made on the main thread, before user code is imported.
    """

    def __init__(self, sock: socket.socket, sender: Sender) -> None:
        self.stop_asked = False
        """The server wants the container to end."""
        self._socket = sock
        self._sender = sender
        self._clock = Standstills()
        self._way_back: WayBack | None = None
        self._executor: Executor | None = None
        self._receiver: BlockingReceiver | LoopReceiver | None = None
        self._signals = LateSignals(self._wake_main)
        self._signals.install()
        self._poll = self._polled()

    def start(self) -> None:
        """Begin to read."""
        threading.Thread(target=self._run, name="motet-control", daemon=True).start()

    def serve(
        self, executor: Executor, receiver: BlockingReceiver | LoopReceiver, way_back: WayBack | None = None
    ) -> None:
        """From now on there are inputs, for which messages come. `way_back`: by which the container goes on with another server
        when this one is gone; without one it ends then."""
        self._executor, self._receiver, self._way_back = executor, receiver, way_back

    def hear_signals(self) -> None:
        """From now on the main thread waits in blocking reads. On that thread."""
        self._signals.listen()

    def _run(self) -> None:
        while True:
            try:
                read_frames(self._receive, self._on_frame)
            except (OSError, ConnectionError):
                pass
            except BaseException:
                traceback.print_exc()  # nobody hears of cancellations from here on
            if self._way_back is not None:
                self._come_back(self._way_back)
            elif self.stop_asked:
                return
            else:
                # The server is gone without a word: nobody waits for what runs here.
                os._exit(LOST_SERVER)

    def _come_back(self, way_back: WayBack) -> None:
        """The server is gone: go on with the next one, as soon as there is one."""
        assert self._executor is not None
        assert self._receiver is not None
        self._sender.lose()
        self._executor.hold_on()
        while True:
            with contextlib.suppress(OSError, ConnectionError):
                control, executor = way_back("control"), way_back("executor")
                for sock in (control, executor):
                    forked_child.has_none_of(sock.fileno())
                held, ends = self._executor.hold_on()  # again: attempts may have ended meanwhile
                leaving = self._sender.drains or self.stop_asked
                first: list[Message] = [
                    Held(held.running, held.ended, held.limit, leaving),
                    ClockRead(time.monotonic()),
                ]
                self._sender.resume(executor, [*first, *(Finished([end]) for end in ends)])
                break
            sleep(RETRY_INTERVAL)
        forked_child.is_closed(self._socket.fileno())
        self._socket.close()
        self._socket = control
        self._poll = self._polled()
        self._receiver.replace(executor)

    def _polled(self) -> select.poll:
        poll = select.poll()
        for descriptor in (self._socket.fileno(), self._signals.descriptor):
            poll.register(descriptor, select.POLLIN)
        return poll

    def _receive(self, buffer: memoryview) -> int:
        readable: dict[int, int] = {}
        while self._socket.fileno() not in readable:
            pause = min(self._signals.look(), INTERVAL)
            readable = dict(self._poll.poll(pause * 1000))
            if (seconds := self._clock.look()) and self._executor is not None:
                self._executor.stood_still(seconds)
        return self._socket.recv_into(buffer)

    def _on_frame(self, frame: memoryview) -> None:
        for message in codec.decode_to_control(frame):
            if isinstance(message, AckAttemptItems):
                if self._executor is not None:
                    self._executor.grant(message.attempt, message.count)
            elif isinstance(message, Cancel):
                if self._executor is not None:
                    self._executor.canceller.cancel(message.attempts)
            elif isinstance(message, AckOutcomes):
                if self._executor is not None:
                    self._executor.acknowledged(message.attempts)
            elif isinstance(message, AskStandstill):
                self._sender.send(StoodStill(self._clock.stood_still()))
            elif isinstance(message, Refused):
                os._exit(LOST_SERVER)  # the next server does not know this container
            elif isinstance(message, Stop):
                leaving.allow(message.grace)
                self._stop()

    def _stop(self) -> None:
        # Before looking whom to tell: a container that begins to serve just now looks at it afterwards.
        self.stop_asked = True
        if self._executor is not None:
            self._executor.canceller.stop()
        if self._receiver is not None:
            with contextlib.suppress(OSError):
                self._receiver.stop()

    def _wake_main(self) -> None:
        if self._executor is not None:
            self._executor.canceller.wake_main()
