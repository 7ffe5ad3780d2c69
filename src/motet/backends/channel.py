"""Frames over a Unix socket, with open files where they are needed: queued, and never waited for."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from array import array
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import msgspec

from motet.errors import ConnectionError
from motet.wire.framing import FrameReader

_MOST_DESCRIPTORS = 16
"""In what is read at once: the kernel does not join what comes with descriptors to what comes after."""


M = TypeVar("M")

FLUSH_TIMEOUT = 2.0


class _QueuedFrame:
    """A frame on its way, and the descriptors that leave with its first byte and are closed here then."""

    __slots__ = ("_descriptors", "_rest")

    def __init__(self, data: bytes, descriptors: Sequence[int]) -> None:
        self._rest = memoryview(data)
        self._descriptors = descriptors

    def send(self, sock: socket.socket) -> bool:
        """Send what fits; True when all has left. Raises what `socket.sendmsg` raises."""
        if self._descriptors:
            ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", self._descriptors))]
            sent = sock.sendmsg([self._rest], ancillary, socket.MSG_NOSIGNAL)
            self.close()
        else:
            sent = sock.send(self._rest, socket.MSG_NOSIGNAL)
        self._rest = self._rest[sent:]
        return not self._rest

    def close(self) -> None:
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors = ()


class Channel(Generic[M]):
    """One end, on the running loop. `received` gets each message that `decode` makes (and may take descriptors that came along
    from `descriptors`, in order); `ended` is called once, when the other end is gone or says what is no message, but not after
    `close`."""

    def __init__(
        self,
        sock: socket.socket,
        decode: Callable[[memoryview], M],
        received: Callable[[M], None],
        ended: Callable[[], None],
    ) -> None:
        self.descriptors: deque[int] = deque()
        self._loop = asyncio.get_running_loop()
        self._socket = sock
        self._decode = decode
        self._received = received
        self._ended = ended
        self._reader = FrameReader()
        self._queue: deque[_QueuedFrame] = deque()
        self._flushed = asyncio.Event()
        self._flushed.set()
        self._is_open = True
        sock.setblocking(False)
        self._loop.add_reader(sock.fileno(), self._receive)

    def send_nowait(self, data: bytes, descriptors: Sequence[int] = ()) -> None:
        """Queue a frame; the descriptors travel along and are closed here, whatever happens."""
        frame = _QueuedFrame(data, descriptors)
        if not self._is_open:
            frame.close()
            return
        self._queue.append(frame)
        self._flushed.clear()
        if len(self._queue) == 1:
            self._send()

    async def flushed(self) -> None:
        """Wait until all that is queued has left, or the other end has not taken it for `FLUSH_TIMEOUT`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_TIMEOUT):
                await self._flushed.wait()

    def finish(self) -> None:
        """Send nothing more, not even what is queued; the other end sees that, and is still heard."""
        self.drop_queue()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def drop_queue(self) -> None:
        """Nobody reads what is queued."""
        for frame in self._queue:
            frame.close()
        self._queue.clear()
        self._flushed.set()
        self._loop.remove_writer(self._socket.fileno())

    def close(self) -> None:
        """Let go of the connection. Idempotent."""
        if not self._is_open:
            return
        self._is_open = False
        self.drop_queue()
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        while self.descriptors:
            os.close(self.descriptors.popleft())

    def _send(self) -> None:
        try:
            while self._queue and self._queue[0].send(self._socket):
                self._queue.popleft()
        except BlockingIOError:
            pass
        except OSError as error:
            # ETOOMANYREFS: the kernel's limit of descriptors under way, which the other end takes out as it reads.
            if error.errno != errno.ETOOMANYREFS:
                # It has ended; reading the socket tells so. There is nobody to send to.
                self.drop_queue()
        if self._queue:
            self._loop.add_writer(self._socket.fileno(), self._send)
        else:
            self._flushed.set()
            self._loop.remove_writer(self._socket.fileno())

    def _receive(self) -> None:
        try:
            space = socket.CMSG_SPACE(_MOST_DESCRIPTORS * array("i").itemsize)
            count, ancillary, _, _ = self._socket.recvmsg_into([self._reader.buffer()], space, socket.MSG_CMSG_CLOEXEC)
            for _, _, data in ancillary:
                self.descriptors.extend(array("i", data))
            messages = [self._decode(frame) for frame in self._reader.received(count)]
        except BlockingIOError:
            return
        except (OSError, ConnectionError, msgspec.MsgspecError):
            count, messages = 0, []
        for message in messages:
            if self._is_open:
                self._received(message)
        if not count and self._is_open:
            self.close()
            self._ended()
