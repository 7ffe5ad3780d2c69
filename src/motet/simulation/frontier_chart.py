"""A picture of cost against latency: as text for terminals, and as SVG."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from motet.simulation.axis import Axis

TRIED, FRONTIER, NOW, CHOSEN, POLICY = "·", "o", "N", "C", "p"
COLORS = {TRIED: "#9aa7b1", FRONTIER: "#0b6bcb", NOW: "#d1495b", CHOSEN: "#2a9d5c", POLICY: "#e08a00"}
INK, FAINT = "#24292f", "#d0d7de"
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 460, 70, 24, 56, 46


@dataclass(frozen=True, slots=True)
class ChartPoint:
    """Container-seconds and latency, marked as what it is; later points are drawn above earlier ones."""

    cost: float
    latency: float
    mark: str
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontierChart:
    """Points, the name of the latency, and its limit, if there is one."""

    title: str
    measure: str
    points: Sequence[ChartPoint]
    limit: float | None = None

    @property
    def _axes(self) -> tuple[Axis, Axis]:
        limits = [] if self.limit is None else [self.limit]
        return Axis.of(point.cost for point in self.points), Axis.of([*(it.latency for it in self.points), *limits])

    def text(self, width: int = 68, height: int = 14) -> str:
        """For a terminal: `width` by `height` characters, and its labels around them."""
        across, up = self._axes
        rows = [[" "] * width for _ in range(height)]
        labels = dict.fromkeys(range(height), "")
        for tick in up.ticks():
            labels[_row(up, tick, height)] = f"{tick:.4g}"
        if self.limit is not None:
            rows[_row(up, self.limit, height)] = ["┄"] * width
            labels[_row(up, self.limit, height)] = f"{self.limit:.4g}"
        for point in self.points:
            rows[_row(up, point.latency, height)][round(across.place(point.cost) * (width - 1))] = point.mark
        lines = [f"{labels[number]:>8} │{''.join(row)}".rstrip() for number, row in enumerate(rows)]
        return "\n".join([f"{self.measure}, s", *lines, f"{'':>8} └{'─' * width}", *_scale(across, width)])

    def svg(self) -> str:
        """The same for a file."""
        across, up = self._axes
        parts = [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
                f'font-family="Helvetica, Arial, Liberation Sans, DejaVu Sans, sans-serif" font-size="11" fill="{INK}">'
            ),
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
            f'<text x="{LEFT}" y="20" font-size="14" font-weight="bold">{escape(self.title)}</text>',
            *self._legend(),
            *_grid(across, up),
            f'<text x="{LEFT}" y="{TOP - 6}" text-anchor="end">{self.measure}, s</text>',
            f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 12}" text-anchor="end">container-seconds</text>',
        ]
        if self.limit is not None:
            y = _y(up, self.limit)
            parts.append(
                f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="{INK}" stroke-dasharray="5 4"/>'
            )
        for point in self.points:
            x, y = _x(across, point.cost), _y(up, point.latency)
            radius = 3 if point.mark == TRIED else 5
            name = f"<title>{escape(point.name)}</title>"
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{COLORS[point.mark]}">{name}</circle>')
        return "\n".join([*parts, "</svg>", ""])

    def _legend(self) -> Iterator[str]:
        x = LEFT
        for mark, text in legend(self.points):
            yield f'<circle cx="{x + 5}" cy="35" r="5" fill="{COLORS[mark]}"/>'
            yield f'<text x="{x + 14}" y="39">{escape(text)}</text>'
            x += 34 + 6 * len(text)


def legend(points: Sequence[ChartPoint]) -> list[tuple[str, str]]:
    """The marks among these, and what they mean."""
    texts = {
        NOW: "now",
        CHOSEN: "chosen",
        FRONTIER: "on the frontier",
        TRIED: "other settings",
        POLICY: "other policies",
    }
    used = {point.mark for point in points}
    return [(mark, text) for mark, text in texts.items() if mark in used]


def _row(up: Axis, value: float, height: int) -> int:
    return height - 1 - round(up.place(value) * (height - 1))


def _scale(across: Axis, width: int) -> list[str]:
    line = [" "] * (width + 10)
    for tick in across.ticks():
        text, at = f"{tick:,.6g}", 10 + round(across.place(tick) * (width - 1))
        start = max(0, min(at - len(text) // 2, len(line) - len(text)))
        if all(character == " " for character in line[max(0, start - 2) : start + len(text) + 2]):
            line[start : start + len(text)] = text
    return ["".join(line).rstrip(), f"{'container-seconds':>{width + 10}}"]


def _x(across: Axis, value: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * across.place(value)


def _y(up: Axis, value: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * up.place(value)


def _grid(across: Axis, up: Axis) -> Iterator[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    for tick in up.ticks():
        y = _y(up, tick)
        yield f'<line x1="{LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}" stroke="{FAINT}" stroke-width="0.5"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:,.4g}</text>'
    for tick in across.ticks():
        x = _x(across, tick)
        yield f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom}" stroke="{FAINT}" stroke-width="0.5"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{tick:,.6g}</text>'
