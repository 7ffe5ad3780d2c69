"""The server's end of an executor connection, as tests of what a container sends need it."""

from __future__ import annotations

import socket
import threading
from typing import Any

from motet.client.sockets import read_frames
from motet.runtime.sender import Sender
from motet.wire import codec, payload
from motet.wire.container_messages import Items


class Receiver:
    """The server's end: every message, read on a thread of its own."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self.messages: list[Any] = []
        self.sender = Sender(theirs)
        self._sockets = (ours, theirs)
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        read_frames(self._sockets[0].recv_into, lambda frame: self.messages.extend(codec.decode_to_server(frame)))

    def all(self) -> list[Any]:
        """Everything sent; nothing can be sent after this."""
        ours, theirs = self._sockets
        self.sender.wait_sent(5)
        theirs.close()
        self._thread.join(5)
        ours.close()
        return self.messages

    def items(self) -> list[Any]:
        return [payload.loads(it, "") for message in self.all() if isinstance(message, Items) for it in message.items]
