"""A template's end of the socket to its backend: requests come in with open files, reports go out and are never waited for."""

from __future__ import annotations

import contextlib
import select
import socket
from array import array
from collections import deque

from motet.wire.framing import FrameReader
from motet.wire.template import TemplateReport, TemplateRequest, decode_to_template, frame

_LAST_REPORTS_TIMEOUT = 1.0


class ControlSocket:
    """`descriptors`: the files that came with requests, in order. `is_over`: the backend sends nothing more."""

    def __init__(self, control: socket.socket) -> None:
        control.setblocking(False)
        self._control = control
        self._reader = FrameReader()
        self._outgoing = bytearray()
        self.descriptors: deque[int] = deque()
        self.is_over = False

    def register(self, poll: select.poll) -> None:
        """Have it wait for what there is to do here."""
        poll.register(self._control, select.POLLIN | (select.POLLOUT if self._outgoing else 0))

    def is_hung_up(self) -> bool:
        """Whether the other end is gone altogether."""
        poll = select.poll()
        poll.register(self._control, 0)
        return any(event & select.POLLHUP for _, event in poll.poll(0))

    def requests(self) -> list[TemplateRequest]:
        """What has come."""
        space = socket.CMSG_SPACE(16 * array("i").itemsize)
        try:
            count, ancillary, flags, _ = self._control.recvmsg_into([self._reader.buffer()], space)
        except BlockingIOError:
            return []
        except ConnectionResetError:
            count, ancillary, flags = 0, [], 0
        for _, _, data in ancillary:
            self.descriptors.extend(array("i", data))
        if flags & socket.MSG_CTRUNC:
            raise RuntimeError("descriptors got lost on the control socket: the template has too many files open")
        if not count:
            self.is_over = True
        return [decode_to_template(request) for request in self._reader.received(count)]

    def report(self, message: TemplateReport) -> None:
        """Tell the backend; what it does not take now is sent later."""
        self._outgoing += frame(message)
        self.send()

    def send(self) -> None:
        """As much as it takes."""
        try:
            while self._outgoing:
                del self._outgoing[: self._control.send(self._outgoing)]
        except BlockingIOError:
            pass
        except OSError:
            # The backend is gone, or (at the end) stuck. Nobody reads; reading the socket tells the loop.
            self._outgoing.clear()

    def wait_for_reader(self) -> None:
        """From now on reports are waited for, for a moment: they are the last ones."""
        self._control.settimeout(_LAST_REPORTS_TIMEOUT)

    def forget(self) -> None:
        """In a fork, which closes every descriptor by its number: the socket object must not close that number later."""
        with contextlib.suppress(OSError):
            self._control.detach()
