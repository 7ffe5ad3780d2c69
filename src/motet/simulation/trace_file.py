"""Traces as CSV files: what was recorded elsewhere, or by hand."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator

from motet.errors import InvalidError
from motet.simulation.trace import LONGEST, Trace

HEADER = "arrival,duration"
LATEST = 366 * 86_400.0
"""Seconds up to which inputs may arrive: a year."""


def parse_trace(lines: Iterable[str], name: str) -> Trace:
    """The trace in a CSV file with the header `arrival,duration`, both in seconds: when each input arrives, counted from the
    start of the trace, and how long it runs alone. Rows may be in any order. `name` is the file's.

    Raises `InvalidError` that says which line is wrong, and how.
    """
    rows = enumerate(lines, start=1)
    _, first = next(rows, (1, ""))
    if first.lstrip("\ufeff").strip().lower().replace(" ", "") != HEADER:
        raise InvalidError(f"{name}, line 1: the header must be {HEADER!r}, got {first.strip()[:80]!r}")
    pairs = list(_pairs(rows, name))
    if not pairs:
        raise InvalidError(f"{name}: it has no inputs, only a header")
    pairs.sort(key=lambda pair: pair[0])
    arrivals, durations = zip(*pairs, strict=True)
    return Trace(name=name, arrivals=array("d", arrivals), durations=array("d", durations))


def _pairs(rows: Iterator[tuple[int, str]], name: str) -> Iterator[tuple[float, float]]:
    for number, line in rows:
        text = line.strip()
        if not text:
            continue
        cells = text.split(",")
        if len(cells) != 2:
            raise InvalidError(f"{name}, line {number}: a row has an arrival and a duration, got {text[:80]!r}")
        arrival = _seconds("arrival", cells[0], LATEST, number, name)
        yield arrival, _seconds("duration", cells[1], LONGEST, number, name)


def _seconds(what: str, cell: str, most: float, number: int, name: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not 0 <= value <= most:
        text = f"{cell.strip()[:40]!r} is not a number of seconds from 0 to {most:,.0f}"
        raise InvalidError(f"{name}, line {number}: {what} {text}")
    return value
