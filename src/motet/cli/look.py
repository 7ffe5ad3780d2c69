"""How text is shown on a stream."""

from __future__ import annotations

import os
from enum import Enum, auto
from typing import TextIO


class Look(Enum):
    """How text is shown: as it is, in a file or pipe; without colours; with them."""

    FILE = auto()
    PLAIN = auto()
    COLOUR = auto()


def look_of(stream: TextIO) -> Look:
    """How text is shown on a stream. NO_COLOR and TERM=dumb are respected."""
    if not stream.isatty():
        return Look.FILE
    return Look.COLOUR if may_colour() else Look.PLAIN


def may_colour() -> bool:
    """Whether the environment has nothing against colours."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")
