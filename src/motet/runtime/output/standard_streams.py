"""`sys.stdout` and `sys.stderr` of a container: what is written to them goes to the input whose code writes it."""

from __future__ import annotations

import atexit
import contextlib
import io
import os
import sys
import threading
from collections.abc import Iterable
from typing import Any, TextIO, cast

from motet.client.gate import shield_cancellation
from motet.context.current_input import CurrentInput, current
from motet.runtime.output.child_output import ChildOutput
from motet.runtime.output.input_output import InputOutput, Stream
from motet.runtime.output.raw_writers import RawWriters
from motet.runtime.sender import Sender
from motet.wire.output_messages import Written

LAST_LINES_TIMEOUT = 2.0
"""Seconds that a container which ends gives a slow server to take its last lines."""


class Outputs:
    """The outputs of a container's inputs, and the container's own."""

    def __init__(self, sender: Sender) -> None:
        self.children = ChildOutput()
        self.raw_writers = RawWriters(sender)
        self.rate = 0.0
        """Lines per second that an input may write after its burst; 0: any."""
        self.is_watched = False
        """Somebody looks at lines before they have their end."""
        self.forked = False
        """This is a process forked from the container: it has no connection to the server, but a stdout and a stderr."""
        self.streams: tuple[InputStream, ...] = ()
        self._sender = sender
        self._beginning = threading.Lock()
        self.own = InputOutput("", -1, self.send, 0.0)

    def limit(self, rate: float, *, is_watched: bool = False) -> None:
        """From now on an input, or the container outside of inputs, may write so many lines per second after a burst."""
        self.rate = rate
        self.is_watched = is_watched
        self.own.end()
        self.own = InputOutput("", -1, self.send, rate, is_watched=is_watched)

    def begin(self, running: CurrentInput) -> InputOutput:
        """The output of an input that has written nothing yet."""
        output = InputOutput(
            running.call_id, running.index, self.send, self.rate, self._ending, is_watched=self.is_watched
        )
        # Another of its threads may write for the first time at this moment: one of them counts.
        with shield_cancellation(), self._beginning:
            if running.output is None:
                running.output = output
        return running.output  # type: ignore[no-any-return]

    def begun(self, running: CurrentInput | None) -> InputOutput | None:
        """A thread, or work for one, of this input or of none; returns whom to name when it is `over`."""
        owner = None if running is None else running.output or self.begin(running)
        self.raw_writers.started(owner)
        return owner

    def over(self, owner: InputOutput | None) -> None:
        """It has ended."""
        self.raw_writers.stopped(owner)

    def _ending(self, output: InputOutput) -> None:
        self.raw_writers.input_ended(output)
        if output.has_children:
            self.children.end(output)

    def write_raw(self) -> None:
        """Have everything go to the descriptors: there is no server yet."""
        for stream in self.streams:
            stream.write_raw()

    def sort(self) -> None:
        """There is a server."""
        self.flush()
        for stream in self.streams:
            stream.sort()

    def flush(self) -> None:
        """Have what is written to the descriptors be there, also of lines that are not complete."""
        for stream in self.streams:
            with contextlib.suppress(OSError):
                stream.flush()

    def after_fork(self) -> None:
        """This is a child process now. Locks may be held by threads that it does not have."""
        self.forked = True
        self._beginning = threading.Lock()
        self.write_raw()

    def end(self) -> None:
        """The container ends: what it has begun to write outside of inputs is as complete as it will be."""
        if not self.forked:
            self.own.end()
            self._sender.wait_sent(LAST_LINES_TIMEOUT)

    def send(self, written: Written, chars: int) -> bool:
        """Send lines; False if they had to be left out. In front of a server that is gone they go to the raw streams."""
        try:
            return self._sender.write(written, chars)
        except OSError:
            self._write_raw(written)
            return True

    @staticmethod
    def _write_raw(written: Written) -> None:
        data = "".join(f"{line}\n" for line in written.lines).encode("utf-8", "backslashreplace")
        with contextlib.suppress(OSError):
            view = memoryview(data)
            while view:
                view = view[os.write(1 if written.stream == "stdout" else 2, view) :]


_current = current.get


