"""What a process has written and may still be asked for: the last bytes of it, each at its place in the whole."""

from __future__ import annotations

PATIENCE = 60.0
"""Seconds since the last question for output, after which a process does not wait for its reader any more."""
FIRST_PATIENCE = 10.0
"""Seconds from the start of a process in which whoever started it may begin to read."""


class KeptOutput:
    """At most `limit` bytes of one stream.

    While somebody reads, nothing is lost: the process has to wait (`room`) until what is full is read. Nobody reads `PATIENCE`
    seconds after the last question; before the first one somebody is `expected_until` that moment. Where nobody reads, the
    newest bytes take the place of the oldest. Whoever asks for those later is told by the place at which the answer begins.
    """

    __slots__ = ("_data", "_expected_until", "_limit", "_start", "_taken", "over")

    def __init__(self, limit: int, expected_until: float = 0.0) -> None:
        self._limit = limit
        self._data = bytearray()
        self._start = 0
        self._taken = 0
        self._expected_until = expected_until
        self.over = False
        """Nothing more comes."""

    @property
    def start(self) -> int:
        """The place of the first byte that is kept."""
        return self._start

    @property
    def end(self) -> int:
        """How many bytes were written in all."""
        return self._start + len(self._data)

    @property
    def kept(self) -> bytes:
        """All that is kept."""
        return bytes(self._data)

    def has_reader(self, now: float) -> bool:
        """Whether somebody reads, or is expected to."""
        return self.reader_expected(now) > 0

    def reader_expected(self, now: float) -> float:
        """For how many seconds more a reader is waited for."""
        return self._expected_until - now

    def room(self, now: float) -> int:
        """How many bytes may come now; 0: the process has to wait."""
        if not self.has_reader(now):
            return self._limit
        return max(0, self._limit - (self.end - max(self._start, self._taken)))

    def add(self, data: bytes, beyond: int = 0) -> None:
        """The process has written these; so many may be kept `beyond` the limit."""
        self._data += data
        if (excess := len(self._data) - self._limit - beyond) > 0:
            del self._data[:excess]
            self._start += excess

    def read(self, offset: int, most: int, now: float) -> tuple[int, bytes]:
        """Bytes from `offset` on, or from the first that is kept after it, with their place."""
        self._expected_until = max(self._expected_until, now + PATIENCE)
        self._taken = max(self._taken, min(offset, self.end))
        begin = max(offset, self._start)
        at = begin - self._start
        return begin, bytes(self._data[at : at + most])

    def is_read(self, offset: int) -> bool:
        """Whether all that was written is before this place, and nothing more comes."""
        return self.over and offset >= self.end
