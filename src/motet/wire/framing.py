"""Frames: a four-byte little-endian length, then that many bytes. Works on buffers; whoever owns the socket fills them."""

from __future__ import annotations

import mmap
import struct

from motet.errors import ConnectionError

LENGTH = struct.Struct("<I")
MAX_FRAME_BYTES = 256 * 1024 * 1024
BUFFER_BYTES = 256 * 1024
FIRST_BUFFER_BYTES = 4 * 1024
"""Most connections say little: a buffer grows as what comes fills it, not as it is announced."""


class FrameReader:
    """Cuts a byte stream into frames.

    Read into `buffer()`, then call `received(count)` for the frames now complete. They are views that stay valid until
    the next `buffer()`. Small frames share one reused buffer (page faults cost more than copies); one that does not fit
    is received straight into memory of its own.
    """

    __slots__ = ("_big", "_big_filled", "_buffer", "_consumed", "_filled", "_is_full", "_view")

    def __init__(self) -> None:
        self._buffer = bytearray(FIRST_BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._is_full = False
        """More came at once than there was room for, perhaps."""
        self._filled = 0
        self._consumed = 0
        self._big: memoryview | None = None
        self._big_filled = 0

    def buffer(self) -> memoryview:
        """Where the next bytes go; never empty."""
        if self._big is not None:
            return self._big[self._big_filled :]
        if self._is_full and len(self._buffer) < BUFFER_BYTES:
            self._grow()
        elif self._consumed:
            rest = self._filled - self._consumed
            if rest:
                self._buffer[:rest] = bytes(self._view[self._consumed : self._filled])
            self._filled, self._consumed = rest, 0
        return self._view[self._filled :]

    def _grow(self) -> None:
        rest = bytes(self._view[self._consumed : self._filled])
        # A new one: frames that were given out are views of the old.
        self._buffer = bytearray(2 * len(self._buffer))
        self._view = memoryview(self._buffer)
        self._buffer[: len(rest)] = rest
        self._filled, self._consumed = len(rest), 0

    def beginning(self, count: int) -> memoryview:
        """The bytes of a first frame that is not complete, `count` more among them that are in the buffer now."""
        return self._view[self._consumed : self._filled + count]

    def received(self, count: int) -> list[memoryview]:
        """The frames completed by `count` more bytes. Raises `ConnectionError` for a length no peer of ours sends."""
        if self._big is not None:
            self._big_filled += count
            if self._big_filled < len(self._big):
                return []
            frame, self._big = self._big, None
            return [frame]
        self._filled += count
        frames = []
        start, end, view = self._consumed, self._filled, self._view
        while end - start >= LENGTH.size:
            length = LENGTH.unpack_from(view, start)[0]
            body = start + LENGTH.size
            if end - body < length:
                if length > MAX_FRAME_BYTES:
                    raise ConnectionError(
                        f"the peer announced a frame of {length} bytes; at most {MAX_FRAME_BYTES} are allowed"
                    )
                if length + LENGTH.size > BUFFER_BYTES:
                    self._begin_big(length, body, end)
                    start = end
                break
            frames.append(view[body : body + length])
            start = body + length
        self._consumed = start
        self._is_full = end == len(view)
        return frames

    def _begin_big(self, length: int, body: int, end: int) -> None:
        # Not a bytearray, which is filled with zeros at once: this takes memory as the frame comes, not as it is announced.
        self._big = memoryview(mmap.mmap(-1, length))
        self._big_filled = end - body
        self._big[: self._big_filled] = self._view[body:end]
