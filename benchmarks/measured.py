"""One measured row: its repetitions, its floor, and the limit of the same run."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one workload gave.

    `floor` is what must be reached (None: reported only): at least that where `higher_is_better`, at most that where
    not. `limit` is what the machine did without Motet in the same run, in the same unit. Where there are no values, `note`
    says why.
    """

    name: str
    unit: str
    values: tuple[float, ...]
    floor: float | None = None
    higher_is_better: bool = False
    limit: float | None = None
    limit_name: str = ""
    idle_before: float = 0.0
    note: str = ""

    @property
    def median(self) -> float | None:
        return statistics.median(self.values) if self.values else None

    @property
    def passed(self) -> bool | None:
        """Whether the median reaches the floor; None where there is none of either."""
        median = self.median
        if self.floor is None or median is None:
            return None
        return median >= self.floor if self.higher_is_better else median <= self.floor

    @property
    def ratio(self) -> float | None:
        """The median divided by the limit."""
        return self.median / self.limit if self.limit and self.median is not None else None

    def as_json(self) -> dict[str, object]:
        """Everything, for a file."""
        return {
            "name": self.name,
            "unit": self.unit,
            "median": self.median,
            "values": self.values,
            "floor": self.floor,
            "passed": self.passed,
            "limit": self.limit,
            "limit_name": self.limit_name,
            "ratio": self.ratio,
            "idle_before": self.idle_before,
            "note": self.note,
        }

    def cells(self) -> list[str]:
        """One line of the table."""
        bound = "" if self.floor is None else f"{'≥' if self.higher_is_better else '≤'} {_number(self.floor)}"
        mark = {None: "", True: "ok", False: "MISSED"}[self.passed]
        spread = f"[{_number(min(self.values))}..{_number(max(self.values))}]" if len(self.values) > 1 else ""
        limit = f"{_number(self.limit)} ({self.limit_name})" if self.limit else ""
        ratio = f"{self.ratio:.2g}x" if self.ratio else ""
        idle = f"{self.idle_before:.0%}" if self.values else ""
        median = self.note if self.median is None else _number(self.median)
        return [self.name, self.unit, bound, median, spread, mark, limit, ratio, idle]


HEADINGS = ["what", "unit", "floor", "median", "[min..max]", "", "limit of this run", "ratio", "idle before"]


def table(rows: Sequence[Row]) -> str:
    """All rows as a Markdown table."""
    return markdown(HEADINGS, [row.cells() for row in rows])


def markdown(headings: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """A Markdown table that reads as plain text too."""
    lines = [headings, *body]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    padded = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    return "\n".join([padded[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *padded[1:]])


def show(headings: Sequence[str], body: Sequence[Sequence[str]]) -> None:
    """Print a table."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)  # a file or a pipe has no width of its own
    shown = Table()
    for heading in headings:
        shown.add_column(Text(heading))
    for line in body:
        shown.add_row(*(Text(cell) for cell in line))
    console.print(shown)


def _number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.3f}"
