"""What one input writes, cut into lines, within its allowance, on the way to the server."""

from __future__ import annotations

import codecs
from _thread import RLock, get_ident
from collections.abc import Callable
from time import monotonic
from typing import Any, Final, Literal

from motet.client.gate import here, shield_cancellation
from motet.wire.log_allowance import LogAllowance
from motet.wire.output_messages import LinePart, Written

MAX_LINE_CHARS = 64 * 1024
OVERWRITTEN_INTERVAL = 5.0
"""Seconds between two states of a progress bar (text that a carriage return wipes out) that are kept, at least."""

BEGUN_INTERVAL = 0.1
"""Seconds between two looks at a line that is being written, at least."""
MAX_BEGUN_CHARS = 500
"""The end of it that is sent: more than fits into a line of a terminal."""

_CHILDREN = -1
"""In place of a thread: the processes that the input has started."""

Stream = Literal["stdout", "stderr"]
Send = Callable[[Written, int], bool]
"""Sends lines of so many characters; False if they had to be left out."""


class InputOutput:
    """The stdout and stderr of one input, or with an empty `call_id` of the container outside of its inputs.

    Thread-safe. Each thread's unfinished line is its own, so that threads that print at once do not cut each other's
    lines. A line leaves when it is complete, when it is `MAX_LINE_CHARS` long (then in pieces), or with `end`.
    """

    __slots__ = (
        "__weakref__", "_allowance", "_before_end", "_begun", "_decoders", "_kept_at", "_lock",
        "_send", "_shown_at", "call_id", "ended", "has_children", "index", "is_watched", "writers",
    )  # fmt: skip

    def __init__(
        self,
        call_id: str,
        index: int,
        send: Send,
        rate: float,
        before_end: Callable[[InputOutput], None] | None = None,
        *,
        is_watched: bool = False,
    ) -> None:
        self.call_id: Final = call_id
        self.index: Final = index
        self.ended = False
        self.is_watched: Final = is_watched
        """Somebody looks at lines before they have their end."""
        self.has_children = False
        """There are pipes that processes of this input write to."""
        self.writers = 0
        """Threads and work of executors that this input has started and that have not ended."""
        self._send = send
        self._before_end = before_end
        self._lock = RLock()
        self._begun: dict[Stream, dict[int, str]] = {"stdout": {}, "stderr": {}}
        self._decoders: dict[Stream, codecs.IncrementalDecoder] = {}
        self._allowance = LogAllowance(rate, monotonic())
        self._kept_at = float("-inf")
        self._shown_at = float("-inf")

    def write_of_children(self, stream: Stream, text: str, *, last: bool = False) -> None:
        """The same for what processes of this input have written, on a thread of ours. `last`: nothing more comes."""
        if text:
            self.write(stream, text, _CHILDREN)
            self.show_begun(stream, _CHILDREN)
        if last and (rest := self._begun[stream].pop(_CHILDREN, "")):
            self._emit(stream, _tidied([rest]))

    def write_bytes(self, stream: Stream, data: Any) -> int:
        """The same for bytes; what is not UTF-8 is replaced visibly. Returns how many there were."""
        raw = bytes(data)
        with self._lock:
            decoder = self._decoders.get(stream)
            if decoder is None:
                decoder = self._decoders[stream] = codecs.getincrementaldecoder("utf-8")("replace")
            text = decoder.decode(raw)
        self.write(stream, text)
        return len(raw)

    def end(self) -> None:
        """Send unfinished lines, and how many were left out. Text that comes later is still this input's. Idempotent."""
        if self._before_end is not None:
            self._before_end(self)
        self.ended = True
        for stream, decoder in self._decoders.items():
            if rest := decoder.decode(b"", final=True):
                self.write(stream, rest)
        for stream, begun in self._begun.items():
            for thread in tuple(begun):
                if rest := begun.pop(thread, ""):
                    self._emit(stream, _tidied([rest]))
        with self._lock:
            if self._allowance.left_out:
                self._notice(monotonic())

    def __del__(self) -> None:
        # A thread that outlived its input may have left an unfinished line.
        if self.ended and (self._allowance.left_out or any(self._begun.values())):
            self._before_end = None
            self.end()

    # --- from text to lines -------------------------------------------------------------------------------------------

    def write(self, stream: Stream, text: str, thread: int = 0) -> None:
        """Take text, and send the lines that it completes. `thread` is given for what is not this one's."""
        thread = thread or get_ident()
        # No lock: what a thread has begun is in its own place, and each of these steps is one for the interpreter.
        begun = self._begun[stream]
        rest = begun.pop(thread, "") if begun else ""
        if text == "\n":  # the second thing that `print` writes
            self._emit(stream, [rest] if len(rest) <= MAX_LINE_CHARS and "\r" not in rest else _tidied([rest]))
            return
        if rest:
            if ("\r" in text or rest[-1] == "\r") and _is_wiped(rest, text):
                self._wiped(stream, rest)
                rest = text
            else:
                rest += text
        else:
            rest = text
        if "\n" not in text:
            if len(rest) > MAX_LINE_CHARS:
                *lines, rest = _pieces(rest)
                self._emit(stream, lines)
            begun[thread] = rest
            return
        lines = rest.split("\n")
        if rest := lines.pop():
            begun[thread] = rest
        self._emit(stream, _tidied(lines) if "\r" in text or len(text) > MAX_LINE_CHARS else lines)

    def show_begun(self, stream: Stream, thread: int = 0) -> None:
        """The program wants the line that it has begun to be seen: send it as it is, if somebody watches; not too often."""
        begun = self._begun[stream]
        if not begun or not self.is_watched:
            return
        text = begun.get(thread or get_ident(), "").rstrip("\r").rpartition("\r")[2][-MAX_BEGUN_CHARS:]
        now = monotonic()
        if not text or now - self._shown_at < BEGUN_INTERVAL:
            return
        self._shown_at = now
        shown = [text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()]
        with shield_cancellation():
            self._send(Written(now, self.call_id, self.index, stream, shown, "begun"), len(text))

    def _wiped(self, stream: Stream, state: str) -> None:
        """A carriage return wiped out what had been written of a line: a progress bar."""
        now = monotonic()
        if now - self._kept_at >= OVERWRITTEN_INTERVAL and (state := state.strip("\r")):
            self._kept_at = now
            self._emit(stream, [state], "wiped")

    def _emit(self, stream: Stream, lines: list[str], part: LinePart = "") -> None:
        # A cancellation in here might leave a lock taken, or half a frame sent: it waits until the lines are through.
        gate = here.gate
        if gate is None:
            self._emit_shielded(stream, lines, part)
            return
        gate.shield()
        try:
            self._emit_shielded(stream, lines, part)
        finally:
            gate.unshield()

    def _emit_shielded(self, stream: Stream, lines: list[str], part: LinePart) -> None:
        now, count = monotonic(), len(lines)
        text = lines[0] if count == 1 else "".join(lines)
        # Threads of one input that write at the very same time may get a line too many out of this.
        if not self._allowance.take(count, len(text), now):
            self._leave_out(count, now)
            return
        if self._allowance.left_out and self._allowance.is_due(
            now
        ):  # the first asks without a call: it is so for each line
            with self._lock:
                self._notice(now)
        if not text.isascii():
            # Lone surrogates have no UTF-8.
            lines = [line.encode("utf-8", "backslashreplace").decode() for line in lines]
        if not self._send(Written(now, self.call_id, self.index, stream, lines, part), len(text)):
            self._leave_out(count, now)

    def _leave_out(self, lines: int, now: float) -> None:
        with self._lock:
            self._allowance.left_out += lines
            if self._allowance.is_due(now):
                self._notice(now)

    def _notice(self, now: float) -> None:
        left_out = self._allowance.left_out
        text = self._allowance.notice("of this input" if self.call_id else "of this container", now)
        if not self._send(Written(now, self.call_id, self.index, "system", [text]), len(text)):
            self._allowance.left_out += left_out


def _tidied(lines: list[str]) -> list[str]:
    """Without carriage returns around them, and in pieces that are not too long."""
    return [piece for line in lines for piece in _pieces(line.strip("\r"))]


def _is_wiped(begun: str, text: str) -> bool:
    """Whether a carriage return, at the end of what was begun or in the text that follows, begins the line anew."""
    returned, ended = text.find("\r"), text.find("\n")
    if begun.endswith("\r"):
        return ended != 0
    return returned != -1 and (ended == -1 or returned < ended - 1)


def _pieces(line: str) -> list[str]:
    if len(line) <= MAX_LINE_CHARS:
        return [line]
    return [line[start : start + MAX_LINE_CHARS] for start in range(0, len(line), MAX_LINE_CHARS)]
