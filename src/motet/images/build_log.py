"""What the programs of a build write: kept in a file and passed on, both within bounds. A build may print without end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, TextIO

from motet.images.base import Told

MOST_KEPT = 16 * 1024 * 1024
"""Characters of a build that are kept, but for how it ended."""
MOST_TOLD = 10_000
"""Lines that are passed on while it runs: whoever waits reads the rest in the log."""
LONGEST_LINE = 64 * 1024
"""Bytes. What is longer counts as several lines."""


class BuildLog:
    """`file`: where it is kept. `told` is passed lines."""

    def __init__(self, file: TextIO, told: Told) -> None:
        self._file = file
        self._told = told
        self._kept = 0
        self._passed_on = 0

    def line(self, text: str) -> None:
        """One was written: keep it, and pass it on unless it is empty."""
        self.keep(text)
        if text and self._passed_on < MOST_TOLD:
            self._passed_on += 1
            self._told(text if self._passed_on < MOST_TOLD else "... (the rest is in the log: motet image logs)")

    def keep(self, text: str) -> None:
        """Keep a line that is for nobody else."""
        if self._kept > MOST_KEPT:
            return
        self._kept += len(text) + 1
        if self._kept > MOST_KEPT:
            text = f"... (more than {MOST_KEPT >> 20} MiB: what follows is not kept, but for how the build ended)"
        self.end(text)

    def end(self, text: str) -> None:
        """How it ended, which is kept in any case."""
        self._file.write(f"{text}\n")
        self._file.flush()


def lines_of(stream: IO[bytes]) -> Iterator[bytes]:
    """What a program writes, line by line, without the ends of lines."""
    while raw := stream.readline(LONGEST_LINE):
        yield raw.rstrip(b"\r\n")
