"""The streams of a command in a sandbox, as a client has them."""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import AsyncIterator, Iterator
from typing import Any, Generic, TypeVar, cast

from motet.client.dual import HandOut, ItemSteps, Steps, dual, iterate, iterate_async, warn_if_loop_is_blocked
from motet.errors import DataLossError
from motet.model.sandbox import MAX_CHUNK_BYTES
from motet.sdk.call.handle import Handle
from motet.sdk.sandbox.reached import Reached
from motet.wire.sandbox_messages import OutputRead, ReadOutput, Stream, WriteInput

MAX_WAITING_BYTES = 2 * 1024 * 1024
"""What may be written before it has to be sent."""

T = TypeVar("T", str, bytes)


class StreamReader(Handle, Generic[T]):
    """What a command writes: `read()` waits for its end and gives all of it; iterating gives a line at a time as it comes (of
    bytes: what there is). Both also for async code. Each goes on where the last one stopped.

    A sandbox keeps the last megabytes of what nobody reads. Raises `DataLossError` where more was written; what is left comes
    after that.
    """

    def __init__(self, reached: Reached, process_id: str, stream: Stream, *, text: bool, is_kept: bool = True) -> None:
        self._reached = reached
        self._process_id = process_id
        self._stream: Stream = stream
        self._text = text
        self._is_kept = is_kept
        self._offset = 0
        self._is_over = not is_kept
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._lines: deque[str] = deque()
        self._line = ""
        """The beginning of one."""

    @property
    def file_descriptor(self) -> int:
        """1 for stdout, 2 for stderr."""
        return 1 if self._stream == "stdout" else 2

    @dual
    def read(self) -> Steps[T]:
        """All that comes until the end."""
        parts = []
        while (chunk := (yield from self._next())) is not None:
            parts.append(chunk)
        data = b"".join(parts)
        return cast(T, self._take_lines() + self._decoder.decode(data, True) if self._text else data)

    def __iter__(self) -> Iterator[T]:
        warn_if_loop_is_blocked("for line in stream")
        return iterate(self._items())

    def __aiter__(self) -> AsyncIterator[T]:
        return iterate_async(self._items())

    def __next__(self) -> T:
        return next(iter(self))

    async def __anext__(self) -> T:
        async for item in self:
            return item
        raise StopAsyncIteration

    @dual
    def aclose(self) -> Steps[None]:
        """Read no more."""
        self._is_over = True
        yield from ()

    def _items(self) -> ItemSteps[Any]:
        while True:
            # One by one: whoever stops in between finds the next ones later.
            while self._lines:
                yield HandOut([self._lines.popleft()])
            chunk = yield from self._next()
            if chunk is None:
                break
            if self._text:
                *lines, self._line = (self._line + self._decoder.decode(chunk)).split("\n")
                self._lines.extend(line + "\n" for line in lines)
            else:
                yield HandOut([chunk])
        if last := self._take_lines() + self._decoder.decode(b"", True):
            yield HandOut([last])

    def chunks(self) -> ItemSteps[bytes]:
        """What comes, as bytes, as soon as it does."""
        while (chunk := (yield from self._next())) is not None:
            yield HandOut([chunk])

    def _take_lines(self) -> str:
        """What was read, and not handed out."""
        text = "".join([*self._lines, self._line])
        self._lines.clear()
        self._line = ""
        return text

    def _next(self) -> Steps[bytes | None]:
        """The next bytes; None at the end."""
        while not self._is_over:
            answer: OutputRead = yield from self._reached.ask(ReadOutput(self._process_id, self._stream, self._offset))
            lost = answer.offset - self._offset
            if lost > 0:
                self._offset = answer.offset
                raise DataLossError(
                    f"{lost} bytes that the command wrote to its {self._stream} are gone: nobody read them, and the sandbox "
                    "keeps only the last ones. Read while the command runs."
                )
            self._offset = answer.offset + len(answer.data)
            self._is_over = answer.over
            if answer.data:
                return answer.data
        return None

    def __repr__(self) -> str:
        return f"<StreamReader of {self._stream}, {self._offset} bytes read>"


class StreamWriter(Handle):
    """What a command gets on its stdin: `write`, then `drain`, which sends it."""

    def __init__(self, reached: Reached, process_id: str) -> None:
        self._reached = reached
        self._process_id = process_id
        self._offset = 0
        self._waiting = bytearray()
        self._is_ending = False
        self._has_ended = False

    def write(self, data: bytes | bytearray | memoryview | str) -> None:
        """Add to what `drain` sends, 2 MiB at most. Raises `BufferError` for more, `ValueError` after `write_eof`."""
        if self._is_ending:
            raise ValueError("Stdin is closed. Cannot write to it.")
        if not isinstance(data, bytes | bytearray | memoryview | str):
            raise TypeError(f"data argument must be a bytes-like object or str, not {type(data).__name__}")
        data = data.encode() if isinstance(data, str) else bytes(data)
        if len(self._waiting) + len(data) > MAX_WAITING_BYTES:
            raise BufferError("Buffer size exceed limit. Call drain to clear the buffer.")
        self._waiting += data

    def write_eof(self) -> None:
        """Nothing follows: the command finds the end of its input there, once `drain` has sent that."""
        self._is_ending = True

    @dual
    def drain(self) -> Steps[None]:
        """Send what was written, and wait until the sandbox has room for it. Raises `ConflictError` if the command takes no
        input any more."""
        while self._waiting or (self._is_ending and not self._has_ended):
            part = bytes(self._waiting[:MAX_CHUNK_BYTES])
            eof = self._is_ending and len(part) == len(self._waiting)
            yield from self._reached.ask(WriteInput(self._process_id, self._offset, part, eof))
            del self._waiting[: len(part)]
            self._offset += len(part)
            self._has_ended = eof
