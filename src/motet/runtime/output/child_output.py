"""What processes write that an input has started: each such input has two pipes for them."""

from __future__ import annotations

import codecs
import contextlib
import os
import select
import threading
from _thread import start_new_thread

from motet.runtime.output.input_output import InputOutput, Stream

CHUNK_BYTES = 64 * 1024
_READS_AT_END = 32
"""A pipe holds 64 KiB unless told otherwise; what comes after that many reads is written by a process that goes on."""


class _ProcessPipe:
    """The read end of one stream of an input's processes."""

    def __init__(self, stream: Stream, output: InputOutput, descriptor: int) -> None:
        self.descriptor = descriptor
        self.lock = threading.Lock()
        self.closed = False
        self._stream: Stream = stream
        self._output = output
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def read(self) -> bool:
        """Take what there is, a chunk at most. False: nothing, for now or ever again (then it is `closed`)."""
        with self.lock:
            if self.closed:
                return False
            with contextlib.suppress(BlockingIOError):
                data = os.read(self.descriptor, CHUNK_BYTES)
                self._output.write_of_children(self._stream, self._decoder.decode(data, final=not data), last=not data)
                if data:
                    return True
                self.closed = True
            return False


class ChildOutput:
    """Makes pipes, and reads them on a thread of its own until the last process that holds one has ended. Thread-safe."""

    def __init__(self) -> None:
        self._pipes: dict[int, _ProcessPipe] = {}
        self._write_ends: dict[InputOutput, tuple[int, int]] = {}
        self._lock = threading.Lock()
        self._epoll: select.epoll | None = None

    def pipes(self, output: InputOutput) -> tuple[int, int] | None:
        """The write ends of an input's stdout and stderr, open until `end`; None if the input has ended, or there are no
        descriptors left. Exec closes them."""
        with self._lock:
            ends = self._write_ends.get(output)
            if ends is not None or output.ended:
                return ends
            with contextlib.suppress(OSError):
                ends = self._write_ends[output] = self._make(output)
                # For its end, which spares all other inputs this lock.
                output.has_children = True
            return ends

    def _make(self, output: InputOutput) -> tuple[int, int]:
        if self._epoll is None:
            self._epoll = select.epoll()
            start_new_thread(self._read_all, (self._epoll,))
        stdout = os.pipe2(os.O_CLOEXEC)
        try:
            stderr = os.pipe2(os.O_CLOEXEC)
        except OSError:
            for descriptor in stdout:
                os.close(descriptor)
            raise
        ends: tuple[tuple[Stream, tuple[int, int]], ...] = (("stdout", stdout), ("stderr", stderr))
        for stream, (read_end, _) in ends:
            os.set_blocking(read_end, False)
            self._pipes[read_end] = _ProcessPipe(stream, output, read_end)
            self._epoll.register(read_end, select.EPOLLIN)
        return stdout[1], stderr[1]

    def end(self, output: InputOutput) -> None:
        """An input has ended: take what its processes have written so far. What they write later is read later."""
        with self._lock:
            ends = self._write_ends.pop(output, ())
            mine = [pipe for pipe in self._pipes.values() if pipe._output is output] if ends else []
        for descriptor in ends:
            os.close(descriptor)
        for pipe in mine:
            for _ in range(_READS_AT_END):
                if not pipe.read():
                    break
            if pipe.closed:
                self._close(pipe)

    def _read_all(self, epoll: select.epoll) -> None:
        threading.current_thread().name = "motet-children"
        while True:
            for descriptor, _ in epoll.poll():
                pipe = self._pipes.get(descriptor)
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.read()
                    if pipe.closed:
                        self._close(pipe)

    def _close(self, pipe: _ProcessPipe) -> None:
        with self._lock:
            if self._pipes.get(pipe.descriptor) is pipe:
                del self._pipes[pipe.descriptor]
                if self._epoll is not None:
                    self._epoll.unregister(pipe.descriptor)
                os.close(pipe.descriptor)
