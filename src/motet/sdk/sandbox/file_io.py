"""`Sandbox.open`: a file of a sandbox, with the methods of Python's own."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Generic, Self, TypeVar, cast

from motet.client.dual import Steps, dual
from motet.errors import InvalidError
from motet.model.sandbox import MAX_CHUNK_BYTES
from motet.sdk.sandbox.reached import Reached
from motet.wire import sandbox_messages as m

T = TypeVar("T", str, bytes)

_MODES = ("r", "w", "a", "x")


class FileIO(Generic[T]):
    """A file of a sandbox. Positions are bytes, also of text. What is written is in the file when `write` returns."""

    def __init__(self, reached: Reached, path: str, mode: str) -> None:
        plain = mode.replace("b", "").replace("t", "").replace("+", "") if isinstance(mode, str) else ""
        if plain not in _MODES or mode.count("b") + mode.count("t") > 1 or mode.count("+") > 1:
            raise InvalidError(
                f"{mode!r} is no mode to open a file with: they are as Python's, such as 'r', 'wb' or 'a+'"
            )
        self._reached = reached
        self._path = path
        self._mode = plain
        self._is_binary = "b" in mode
        self._reads = plain == "r" or "+" in mode
        self._writes = plain != "r" or "+" in mode
        self._at = 0
        self._size = 0
        self.closed = False

    def open(self) -> Steps[Self]:
        """Have the file there, or find that it is, as the mode wants it."""
        if self._mode == "r":
            yield from self._piece(0)
        else:
            truncate, only_new = self._mode == "w", self._mode == "x"
            yield from self._reached.ask(m.WriteFile(self._path, 0, b"", only_new=only_new, truncate=truncate))
        return self

    @dual
    def read(self, n: int | None = None) -> Steps[T]:
        """The next `n` bytes, as text if it is a text file; or all that are left."""
        self._check(reads=True)
        parts, left = [], n
        while left is None or left > 0:
            data = yield from self._piece(MAX_CHUNK_BYTES if left is None else min(left, MAX_CHUNK_BYTES))
            if not data:
                break
            parts.append(data)
            self._at += len(data)
            left = None if left is None else left - len(data)
        return self._made(b"".join(parts))

    @dual
    def readline(self) -> Steps[T]:
        """The next line with its end; empty at the end of the file."""
        self._check(reads=True)
        return self._made((yield from self._line()))

    @dual
    def readlines(self) -> Steps[list[T]]:
        """All lines that are left."""
        self._check(reads=True)
        lines = []
        while line := (yield from self._line()):
            lines.append(self._made(line))
        return lines

    @dual
    def write(self, data: T) -> Steps[int]:
        """Put this where the file is at, or at its end if it is open for appending; how much it was."""
        self._check(reads=False)
        raw = data.encode() if isinstance(data, str) else bytes(data)
        if isinstance(data, str) == self._is_binary:
            raise TypeError(f"a {'binary' if self._is_binary else 'text'} file takes no {type(data).__name__}")
        for begin in range(0, len(raw), MAX_CHUNK_BYTES):
            part = raw[begin : begin + MAX_CHUNK_BYTES]
            at = -1 if self._mode == "a" else self._at
            answer: m.FileWritten = yield from self._reached.ask(m.WriteFile(self._path, at, part, create=False))
            self._at = answer.offset
        return len(data)

    @dual
    def flush(self) -> Steps[None]:
        """Nothing is left to be flushed."""
        self._check()
        yield from ()

    @dual
    def seek(self, offset: int, whence: int = os.SEEK_SET) -> Steps[None]:
        """Go on at this byte: from the beginning, from where it is at, or from the end."""
        self._check()
        if whence == os.SEEK_END:
            yield from self._piece(0)
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}.get(whence)
        if base is None or base + offset < 0:
            raise InvalidError(f"there is no place {offset} of {whence} in {self._path}")
        self._at = base + offset

    @dual
    def close(self) -> Steps[None]:
        """Use it no more. Idempotent."""
        self.closed = True
        yield from ()

    def _line(self) -> Steps[bytes]:
        line = b""
        while not line.endswith(b"\n"):
            data = yield from self._piece(64 * 1024)
            if not data:
                break
            end = data.find(b"\n") + 1
            data = data[:end] if end else data
            line += data
            self._at += len(data)
        return line

    def _piece(self, count: int) -> Steps[bytes]:
        answer: m.FileRead = yield from self._reached.ask(m.ReadFile(self._path, self._at, count))
        self._size = answer.size
        return answer.data

    def _made(self, data: bytes) -> T:
        return cast(T, data if self._is_binary else data.decode("utf-8", "replace"))

    def _check(self, *, reads: bool | None = None) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")
        if (reads is True and not self._reads) or (reads is False and not self._writes):
            raise InvalidError(f"{self._path} was opened with another mode, which does not allow this")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.closed = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.closed = True
