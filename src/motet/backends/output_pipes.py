"""The two pipes that bring a container's stdout and stderr to its backend."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
from collections.abc import Callable
from typing import Protocol

from motet.backends.base import Stream

CHUNK_BYTES = 64 * 1024
# A pipe holds 1 MiB at most: what comes after that many reads was written after its container ended, by someone else.
_LAST_READS = 16


class Pipes(Protocol):
    """Where one container's output goes. `write_ends` (stdout, stderr) are for the container."""

    @property
    def write_ends(self) -> tuple[int, ...]: ...

    def drain(self) -> None:
        """Hand on what is there now."""

    def drain_and_close(self) -> None:
        """The same, for the last time."""


class OutputPipes:
    """Reads both streams of one container and hands on what comes, a chunk per turn of the loop.

    `write_ends` (stdout, stderr) are for the container; whoever gets them closes them. `read_ends`: those of pipes that are
    there already, in place of new ones. Raises `OSError` if the process has no descriptors left.
    """

    __slots__ = ("_loop", "_poll", "_read_ends", "_received", "write_ends")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        received: Callable[[Stream, bytes], None],
        read_ends: tuple[int, int] | None = None,
    ) -> None:
        self._loop = loop
        self._received = received
        self.write_ends: tuple[int, ...] = ()
        if read_ends is None:
            read_ends = self._make()
        self._read_ends: dict[Stream, int] = {"stdout": read_ends[0], "stderr": read_ends[1]}
        self._poll = select.poll()
        for stream, descriptor in self._read_ends.items():
            self._poll.register(descriptor, select.POLLIN)
            # Only this end: the flag belongs to each end, and the container's writes must block when the pipe is full.
            os.set_blocking(descriptor, False)
            loop.add_reader(descriptor, self._read, stream)

    def _make(self) -> tuple[int, int]:
        stdout = os.pipe2(os.O_CLOEXEC)
        try:
            stderr = os.pipe2(os.O_CLOEXEC)
        except OSError:
            for descriptor in stdout:
                os.close(descriptor)
            raise
        self.write_ends = (stdout[1], stderr[1])
        return stdout[0], stderr[0]

    def copies(self) -> tuple[int, int]:
        """Of the ends that are read here, for another process. Raises `OSError`."""
        stdout = os.dup(self._read_ends["stdout"])
        try:
            return stdout, os.dup(self._read_ends["stderr"])
        except OSError:
            os.close(stdout)
            raise

    def drain(self) -> None:
        """Hand on what the pipes hold now."""
        # One question for both: mostly there is nothing, and to be told so by two reads took three times as long.
        if self._read_ends and self._poll.poll(0):
            for stream in list(self._read_ends):
                self._drain(stream)

    def drain_and_close(self) -> None:
        """Hand on what the pipes hold now, and let go of them even if a process still holds one. Idempotent."""
        for stream in list(self._read_ends):
            self._drain(stream)
            self._close(stream)

    def _drain(self, stream: Stream) -> None:
        for _ in range(_LAST_READS):
            if not self._read(stream):
                return

    def _read(self, stream: Stream) -> bool:
        """False when there is nothing to read for now, or ever again."""
        with contextlib.suppress(BlockingIOError):
            data = os.read(self._read_ends[stream], CHUNK_BYTES)
            if data:
                self._received(stream, data)
                return True
            self._close(stream)
        return False

    def _close(self, stream: Stream) -> None:
        descriptor = self._read_ends.pop(stream, None)
        if descriptor is not None:
            self._loop.remove_reader(descriptor)
            self._poll.unregister(descriptor)
            os.close(descriptor)
