"""One measured row: its repetitions, its floor, and the limit of the same run."""

from __future__ import annotations

import statistics
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one workload gave.

    `floor` is what must be reached (None: reported only): at least that where `higher_is_better`, at most that where
    not. `limit` is what the machine did without Motet in the same run, in the same unit.
    """

    name: str
    unit: str
    values: tuple[float, ...]
    floor: float | None = None
    higher_is_better: bool = False
    limit: float | None = None
    limit_name: str = ""
    idle_before: float = 0.0

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def passed(self) -> bool | None:
        """Whether the median reaches the floor; None where there is none."""
        if self.floor is None:
            return None
        return self.median >= self.floor if self.higher_is_better else self.median <= self.floor

    @property
    def ratio(self) -> float | None:
        """The median divided by the limit."""
        return self.median / self.limit if self.limit else None

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
        }

    def cells(self) -> list[str]:
        """One line of the table."""
        bound = "" if self.floor is None else f"{'≥' if self.higher_is_better else '≤'} {_number(self.floor)}"
        mark = {None: "", True: "ok", False: "MISSED"}[self.passed]
        spread = f"[{_number(min(self.values))}..{_number(max(self.values))}]" if len(self.values) > 1 else ""
        limit = f"{_number(self.limit)} ({self.limit_name})" if self.limit else ""
        ratio = f"{self.ratio:.2g}x" if self.ratio else ""
        idle = f"{self.idle_before:.0%}"
        return [self.name, self.unit, bound, _number(self.median), spread, mark, limit, ratio, idle]


HEADINGS = ["what", "unit", "floor", "median", "[min..max]", "", "limit of this run", "ratio", "idle before"]


def table(rows: list[Row]) -> str:
    """All rows as a Markdown table that reads as plain text too."""
    lines = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    padded = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    return "\n".join([padded[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *padded[1:]])


def _number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.3f}"
