"""Pictures of figures: panels of points with two axes each, logarithmic where values are far apart, as SVG."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from motet.simulation.axis import Axis

COLORS = ("#0b6bcb", "#d1495b", "#e08a00", "#2a9d5c", "#7a4fb5", "#6b7680")
INK, FAINT = "#24292f", "#d0d7de"
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM, HEAD = 330, 250, 62, 28, 16, 40, 34


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Points by what they are of; `joined` draws lines between them. `up_to`: the upward axis begins at 0 and ends there."""

    title: str
    across: str
    up: str
    points: Mapping[str, Sequence[tuple[float, float]]]
    joined: bool = False
    up_to: float | None = None


def picture(panels: Sequence[Panel], columns: int) -> str:
    """All panels, with one legend above them."""
    names = list(dict.fromkeys(name for panel in panels for name in panel.points))
    colors = {name: COLORS[number % len(COLORS)] for number, name in enumerate(names)}
    width, height = WIDTH * min(columns, len(panels)), HEAD + HEIGHT * -(-len(panels) // columns)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        f'<g font-family="Helvetica, Arial, Liberation Sans, DejaVu Sans, sans-serif" font-size="11" fill="{INK}">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    x = LEFT
    for name in names:
        parts.append(
            f'<circle cx="{x + 5}" cy="18" r="5" fill="{colors[name]}"/><text x="{x + 14}" y="22">{name}</text>'
        )
        x += 40 + 6 * len(name)
    for number, panel in enumerate(panels):
        row, column = divmod(number, columns)
        parts += [f'<g transform="translate({column * WIDTH} {HEAD + row * HEIGHT})">', *_drawn(panel, colors), "</g>"]
    return "\n".join([*parts, "</g>", "</svg>", ""])


def _drawn(panel: Panel, colors: Mapping[str, str]) -> Iterator[str]:
    every = [point for points in panel.points.values() for point in points]
    across = Axis.of(x for x, _ in every)
    up = Axis.of(y for _, y in every) if panel.up_to is None else Axis(0.0, panel.up_to, False)
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    places = {
        name: [(LEFT + (right - LEFT) * across.place(x), bottom - (bottom - TOP) * up.place(y)) for x, y in points]
        for name, points in panel.points.items()
    }
    yield f'<text x="{LEFT}" y="14" font-size="12" font-weight="bold">{escape(panel.title)}</text>'
    yield f'<text x="{right}" y="{HEIGHT - 8}" text-anchor="end">{escape(panel.across)}</text>'
    yield f'<text x="14" y="{TOP}" transform="rotate(-90 14 {TOP})" text-anchor="end">{escape(panel.up)}</text>'
    for tick in up.ticks():
        y = bottom - (bottom - TOP) * up.place(tick)
        yield f'<line x1="{LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}" stroke="{FAINT}" stroke-width="0.5"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:,.4g}</text>'
    last = float("-inf")
    for tick in _ticks(across):
        x = LEFT + (right - LEFT) * across.place(tick)
        yield f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom}" stroke="{FAINT}" stroke-width="0.5"/>'
        if x - last > 44:
            last = x
            yield f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{tick:,.7g}</text>'
    for name, points in places.items():
        if panel.joined:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            yield f'<polyline points="{path}" fill="none" stroke="{colors[name]}" stroke-width="1.5"/>'
        for x, y in points:
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{colors[name]}"><title>{escape(name)}</title></circle>'


def _ticks(axis: Axis) -> list[float]:
    ticks = axis.ticks()
    powers = [tick for tick in ticks if math.log10(tick).is_integer()] if axis.is_logarithmic else []
    return powers if len(powers) > 2 else ticks
