"""How much one writer may write: a burst, then a rate."""

from __future__ import annotations

from collections.abc import Mapping

from motet.errors import InvalidError

VARIABLE = "MOTET_LOG_RATE"
LIVE_LINES = "MOTET_LIVE_LINES"
"""Set where somebody watches lines that are being written, on a terminal: containers tell of them then."""
LINES_PER_SECOND = 2_000.0
BURST_SECONDS = 10.0
"""Seconds' worth of lines that may come at once."""
LINE_CHARS = 250
"""Characters a line has at most on average: longer ones use up the allowance sooner."""
NOTICE_INTERVAL = 1.0
"""Seconds between two notices of lines that were left out, at least."""


def log_rate(env: Mapping[str, str]) -> float:
    """The lines per second that an input may write after its burst, from the environment; 0: any. Raises `InvalidError`."""
    text = env.get(VARIABLE, "")
    try:
        rate = float(text) if text else LINES_PER_SECOND
    except ValueError:
        rate = -1.0
    if not 0 <= rate < float("inf"):
        raise InvalidError(
            f"{VARIABLE} is {text!r}; it must be the number of lines per second that an input may write, such as "
            f"{LINES_PER_SECOND:g}, or 0 for no limit."
        )
    return rate


class LogAllowance:
    """What a writer may still write. Pure: moments are arguments, in seconds of one clock.

    `rate` is in lines per second, 0 for no limit. What is written at once is let through while anything is left, however
    much it is; what it is too much by must come in again before the next.
    """

    __slots__ = ("_at", "_chars", "_lines", "_noticed_at", "left_out", "rate")

    def __init__(self, rate: float, now: float) -> None:
        self.rate = rate
        self._lines = rate * BURST_SECONDS
        self._chars = self._lines * LINE_CHARS
        self._at = now
        self.left_out = 0
        """Lines of which no notice has told yet. Whoever leaves some out counts them here."""
        self._noticed_at = float("-inf")

    def is_due(self, now: float) -> bool:
        """Whether there is something to tell, and the last notice was a while ago."""
        return self.left_out > 0 and now - self._noticed_at >= NOTICE_INTERVAL

    def notice(self, whose: str, now: float) -> str:
        """Says how many lines are left out, which are then told of."""
        lines, self.left_out, self._noticed_at = self.left_out, 0, now
        what = "line" if lines == 1 else "lines"
        return f"motet: {lines:,} {what} {whose} left out (more than {self.rate:,.0f} lines/s, or than the server could take)"

    def take(self, lines: int, chars: int, now: float) -> bool:
        """Whether lines, of so many characters together, may be written now; if so, they count."""
        if self._lines <= 0 or self._chars <= 0:
            if not self.rate:  # there never was an allowance
                return True
            # Only now that it is used up: a writer who stays below it costs two subtractions.
            self._refill(now)
            if self._lines <= 0 or self._chars <= 0:
                return False
        self._lines -= lines
        self._chars -= chars
        return True

    def _refill(self, now: float) -> None:
        full = self.rate * BURST_SECONDS
        come_in = (now - self._at) * self.rate
        self._at = now
        self._lines = min(full, self._lines + come_in)
        self._chars = min(full * LINE_CHARS, self._chars + come_in * LINE_CHARS)
