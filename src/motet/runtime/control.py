"""The control connection: what a container must hear while its main thread runs an input, on a thread of its own."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import traceback

from motet.client.sockets import read_frames
from motet.errors import ConnectionError
from motet.runtime.executor import Executor
from motet.runtime.lifecycle import leaving
from motet.runtime.lifecycle.late_signals import LateSignals
from motet.runtime.receivers import BlockingReceiver, LoopReceiver
from motet.runtime.sender import Sender
from motet.runtime.stalls.standstill import INTERVAL, Standstills
from motet.wire import codec
from motet.wire.container_messages import AckAttemptItems, AskStandstill, Cancel, StoodStill, Stop

LOST_SERVER = 69
"""Exit status of a container whose server is gone (`EX_UNAVAILABLE`)."""


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
        self._executor: Executor | None = None
        self._receiver: BlockingReceiver | LoopReceiver | None = None
        self._signals = LateSignals(self._wake_main)
        self._signals.install()
        self._poll = select.poll()
        for descriptor in (sock.fileno(), self._signals.descriptor):
            self._poll.register(descriptor, select.POLLIN)

    def start(self) -> None:
        """Begin to read."""
        threading.Thread(target=self._run, name="motet-control", daemon=True).start()

    def serve(self, executor: Executor, receiver: BlockingReceiver | LoopReceiver) -> None:
        """From now on there are inputs, for which messages come."""
        self._executor, self._receiver = executor, receiver

    def hear_signals(self) -> None:
        """From now on the main thread waits in blocking reads. On that thread."""
        self._signals.listen()

    def _run(self) -> None:
        try:
            read_frames(self._receive, self._on_frame)
        except (OSError, ConnectionError):
            pass
        except BaseException:
            traceback.print_exc()  # nobody hears of cancellations from here on
        if not self.stop_asked:
            # The server is gone without a word: nobody waits for what runs here.
            os._exit(LOST_SERVER)

    def _receive(self, buffer: memoryview) -> int:
        readable: dict[int, int] = {}
        while self._socket.fileno() not in readable:
            pause = min(self._signals.look(), INTERVAL)
            readable = dict(self._poll.poll(pause * 1000))
            self._clock.look()
        return self._socket.recv_into(buffer)

    def _on_frame(self, frame: memoryview) -> None:
        for message in codec.decode_to_control(frame):
            if isinstance(message, AckAttemptItems):
                if self._executor is not None:
                    self._executor.grant(message.attempt, message.count)
            elif isinstance(message, Cancel):
                if self._executor is not None:
                    self._executor.canceller.cancel(message.attempts)
            elif isinstance(message, AskStandstill):
                self._sender.send(StoodStill(self._clock.stood_still()))
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
