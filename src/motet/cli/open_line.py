"""The line that a program has begun on the terminal and not ended: what has to be there again after others wrote."""

from __future__ import annotations

import re

from rich.cells import cell_len

MAX_BYTES = 64 * 1024
"""What is longer is not remembered: such a line cannot be drawn again."""

_HARMLESS = re.compile(rb"\x1b\[[0-9;:]*[mK]")
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")


class OpenLine:
    """Follows the bytes that a program writes to a terminal."""

    def __init__(self) -> None:
        self._begun = bytearray()
        self._is_lost = False

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """The program wrote these bytes."""
        raw = bytes(data)
        _, newline, rest = raw.rpartition(b"\n")
        if newline:
            self.end()
        self._begun += rest
        self._drop_overwritten()
        if len(self._begun) > MAX_BYTES:
            self._begun.clear()
            self._is_lost = True

    def end(self) -> None:
        """The line has ended: the cursor is at the beginning of the next."""
        self._begun.clear()
        self._is_lost = False

    @property
    def is_open(self) -> bool:
        """Whether something stands in the line."""
        return self._is_lost or bool(self._begun.strip(b"\r"))

    @property
    def text(self) -> str | None:
        """What has to be written for the line to be there again; None if that is not known, because it is long, is in the
        middle of a character, or has moved the cursor."""
        shown = bytes(self._begun).rstrip(b"\r")
        if self._is_lost or _CONTROL.search(_HARMLESS.sub(b"", shown)):
            return None
        try:
            return self._begun.decode()
        except UnicodeDecodeError:
            return None

    def rows(self, columns: int) -> int:
        """How many rows the cursor is below the first one of the line, on a terminal so wide."""
        row = column = 0
        for character in _HARMLESS.sub(b"", bytes(self._begun).rstrip(b"\r")).decode(errors="replace"):
            cells = cell_len(character)
            if column + cells > columns:
                row, column = row + 1, 0
            column += cells
        return row

    def _drop_overwritten(self) -> None:
        # A bar ends with its text or with a carriage return: what stands there is the last text in either case.
        visible = self._begun.rstrip(b"\r")
        returned = visible.rfind(b"\r")
        if returned >= 0:
            del self._begun[: returned + 1]
