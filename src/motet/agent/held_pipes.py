"""The pipes of a container that may outlive its server: the agent's copies, which it reads only while there is no server."""

from __future__ import annotations

import asyncio
import contextlib
import os

KEPT_BYTES = 64 * 1024
"""The last of what a container wrote to a stream while nobody listened."""
_CHUNK_BYTES = 64 * 1024


class HeldPipes:
    """Where one container's stdout and stderr are read, and are kept open for as long as it lives. `write_ends` are for the
    container; whoever gets them closes them."""

    __slots__ = ("_kept", "_loop", "_read_ends", "write_ends")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, write_ends: tuple[int, ...], read_ends: tuple[int, int]
    ) -> None:
        self.write_ends = write_ends
        self._loop = loop
        self._read_ends = list(read_ends)
        self._kept = dict.fromkeys(read_ends, b"")

    def drain(self) -> None:
        """Whoever wants what is there has it from the server."""

    def drain_and_close(self) -> None:
        """The container is gone."""
        for descriptor in self._read_ends:
            self._loop.remove_reader(descriptor)
            os.close(descriptor)
        self._read_ends.clear()

    def detach(self) -> None:
        """Nobody reads: a full pipe would hold up the container."""
        for descriptor in self._read_ends:
            self._loop.add_reader(descriptor, self._read, descriptor)

    def attach(self) -> tuple[list[int], bytes, bytes]:
        """Somebody reads: copies of both ends for that, and what was read of each until now."""
        for descriptor in self._read_ends:
            self._loop.remove_reader(descriptor)
        kept = [self._kept[descriptor] for descriptor in self._read_ends]
        self._kept = dict.fromkeys(self._read_ends, b"")
        return [os.dup(descriptor) for descriptor in self._read_ends], kept[0], kept[1]

    def _read(self, descriptor: int) -> None:
        with contextlib.suppress(BlockingIOError):
            data = os.read(descriptor, _CHUNK_BYTES)
            if not data:
                self._loop.remove_reader(descriptor)
            self._kept[descriptor] = (self._kept[descriptor] + data)[-KEPT_BYTES:]
