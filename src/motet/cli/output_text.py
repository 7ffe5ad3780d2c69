"""Lines of container output as text for a terminal or a file: prefix, time, colours.

The text is made by hand, because a client may get tens of thousands of lines a second, and laying each out with Rich
takes ten times as long.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from motet.sdk.run.output import ArrivedLines, line_prefix
from motet.sdk.run.terminal_text import displayable

_COLOURS = {"stdout": "", "stderr": "\x1b[31m", "system": "\x1b[33m"}
_DIM, _RESET = "\x1b[2m", "\x1b[0m"


def output_text(batch: Sequence[ArrivedLines], *, timestamps: bool, terminal: bool) -> str:
    """All lines of a batch, each ended by a newline.

    For a `terminal`, prefixes are dim and stderr is red; of what the lines themselves contain, colours stay and
    everything that moves the cursor goes, and only what a carriage return left visible is shown.
    """
    return "".join(_lines(arrived, timestamps, terminal) for arrived in batch)


def _lines(arrived: ArrivedLines, timestamps: bool, terminal: bool) -> str:
    prefix = line_prefix(arrived.output)
    if timestamps:
        prefix = f"{datetime.fromtimestamp(arrived.at):%H:%M:%S.%f}"[:-3] + f" {prefix}"
    if not terminal:
        return "".join(f"{prefix}{line}\n" for line in arrived.output.lines)
    return "".join(coloured(prefix, line, arrived.output.stream) for line in arrived.output.lines)


def coloured(prefix: str, line: str, source: str) -> str:
    """A line for a terminal, with its newline: a dim prefix, the colour of its source, and nothing that moves the cursor."""
    colour = _COLOURS[source]
    start = f"{_DIM}{prefix}{_RESET}{colour}" if prefix else colour
    end = f"{_RESET}\n" if colour or "\x1b" in line else "\n"
    return f"{start}{displayable(line)}{end}"
