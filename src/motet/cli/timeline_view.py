"""Timelines of inputs, drawn with characters: a bar for each attempt, cut where its time went."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from motet.cli.summary import seconds
from motet.cli.tables import kind_word, state_cell
from motet.model.outcome import OutcomeKind
from motet.records.timeline import MEANINGS, Phase, Span, Timeline
from motet.sdk.run.terminal_text import harmless

_WIDE = 120
_LEAST = 0.0005
"""Seconds below which a phase is not worth a line."""

# Each phase has a character of its own, too: bars are to be read without colours.
_MARKS: dict[Phase, tuple[str, str]] = {
    "queued": ("·", "bright_black"),
    "placing": ("░", "yellow"),
    "starting": ("▒", "yellow"),
    "loading": ("▓", "blue"),
    "entering": ("▚", "cyan"),
    "delayed": ("┄", "yellow"),
    "slot": ("─", "magenta"),
    "sending": ("╌", "white"),
    "running": ("█", "green"),
    "blocked": ("!", "bold red"),
}


def bar(spans: Iterable[Span], began: float, ended: float, width: int) -> Text:
    """Spans on an axis of `width` columns from `began` to `ended`: each column shows what was going on at its middle."""
    drawn = Text()
    parts = [span for span in spans if span.ended > span.began]
    step = (ended - began) / width if width > 0 else 0.0
    place = 0
    for column in range(width if step > 0 else 0):
        middle = began + (column + 0.5) * step
        while place < len(parts) and parts[place].ended <= middle:
            place += 1
        if place == len(parts):
            break
        drawn.append(*(_MARKS[parts[place].phase] if parts[place].began <= middle else (" ", "")))
    return drawn


def attempts_view(timeline: Timeline, *, width: int, running: bool) -> RenderableType:
    """A row for each attempt and for what came after the last; `running`: the last one has not ended."""
    rows = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    for _ in range(4):
        rows.add_column(no_wrap=True)
    wide = width >= _WIDE
    room = max(10, width - (12 + 22 + 8) - (34 if wide else 6))
    last = len(timeline.attempts)
    for attempt in timeline.attempts:
        is_on = running and attempt.number == last
        taken = sum(span.seconds for span in attempt.spans)
        end = state_cell("running" if is_on else kind_word(attempt.kind)) + Text(
            f" {'for' if is_on else 'after'} {seconds(taken)}", "dim"
        )
        rows.add_row(
            _number(attempt.number, last),
            # The end of its id, as `motet run` shows it, where there is no room for more.
            attempt.container_id if wide else f"…{attempt.container_id[-5:]}",
            bar(attempt.spans, timeline.began, timeline.ended, room),
            end,
        )
    if timeline.rest:
        waits = state_cell("waiting" if running else "cancelled")
        label = "then" if last else "not started"
        rows.add_row(label, "", bar(timeline.rest, timeline.began, timeline.ended, room), waits if running else "")
    axis = seconds(timeline.ended - timeline.began)
    rows.add_row("", "", Text(f"0{axis:>{max(1, room - 1)}}", style="dim"), "")
    return rows


def _number(number: int, count: int) -> str:
    return f"attempt {number}" if count > 1 else "attempt"


def legend(timeline: Timeline) -> RenderableType:
    """Each phase with its mark, its share, and what it means."""
    whole = timeline.ended - timeline.began
    rows = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    for justify in ("left", "left", "right", "right"):
        rows.add_column(justify=justify, no_wrap=True)
    rows.add_column()
    for phase, share in sorted(timeline.seconds().items(), key=lambda each: list(_MARKS).index(each[0])):
        if share < _LEAST:
            continue
        mark, style = _MARKS[phase]
        percent = f"{100 * share / whole:.0f}%" if whole else ""
        rows.add_row(Text(mark * 2, style=style), phase, seconds(share), percent, Text(MEANINGS[phase], style="dim"))
    return rows


def blockers(timeline: Timeline, places: dict[str, str]) -> list[Text]:
    """Who kept the input from running, and for how long; `places`: where in its code, by input."""
    shares: dict[str, float] = {}
    for span in timeline.spans:
        if span.phase == "blocked":
            shares[span.by] = shares.get(span.by, 0.0) + span.seconds
    return [
        Text(f"blocked for {seconds(share)} by {input_id}{_place(places.get(input_id, ''))}", style="red")
        for input_id, share in sorted(shares.items(), key=lambda each: -each[1])
    ]


def _place(place: str) -> str:
    return f": {harmless(place)}" if place else ""


class Row:
    """An input among others of its call."""

    def __init__(self, input_id: str, state: str, timeline: Timeline) -> None:
        self.input_id = input_id
        self.state = state
        self.timeline = timeline

    @property
    def seconds(self) -> float:
        """From its submission to its end, or until now."""
        return self.timeline.ended - self.timeline.began


def inputs_view(rows: Sequence[Row], *, width: int) -> RenderableType:
    """Inputs, one bar each, on one axis from the first submission to the last end. All of its attempts are in its bar: where
    one ended without success, the next begins."""
    shown = Table(box=None, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)
    began = min(row.timeline.began for row in rows)
    ended = max(row.timeline.ended for row in rows)
    room = max(10, width - 40 - 28)
    shown.add_column("input id", min_width=34, overflow="fold")
    for name in ("state", "time", "attempts"):
        shown.add_column(name, justify="left" if name == "state" else "right", no_wrap=True)
    shown.add_column(Text(f"0{seconds(ended - began):>{room - 1}}"), no_wrap=True)
    for row in rows:
        count = len(row.timeline.attempts)
        shown.add_row(
            row.input_id,
            state_cell(row.state),
            seconds(row.seconds),
            Text(str(count), style="yellow" if count > 1 else ""),
            bar(row.timeline.spans, began, ended, room),
        )
    return shown


def short_legend(rows: Sequence[Row]) -> Text:
    """The marks that the bars of several inputs have, on one line."""
    phases = {span.phase for row in rows for span in row.timeline.spans}
    return Text("  ").join(Text.assemble(mark, f" {phase}") for phase, mark in _MARKS.items() if phase in phases)


def failed(kind: OutcomeKind) -> bool:
    """Whether something went wrong, so that its text is to be shown."""
    return kind is not OutcomeKind.SUCCESS


def group(*parts: RenderableType) -> RenderableType:
    """One below the other."""
    return Group(*parts)