class InputStream(io.TextIOWrapper):
    """A text stream like `sys.stdout`, which sorts what is written by the input that the code runs for.

    `fileno` is the real descriptor: what is written there passes this by. A stream around `buffer`, or around what `detach`
    gives, sorts as well. For all that it says of itself it is the `TextIOWrapper` that it stands for; of its base it uses
    no more than that.
    """

    def __init__(self, name: Stream, descriptor: int, outputs: Outputs) -> None:
        self._bytes = _InputBytes(self, f"<{name}>")
        self._name: Stream = name
        self._descriptor = descriptor
        self._outputs = outputs
        self._raw: TextIO | None = None
        super().__init__(self._bytes, "utf-8", "backslashreplace", "\n", line_buffering=True)

    def write_raw(self) -> None:
        """Write to the descriptor from now on, line by line."""
        data = io.BufferedWriter(_Descriptor(self._descriptor, "w", closefd=False))
        self._raw = io.TextIOWrapper(data, "utf-8", self.errors, line_buffering=True)

    def sort(self) -> None:
        """Give what is written from now on to inputs again."""
        self._raw = None

    def __repr__(self) -> str:
        return f"<{self.name} of a Motet container>"

    @property
    def mode(self) -> str:
        return "w"

    def detach(self) -> _InputBytes:  # type: ignore[override]
        """Its binary side. This stream stays as it is, for the others who write to it."""
        return self._bytes

    def write(self, text: str, /) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if self._raw is not None:
            return self._raw.write(text)
        if not text:
            return 0
        running = _current()
        if running is None:
            self._outputs.own.write(self._name, text)
        else:
            (running.output or self._outputs.begin(running)).write(self._name, text)
        return len(text)

    def writelines(self, lines: Iterable[str], /) -> None:  # type: ignore[override]
        self.write("".join(lines))

    def write_bytes(self, data: Any) -> int:
        """Take bytes of text; what is not UTF-8 is replaced."""
        if self._raw is not None:
            return self._raw.write(bytes(data).decode("utf-8", "replace"))
        running = current.get()
        if running is None:
            return self._outputs.own.write_bytes(self._name, data)
        return (running.output or self._outputs.begin(running)).write_bytes(self._name, data)

    def flush(self) -> None:
        """Lines leave when they are complete: all that there is to do is to show one that is not to whoever watches."""
        if self._raw is not None:
            self._raw.flush()
        elif self._outputs.is_watched:
            running = _current()
            output = self._outputs.own if running is None else running.output
            if output is not None:
                output.show_begun(self._name)

    def close(self) -> None:
        """It stays open, for the others who write to it."""

    def fileno(self) -> int:
        """The container's own stream."""
        return self._descriptor

    def isatty(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def reconfigure(self, **_: object) -> None:
        """Accepted as by `sys.stdout`; encoding and buffering stay as they are."""


class _Descriptor(io.FileIO):
    """Where what is written goes, if there is anybody to read it: a container that others wait with may have been ended."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            return len(data)


class _InputBytes(io.BufferedIOBase):
    """The binary side of an `InputStream`."""

    mode = "wb"

    def __init__(self, text: InputStream, name: str) -> None:
        self._text = text
        self.name = name

    @property
    def raw(self) -> _InputBytes:
        return self

    def detach(self) -> _InputBytes:  # type: ignore[override]
        """Itself: there is nothing below."""
        return self

    def write(self, data: object, /) -> int:
        return self._text.write_bytes(data)

    def close(self) -> None:
        """It stays open, for the others who write to it."""

    def fileno(self) -> int:
        return self._text.fileno()

    def writable(self) -> bool:
        return True


def install(sender: Sender) -> Outputs:
    """Have `sys.stdout` and `sys.stderr` know inputs from now on. Once, in a container, before user code is imported."""
    outputs = Outputs(sender)
    outputs.streams = InputStream("stdout", 1, outputs), InputStream("stderr", 2, outputs)
    stdout, stderr = cast(tuple[TextIO, TextIO], outputs.streams)
    # The originals, too: programs that redirect `sys.stdout` for a while put `sys.__stdout__` back.
    sys.stdout = sys.__stdout__ = stdout  # type: ignore[misc, assignment]
    sys.stderr = sys.__stderr__ = stderr  # type: ignore[misc, assignment]
    atexit.register(outputs.end)
    return outputs
