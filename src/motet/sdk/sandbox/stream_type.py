"""`motet.stream_type.StreamType`: what becomes of what a command in a sandbox writes."""

from __future__ import annotations

import enum
import subprocess


class StreamType(enum.Enum):
    """`PIPE`: it is kept for whoever reads it. `STDOUT`: it is printed here as it comes. `DEVNULL`: it is thrown away."""

    DEVNULL = subprocess.DEVNULL
    PIPE = subprocess.PIPE
    STDOUT = subprocess.STDOUT

    def __repr__(self) -> str:
        return f"StreamType.{self.name}"
