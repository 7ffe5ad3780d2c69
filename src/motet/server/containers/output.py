"""What containers write: lines that come with their input, and bytes of which it has to be found out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from motet.backends.base import Stream
from motet.model.outcome import Delivery
from motet.server.clock import Clock
from motet.server.lines import Lines
from motet.wire.client_messages import OutputLines
from motet.wire.log_allowance import LINES_PER_SECOND, LogAllowance
from motet.wire.output_messages import LinePart, Written

MAX_LINE_BYTES = 64 * 1024
KEPT_ERROR_LINES = 12

_NOBODY = ("", -1)


@dataclass(frozen=True, slots=True)
class LineSource:
    """A container, and what it runs."""

    app_id: str
    function_id: str
    function_name: str
    container_id: str


class ContainerOutput:
    """The output of one container, on its way to `Lines`.

    Python code in a container says which input writes. What comes through the container's pipes instead (C code, mostly)
    can be one input's only while that input runs alone since the container had none, and nothing else in it could write
    (`shared`): `report` is asked to report what has been written whenever that begins or ends. All else is the container's
    own, as is everything before it is ready; and if bytes ever come while no input runs, somebody unseen writes, and
    everything is from then on. Bytes are joined to lines, per stream; a line without an end is shown when it is
    long, when whose it can be changes, or when the container has ended. They have an allowance, as those that come with
    their input have in the container: `limit` sets its rate.
    """

    __slots__ = (
        "_allowance", "_alone", "_clock", "_held", "_lines", "_partial", "_ready",
        "_report", "_shared", "_source", "_unseen", "last_errors",
    )  # fmt: skip

    def __init__(self, source: LineSource, lines: Lines, report: Callable[[], None], clock: Clock) -> None:
        self._source = source
        self._lines = lines
        self._report = report
        self._clock = clock
        self._allowance = LogAllowance(LINES_PER_SECOND, clock.now())
        self._partial: dict[Stream, bytes] = {}
        self._held = 0
        self._ready = self._shared = self._unseen = False
        self._alone: tuple[str, int] | None = None
        """The call and index of the input whose all bytes are now."""
        self.last_errors: deque[str] = deque(maxlen=KEPT_ERROR_LINES)

    def limit(self, rate: float) -> None:
        """So many lines per second may come through the pipes after a burst; 0: any."""
        self._allowance = LogAllowance(rate, self._clock.now())

    # --- what the container holds ---------------------------------------------------------------------------------------

    def ready(self) -> None:
        """From now on inputs may come, of which one may be alone."""
        self._settle()
        self._ready = True

    def resumed(self, held: int) -> None:
        """Its container is ready, and holds so many inputs, from before this server began: whose bytes are is not known before
        it holds none."""
        self._ready = True
        self._held = held

    def shared(self, shared: bool) -> None:
        """Others than its inputs may write from now on, or none can any more."""
        self._settle()
        self._shared = shared

    def delivered(self, attempts: list[Delivery], *, together: bool = False) -> None:
        """These were given to the container; `together`: as a batch, whose output is its first member's."""
        if self._alone is not None:  # it has company from now on, and bytes are nobody's in particular
            self._settle()
        elif not (self._held or self._shared or self._unseen) and (together or len(attempts) == 1):
            self._alone = (attempts[0].call_id, attempts[0].index)
        self._held += len(attempts)

    def finished(self, count: int) -> None:
        """So many have ended."""
        if self._held == count:
            self._settle()
        self._held -= count

    def _settle(self) -> None:
        """What was written until now is whose it was; what comes next is the container's own."""
        self._report()  # bytes in the pipe were written before what the caller knows of
        if self._partial:
            self._flush()
        self._alone = None

    # --- what it writes -------------------------------------------------------------------------------------------------

    def wrote(self, entries: Iterable[Written], behind: float = 0.0) -> None:
        """Lines of which the container knows whose they are. Its clock is so many seconds behind the server's."""
        to_wall = behind + self._clock.offset
        for entry in entries:
            self._emit(entry.stream, entry.lines, (entry.call_id, entry.index), entry.at + to_wall, entry.part)

    def written(self, stream: Stream, data: bytes) -> None:
        """More bytes of a stream."""
        if self._ready and not self._held:
            self._unseen = True
        *lines, rest = (self._partial.pop(stream, b"") + data).split(b"\n")
        while len(rest) > MAX_LINE_BYTES:
            cut = MAX_LINE_BYTES
            while cut > MAX_LINE_BYTES - 4 and rest[cut] & 0xC0 == 0x80:  # not within a character
                cut -= 1
            lines.append(rest[:cut])
            rest = rest[cut:]
        if rest:
            self._partial[stream] = rest
        if lines:
            self._emit_bytes(stream, lines)

    def close(self) -> None:
        """Nothing more comes."""
        self._flush()
        if self._allowance.left_out:
            self._notice(self._clock.now())

    def _flush(self) -> None:
        for stream, rest in self._partial.items():
            self._emit_bytes(stream, [rest])
        self._partial.clear()

    def _emit_bytes(self, stream: Stream, raw: list[bytes]) -> None:
        now = self._clock.now()
        allowed = self._allowance.take(len(raw), sum(map(len, raw)), now)
        if not allowed:
            self._allowance.left_out += len(raw)
        if self._allowance.is_due(now):
            self._notice(now)
        if allowed:
            self._emit(stream, [_decoded(line) for line in raw], self._alone or _NOBODY, 0.0)
        elif stream == "stderr":  # why it died may be among these
            self.last_errors.extend(map(_decoded, raw[-KEPT_ERROR_LINES:]))

    def _notice(self, now: float) -> None:
        self._emit("system", [self._allowance.notice("that came past Python", now)], _NOBODY, 0.0)

    def _emit(
        self,
        stream: Literal["stdout", "stderr", "system"],
        lines: list[str],
        whose: tuple[str, int],
        at: float,
        part: LinePart = "",
    ) -> None:
        if stream == "stderr" and part != "begun":
            self.last_errors.extend(lines[-KEPT_ERROR_LINES:])
        source = self._source
        self._lines.written(
            source.function_id,
            OutputLines(source.app_id, source.function_name, source.container_id, stream, lines, *whose, at, part),
        )


def _decoded(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r")
