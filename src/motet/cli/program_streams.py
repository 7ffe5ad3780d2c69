"""The program's `sys.stdout`, `sys.stderr` and `sys.stdin` where they are a terminal that is shared with a view.

They are what Python makes itself, but for the lowest layer, which tells the screen of what goes through. So all of their
methods and attributes are as programs know them, `sys.stdout.buffer` included.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
import sys
from typing import TYPE_CHECKING, Any, TextIO

from motet.cli.screen import Screen
from motet.cli.terminal_device import TerminalDevice

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer


class _ShownOutput(io.FileIO):
    """Bytes of the program on their way to the terminal."""

    def __init__(self, descriptor: int, screen: Screen) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        self._screen = screen

    def write(self, data: ReadableBuffer, /) -> int:
        """See `io.FileIO`."""
        return self._screen.program_writes(memoryview(data), lambda: super(_ShownOutput, self).write(data))


class _TypedInput(io.FileIO):
    """What is typed, on its way to the program."""

    def __init__(self, descriptor: int, screen: Screen) -> None:
        super().__init__(descriptor, "rb", closefd=False)
        self._screen = screen

    def readinto(self, buffer: WriteableBuffer, /) -> int | None:
        """See `io.FileIO`."""
        with self._screen.read_by_program():
            return super().readinto(buffer)

    def readall(self) -> bytes:
        """See `io.FileIO`."""
        with self._screen.read_by_program():
            return super().readall()


def share_terminal() -> Screen | None:
    """Have the program's streams tell a screen what they do, as far as they are the terminal that stderr is; None if
    stderr is none. Call it before the program is imported: what it imports may keep `sys.stderr`."""
    if not _is_plain(sys.stderr, sys.__stderr__) or not sys.stderr.isatty():
        return None
    can_move = os.environ.get("TERM", "").lower() not in ("dumb", "unknown")
    screen = Screen(TerminalDevice(2, sys.stderr.encoding), can_move=can_move)
    sys.stderr = _writing(sys.stderr, screen)
    if _is_plain(sys.stdout, sys.__stdout__) and _same_terminal(1):
        sys.stdout = _writing(sys.stdout, screen)
    if _is_plain(sys.stdin, sys.__stdin__) and _same_terminal(0):
        sys.stdin = _reading(sys.stdin, screen)
        _notice_input(screen)
    return screen


def write_pipes_by_line() -> None:
    """Have lines leave through a pipe when they are complete: whoever is at its other end waits for them."""
    if _is_plain(sys.stdout, sys.__stdout__) and not sys.stdout.isatty() and not _is_file(1):
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]


def _is_plain(stream: TextIO | Any, original: TextIO | None) -> bool:
    return stream is not None and stream is original and isinstance(stream, io.TextIOWrapper)


def _is_file(descriptor: int) -> bool:
    return stat.S_ISREG(os.fstat(descriptor).st_mode)


def _same_terminal(descriptor: int) -> bool:
    return os.isatty(descriptor) and os.fstat(descriptor).st_rdev == os.fstat(2).st_rdev


def _writing(stream: Any, screen: Screen) -> io.TextIOWrapper:
    raw = _ShownOutput(stream.fileno(), screen)
    raw.name = stream.name
    stream.flush()
    made = io.TextIOWrapper(
        raw if isinstance(stream.buffer, io.RawIOBase) else io.BufferedWriter(raw),  # the former with `python -u`
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
    made.mode = "w"  # type: ignore[misc]
    return made


def _reading(stream: Any, screen: Screen) -> io.TextIOWrapper:
    raw = _TypedInput(stream.fileno(), screen)
    raw.name = stream.name
    made = io.TextIOWrapper(io.BufferedReader(raw), encoding=stream.encoding, errors=stream.errors)
    made.mode = "r"  # type: ignore[misc]
    return made


def _notice_input(screen: Screen) -> None:
    """`input()` reads a terminal in C, past `sys.stdin`; it says so to whoever audits the interpreter."""

    def heard(event: str, _: tuple[object, ...]) -> None:
        if event == "builtins.input":
            # It is about to write what waits in them: after that, this thread writes only when it has ended.
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(Exception):
                    stream.flush()
            screen.prompting_began()
        elif event == "builtins.input/result":
            screen.prompting_ended()

    sys.addaudithook(heard)
