"""The two directions of a process's standard streams, on an event loop: what it writes is kept, what it gets waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable

from motet.errors import ConflictError
from motet.runtime.sandbox.kept_output import FIRST_PATIENCE, KeptOutput

READ_BYTES = 64 * 1024
LAST_BYTES = 1024 * 1024
"""What is read at most of a stream whose process has ended, for what it has left there."""
WAITING_BYTES = 256 * 1024
"""What may wait for a process that does not read its stdin, before whoever writes has to wait."""


class Changed:
    """Wakes those who wait for the next change."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

    async def wait(self) -> None:
        """Until `notify`."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await future
        finally:
            self._waiting.discard(future)

    def notify(self) -> None:
        """Something has changed."""
        for future in self._waiting:
            if not future.done():
                future.set_result(None)


class OutputPipe:
    """Reads a descriptor into what is kept of it. `also` is given every chunk, too. `is_kept`: False: nobody will read."""

    def __init__(
        self, descriptor: int, limit: int, also: Callable[[bytes], None] | None = None, *, is_kept: bool = True
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.kept = KeptOutput(limit, self._loop.time() + FIRST_PATIENCE if is_kept else 0.0)
        self.changed = Changed()
        self._descriptor: int | None = descriptor
        self._also = also
        self._is_kept = is_kept
        self._is_read = False
        self._again: asyncio.TimerHandle | None = None
        os.set_blocking(descriptor, False)
        self._resume()

    async def read(self, offset: int, most: int, *, wait: bool) -> tuple[int, bytes, bool]:
        """Bytes from this place on, where they begin, and whether nothing comes after them."""
        while True:
            begin, data = self.kept.read(offset, most, self._loop.time())
            self._resume()
            over = self.kept.is_read(begin + len(data))
            if data or over or not wait:
                return begin, data, over
            await self.changed.wait()

    def process_ended(self) -> None:
        """What it has left is read, and that is all: whoever inherited the stream writes to nobody."""
        left = LAST_BYTES
        while left > 0 and self._descriptor is not None and (count := self._read_some(READ_BYTES)):
            left -= count
        self._over()

    def close(self) -> None:
        """Let go of the descriptor. Idempotent."""
        if self._descriptor is not None:
            self._pause()
            os.close(self._descriptor)
            self._descriptor = None
        self._over()

    def _over(self) -> None:
        self.kept.over = True
        self._resume()  # of what others still write
        self.changed.notify()

    def _readable(self) -> None:
        room = READ_BYTES if self.kept.over else self.kept.room(self._loop.time())
        if room:
            self._read_some(min(room, READ_BYTES))
        else:
            # The process waits for its reader; or for nobody, once the reader has gone.
            self._pause()
            self._look_again()

    def _read_some(self, most: int) -> int:
        assert self._descriptor is not None
        try:
            data = os.read(self._descriptor, most)
        except BlockingIOError:
            return 0
        except OSError:  # a terminal whose last process has gone
            data = b""
        if not data:
            self.close()
            return 0
        if not self.kept.over:
            if self._is_kept:
                self.kept.add(data, LAST_BYTES)
            if self._also is not None:
                self._also(data)
            self.changed.notify()
        return len(data)

    def _pause(self) -> None:
        if self._again is not None:
            self._again.cancel()
            self._again = None
        if self._is_read and self._descriptor is not None:
            self._loop.remove_reader(self._descriptor)
        self._is_read = False

    def _resume(self) -> None:
        if self._is_read or self._descriptor is None:
            return
        if self.kept.over or self.kept.room(self._loop.time()):
            if self._again is not None:
                self._again.cancel()
                self._again = None
            self._loop.add_reader(self._descriptor, self._readable)
            self._is_read = True
        elif self._again is None:
            self._look_again()

    def _look_again(self) -> None:
        """When nobody is waited for any more. A reader that came meanwhile has it wait for longer."""
        self._again = self._loop.call_later(self.kept.reader_expected(self._loop.time()), self._look)

    def _look(self) -> None:
        self._again = None
        self._resume()


class InputPipe:
    """What a process is to read."""

    def __init__(self, descriptor: int, *, is_terminal: bool) -> None:
        self._descriptor: int | None = descriptor
        self._is_terminal = is_terminal
        self._waiting = bytearray()
        self._received = 0
        self._is_ending = False
        self._is_written = False
        self._changed = Changed()
        self._loop = asyncio.get_running_loop()
        os.set_blocking(descriptor, False)

    async def write(self, offset: int, data: bytes, *, eof: bool) -> None:
        """Bytes that begin at this place, of which some may have come before. Returns when there is room for more. Raises
        `ConflictError`."""
        if offset > self._received:
            raise ConflictError(
                f"bytes for stdin from place {offset} on came, of which those from {self._received} on are missing"
            )
        fresh = data[self._received - offset :]
        if self._descriptor is None and fresh:
            raise ConflictError("the process does not take input any more: its stdin was closed, or it has ended")
        if self._is_ending and fresh:
            raise ConflictError("the end of stdin was written already: nothing can follow it")
        self._received += len(fresh)
        self._waiting += fresh
        if eof and not self._is_ending:
            self._is_ending = True
            if self._is_terminal:
                self._waiting += b"\x04"
        self._write_some()
        while self._descriptor is not None and len(self._waiting) > WAITING_BYTES:
            await self._changed.wait()

    def close(self) -> None:
        """Let go of the descriptor. Idempotent."""
        if self._descriptor is not None:
            if self._is_written:
                self._loop.remove_writer(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None
        self._waiting.clear()
        self._changed.notify()

    def _write_some(self) -> None:
        if self._descriptor is None:
            return
        with contextlib.suppress(BlockingIOError):
            try:
                while self._waiting:
                    del self._waiting[: os.write(self._descriptor, self._waiting)]
            except BlockingIOError:
                raise
            except OSError:  # nobody reads
                self.close()
                return
        self._changed.notify()
        if self._is_written and not self._waiting:
            self._loop.remove_writer(self._descriptor)
        elif self._waiting and not self._is_written:
            self._loop.add_writer(self._descriptor, self._write_some)
        self._is_written = bool(self._waiting)
        if self._is_ending and not self._waiting and not self._is_terminal:
            self.close()
