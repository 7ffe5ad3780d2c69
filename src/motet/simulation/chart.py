"""A picture of simulations over time: arrivals, containers, queue and latency, as SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from motet.simulation.report import Report
from motet.simulation.timeline import LoadTimeline

WIDTH, PANEL_HEIGHT, LEFT, RIGHT, TOP, GAP, BOTTOM = 960, 130, 70, 20, 68, 34, 40
COLORS = ("#0b6bcb", "#d1495b", "#2a9d5c", "#e08a00", "#7b4fb5", "#50626e")
INK, FAINT = "#24292f", "#d0d7de"
Values = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class _Line:
    values: Values
    color: str
    dashed: bool = False


def chart(reports: Sequence[Report]) -> str:
    """All of these over the same time; those of several policies in colours of their own."""
    length = max(report.timeline.width * len(report.timeline.arrivals) for report in reports)
    height = TOP + 4 * (PANEL_HEIGHT + GAP) + BOTTOM - GAP
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
            f'font-family="Helvetica, Arial, Liberation Sans, DejaVu Sans, sans-serif" font-size="11" fill="{INK}">'
        ),
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        *_legend(reports),
    ]
    first = reports[0]
    panels = [
        ("arrivals per second", [(first, _Line(first.timeline.arrivals, FAINT))], True),
        ("containers", _lines(reports, lambda timeline: timeline.containers), False),
        ("waiting inputs", _lines(reports, lambda timeline: timeline.waiting), False),
        (
            "latency in seconds, by arrival: p95, dashed p50",
            [
                *_lines(reports, lambda timeline: timeline.p95),
                *_lines(reports, lambda timeline: timeline.p50, dashed=True),
            ],
            False,
        ),
    ]
    for number, (title, lines, filled) in enumerate(panels):
        top = TOP + number * (PANEL_HEIGHT + GAP)
        parts += _panel(title, lines, top, length, filled=filled)
    parts += _time_axis(height - BOTTOM, length)
    return "\n".join([*parts, "</svg>", ""])


def _lines(
    reports: Sequence[Report], values: Callable[[LoadTimeline], Values], *, dashed: bool = False
) -> list[tuple[Report, _Line]]:
    # The first one is drawn last, above the others.
    return [
        (report, _Line(values(report.timeline), _color(i), dashed)) for i, report in reversed([*enumerate(reports)])
    ]


def _color(number: int) -> str:
    return COLORS[number % len(COLORS)]


def _legend(reports: Sequence[Report]) -> Iterator[str]:
    first = reports[0]
    yield (
        f'<text x="{LEFT}" y="20" font-size="14" font-weight="bold">{escape(first.trace)}: {first.inputs:,} inputs</text>'
    )
    x = float(LEFT)
    for number, report in enumerate(reports):
        yield f'<rect x="{x:.0f}" y="29" width="10" height="10" fill="{_color(number)}"/>'
        yield f'<text x="{x + 14:.0f}" y="38">{escape(report.policy)}</text>'
        x += 34 + 7 * len(report.policy)


def _panel(title: str, lines: list[tuple[Report, _Line]], top: float, length: float, *, filled: bool) -> Iterator[str]:
    bottom = top + PANEL_HEIGHT
    most = max((value for _, line in lines for value in line.values if value is not None), default=0.0)
    step = _step(most, 3)
    high = max(step, math.ceil(most / step - 1e-9) * step)
    yield f'<text x="{LEFT}" y="{top - 6}" font-weight="bold">{title}</text>'
    for tick in range(round(high / step) + 1):
        y = bottom - PANEL_HEIGHT * tick * step / high
        yield f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="{FAINT}" stroke-width="0.5"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick * step:,.6g}</text>'
    for report, line in lines:
        width = report.timeline.width
        for run in _runs(line.values):
            points = [
                (LEFT + (WIDTH - LEFT - RIGHT) * x * width / length, bottom - PANEL_HEIGHT * value / high)
                for at, value in run
                for x in (at, at + 1)
            ]
            text = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            if filled:
                corners = f"{points[0][0]:.1f},{bottom} {text} {points[-1][0]:.1f},{bottom}"
                yield f'<polygon points="{corners}" fill="{line.color}"/>'
            else:
                dashes = ' stroke-dasharray="3 2"' if line.dashed else ""
                yield f'<polyline points="{text}" fill="none" stroke="{line.color}" stroke-width="1.5"{dashes}/>'


def _time_axis(bottom: float, length: float) -> Iterator[str]:
    step = _step(length, 10)
    for tick in range(int(length / step) + 1):
        x = LEFT + (WIDTH - LEFT - RIGHT) * tick * step / length
        yield f'<line x1="{x:.1f}" y1="{bottom}" x2="{x:.1f}" y2="{bottom + 4}" stroke="{INK}"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{tick * step:,.6g}</text>'
    yield f'<text x="{WIDTH - RIGHT}" y="{bottom + 30}" text-anchor="end">seconds</text>'


def _runs(values: Values) -> Iterator[list[tuple[int, float]]]:
    """The stretches without gaps, each value with its column."""
    run: list[tuple[int, float]] = []
    for column, value in enumerate(values):
        if value is not None:
            run.append((column, value))
        elif run:
            yield run
            run = []
    if run:
        yield run


def _step(most: float, ticks: int) -> float:
    """A round distance between ticks, of which there are about so many."""
    if most <= 0:
        return 1.0
    rough = most / ticks
    unit = 10.0 ** math.floor(math.log10(rough))
    return next(factor * unit for factor in (1, 2, 5, 10) if factor * unit >= rough * 0.999)
