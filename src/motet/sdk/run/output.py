"""Where the output of containers goes: nowhere, unless `enable_output()` or the command line asked for it."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple, TextIO

from motet.wire.client_messages import OutputLines

MAX_WAITING_LINES = 100_000
_SHORT_ID_CHARS = 5

_enabled = 0
_enabled_lock = threading.Lock()


@contextlib.contextmanager
def enable_output() -> Iterator[None]:
    """Inside this block, `app.run()` prints what containers write: their stdout to ours, their stderr to ours.

    It holds for the whole process, whichever thread runs the app; blocks may be nested.
    """
    global _enabled
    with _enabled_lock:
        _enabled += 1
    try:
        yield
    finally:
        with _enabled_lock:
            _enabled -= 1


def output_enabled() -> bool:
    """Whether some `enable_output()` block is open in this process."""
    return _enabled > 0


class ArrivedLines(NamedTuple):
    """Lines of one container, and the wall-clock time at which they came in."""

    at: float
    output: OutputLines


class LinePrinter:
    """Prints container output on a thread of its own, in order of arrival.

    Calling it never blocks, so it may be called on an I/O thread. When more than `MAX_WAITING_LINES` wait for a slow
    terminal, further lines are left out and counted, and a line says so. `stop` returns when everything that had
    arrived is printed; start and stop are idempotent. `write` prints one batch; by default, plain prefixed
    lines.
    """

    def __init__(self, write: Callable[[Sequence[ArrivedLines]], None] | None = None) -> None:
        self._write = write or write_plain
        self._waiting: deque[ArrivedLines] = deque()
        self._waiting_lines = 0
        self._left_out = 0
        self._changed = threading.Condition()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        if self._thread is None:
            self._stopping = False
            self._thread = threading.Thread(target=self._print_all, name="motet-output", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def __call__(self, output: OutputLines) -> None:
        if output.part == "begun":
            return
        with self._changed:
            if self._waiting_lines >= MAX_WAITING_LINES:
                self._left_out += len(output.lines)
                return
            self._waiting.append(ArrivedLines(time.time(), output))
            self._waiting_lines += len(output.lines)
            self._changed.notify()

    def _print_all(self) -> None:
        while batch := self._wait_batch():
            try:
                self._write(batch)
            except Exception:
                # The terminal or pipe is gone, sys.stdout closed, or one of the program's own; the program itself goes on.
                continue

    def _wait_batch(self) -> list[ArrivedLines]:
        """Everything that has arrived; empty only when stopping and all is printed. `stop` ends the wait."""
        with self._changed:
            while not self._waiting and not self._stopping:
                self._changed.wait()
            batch = list(self._waiting)
            self._waiting.clear()
            self._waiting_lines = 0
            if self._left_out:
                batch.append(_note(f"{self._left_out:,} lines left out: they came faster than they could be printed"))
                self._left_out = 0
            return batch


def write_plain(batch: Sequence[ArrivedLines]) -> None:
    """Writes prefixed lines: stdout's to `sys.stdout`, all others to `sys.stderr`.

    A terminal gets only what is harmless of them, and what the stream's encoding lacks is written as `\\u65e5`.
    """
    for is_stdout, group in groupby(batch, key=lambda arrived: arrived.output.stream == "stdout"):
        # One of them may be gone, closed, or None (closed when the process was started): the other still gets its lines.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            _write_group(sys.stdout if is_stdout else sys.stderr, [arrived.output for arrived in group])


def _write_group(stream: TextIO, outputs: Sequence[OutputLines]) -> None:
    from motet.sdk.run.terminal_text import coloured_lines  # late: its expressions take long to compile

    shown = coloured_lines if stream.isatty() else str
    text = "".join(f"{line_prefix(output)}{shown(line)}\n" for output in outputs for line in output.lines)
    stream.write(encodable(text, getattr(stream, "encoding", None)))
    stream.flush()


def encodable(text: str, encoding: str | None) -> str:
    """The text with what an encoding lacks as `\\u65e5`; None: whatever is written to takes any."""
    if encoding is None or text.isascii():
        return text
    return text.encode(encoding, "backslashreplace").decode(encoding)


def line_prefix(output: OutputLines) -> str:
    """What stands before a container's lines: its function and the end of its id, which tells containers apart.

    >>> line_prefix(OutputLines("ap-1", "fetch", "ta-01hq00007", "stdout", []))
    'fetch 00007 | '
    """
    words = (output.function_name, output.container_id[-_SHORT_ID_CHARS:])
    return " ".join(word for word in words if word) + " | "


def _note(text: str) -> ArrivedLines:
    return ArrivedLines(time.time(), OutputLines("", "motet", "", "system", [text]))
