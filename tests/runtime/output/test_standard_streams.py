"""`sys.stdout` of a container, as programs use that of a plain process."""

from __future__ import annotations

import codecs
import io
import socket
from collections.abc import Callable, Iterator
from typing import Any, TextIO, cast

import pytest

from motet.client.sockets import read_frames
from motet.context.current_input import CurrentInput, current
from motet.runtime.output.standard_streams import InputStream, Outputs
from motet.runtime.sender import Sender
from motet.wire import codec
from motet.wire.output_messages import Output


class Stage:
    """A stream, and the lines that come out of it: (call, stream, text)."""

    def __init__(self) -> None:
        self._ours, self._theirs = socket.socketpair()
        self.stream = InputStream("stdout", 1, Outputs(Sender(self._theirs)))

    def lines(self) -> list[tuple[str, str, str]]:
        self._theirs.close()
        found = []
        with self._ours:
            frames: list[bytes] = []
            read_frames(self._ours.recv_into, lambda frame: frames.append(bytes(frame)))
        for frame in frames:
            for message in codec.decode_to_server(memoryview(frame)):
                assert isinstance(message, Output)
                found += [(it.call_id, it.stream, line) for it in message.entries for line in it.lines]
        return found


@pytest.fixture
def stage() -> Iterator[Stage]:
    token = current.set(CurrentInput("fc-1", 0))
    yield Stage()
    current.reset(token)


def test_it_is_a_text_wrapper_named_and_encoded_like_the_stream_of_a_plain_process(stage: Stage) -> None:
    stream: Any = stage.stream
    assert isinstance(stream, io.TextIOWrapper)
    assert isinstance(stream.buffer, io.BufferedIOBase)
    assert (stream.name, stream.buffer.name, stream.mode, stream.buffer.mode) == ("<stdout>", "<stdout>", "w", "wb")
    assert (stream.encoding, stream.errors, stream.newlines) == ("utf-8", "backslashreplace", None)
    assert (stream.line_buffering, stream.write_through) == (True, False)
    assert (stream.writable(), stream.readable(), stream.seekable(), stream.isatty()) == (True, False, False, False)
    assert (stream.fileno(), stream.buffer.fileno(), stream.closed) == (1, 1, False)
    assert stage.lines() == []


def _codecs_writer(stream: TextIO) -> Any:
    return codecs.getwriter("utf-8")(cast(Any, stream).detach())


_REPLACED: dict[str, Callable[[Any], Any]] = {
    "around detach": lambda it: io.TextIOWrapper(it.detach(), encoding="utf-8", line_buffering=True),
    "around buffer": lambda it: io.TextIOWrapper(it.buffer, encoding="utf-8", line_buffering=True),
    "around buffer.detach": lambda it: io.TextIOWrapper(it.buffer.detach(), encoding="utf-8", line_buffering=True),
    "a codec's": _codecs_writer,
    "reconfigured": lambda it: it.reconfigure(encoding="utf-8") or it,
}


@pytest.mark.parametrize("replace", _REPLACED.values(), ids=_REPLACED)
def test_lines_are_the_inputs_through_whatever_stands_in_for_it(stage: Stage, replace: Callable[[Any], Any]) -> None:
    stream = replace(stage.stream)
    stream.write("naïve\n")
    del stream
    stage.stream.write("and on\n")
    assert stage.lines() == [("fc-1", "stdout", "naïve"), ("fc-1", "stdout", "and on")]
