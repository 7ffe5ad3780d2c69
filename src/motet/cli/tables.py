"""Tables of what runs and ran, in the style of the live view."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from motet.cli.summary import seconds
from motet.model.outcome import OutcomeKind
from motet.sdk.run.terminal_text import harmless

_ID_CHARS = {"app id": 29, "input id": 31, "function id": 34, "container id": 34}
_NAMES = ("name", "function", "app")
_NAME_CHARS = 24
_ENDLESS = 10_000

STYLES = {
    "running": "green",
    "deployed": "green",
    "live": "green",
    "detached": "green",
    "canary": "yellow",
    "replaced": "dim",
    "failed": "red",
    "stopped": "dim",
    "ready": "green",
    "success": "green",
    "waiting": "yellow",
    "delayed": "yellow",
    "starting": "yellow",
    "silent": "red",
    "draining": "magenta",
    "stopping": "magenta",
    "failure": "red",
    "timed out": "red",
    "lost": "red",
    "refused": "red",
    "cancelled": "magenta",
    "ended": "dim",
    "on": "green",
    "paused": "yellow",
}


def table(*columns: str, right: Sequence[str] = ()) -> Table:
    """An empty table, the columns that matter most first. Ids (columns that end so) are never cut off: they are there to be
    copied."""
    made = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for name in columns:
        made.add_column(
            name,
            justify="right" if name in right else "left",
            no_wrap=True,
            overflow="ellipsis",
            min_width=_ID_CHARS.get(name),
        )
    return made


def fitting(shown: Table, width: int) -> Table:
    """The table as wide as there is room: with names cut off if they are long, and without its last columns."""
    for column in shown.columns:
        if column.header in _NAMES and _width(shown) > width:
            column.max_width = _NAME_CHARS
    while len(shown.columns) > 2 and _width(shown) > width:
        shown.columns.pop()
    return shown


def _width(shown: Table) -> int:
    endless = Console(width=_ENDLESS)
    return Measurement.get(endless, endless.options, shown).maximum


def cell(value: object, style: str = "") -> Text:
    """A cell; None is a dash."""
    if value is None:
        return Text("-", style="dim")
    return Text(f"{value:,}" if isinstance(value, int) else harmless(str(value).rstrip("\n")), style=style)


def state_cell(state: str) -> Text:
    """A state in its colour, with what may follow its word."""
    return Text(state, style=STYLES.get(state, STYLES.get(state.partition(" ")[0], "")))


def kind_word(kind: OutcomeKind) -> str:
    """An outcome as it is written: "timed out"."""
    return kind.name.lower().replace("_", " ")


def moment(at: float | None, now: float | None = None) -> str:
    """A moment in local time, without the date if it is today's."""
    if not at:
        return "-"
    when, today = datetime.fromtimestamp(at), datetime.fromtimestamp(time.time() if now is None else now)
    return f"{when:%H:%M:%S}" if when.date() == today.date() else f"{when:%Y-%m-%d %H:%M:%S}"


def duration(taken: float | None) -> str:
    """Seconds for people; a dash for None."""
    return "-" if taken is None else seconds(max(0.0, taken))
