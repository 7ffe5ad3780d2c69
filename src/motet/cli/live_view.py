"""The live view: a table with a row per function, drawn from its progress."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from motet.cli.progress import FunctionProgress, Progress
from motet.cli.summary import clock, rate, target_line
from motet.cli.tables import fitting
from motet.model.views import ContainerView, FunctionView

_BAR_LEVELS = "▁▂▃▄▅▆▇█"
_WIDE = 100
_BAR_WIDTH = 40
_STATES = ("ready", "starting", "draining", "stopping")
_STATE_STYLES = {"ready": "green", "starting": "yellow", "draining": "magenta", "stopping": "magenta"}


def live_view(progress: Progress, *, status: str, width: int) -> RenderableType:
    """The view for a terminal `width` columns wide. `status`: what the run is doing, if not the obvious."""
    elapsed = clock(progress.latest - progress.began)
    app = progress.app
    words = [f"{app.name} {app.app_id}"] if app is not None else []
    title = Text("  ".join([*words, elapsed, *([status] if status else [])]), style="dim")
    functions = progress.functions
    if not functions:
        return Group(title)
    shortages = [
        Text(f"{function.view.name}: {function.view.shortage}", style="yellow", no_wrap=True, overflow="ellipsis")
        for function in functions
        if function.view.shortage
    ]
    targets = [
        Text(f"{view.name}: {target_line(learned)}: {learned.reason}", style="dim", no_wrap=True, overflow="ellipsis")
        for view in (function.view for function in functions)
        if (learned := view.learned_target) is not None
    ]
    return Group(title, _table(functions, width), *targets, *shortages)


def _table(functions: Sequence[FunctionProgress], width: int) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    table.add_column("function", no_wrap=True, overflow="ellipsis", max_width=30)
    # Least widths, so that the columns do not jump with every digit more.
    table.add_column("containers", no_wrap=True, overflow="ellipsis", min_width=min(24, width // 5))
    bursts = any(function.view.max_inputs > function.view.target_inputs for function in functions)
    for name in ("running/target/max" if bursts else "running/max", "waiting", "done", "failed", "inputs/s", "time"):
        table.add_column(name, justify="right", no_wrap=True, min_width=min(7, width // 16))
    for function in functions:
        table.add_row(*_cells(function, bar_width=_BAR_WIDTH if width >= _WIDE + _BAR_WIDTH else max(0, width - _WIDE)))
    return fitting(table, width)


def _cells(function: FunctionProgress, bar_width: int) -> list[Text]:
    view = function.view
    return [
        Text(view.name, style="bold"),
        Text("  ").join(part for part in (container_counts(view), container_bar(view, bar_width)) if part),
        running_cell(view),
        Text(f"{view.waiting_inputs:,}"),
        Text(f"{view.succeeded_inputs:,}", style="green" if view.succeeded_inputs else "dim"),
        Text(f"{view.failed_inputs:,}", style="bold red" if view.failed_inputs else "dim"),
        Text(rate(function.rate) if function.rate else "-"),
        Text(clock(function.elapsed), style="dim"),
    ]


def container_counts(view: FunctionView) -> Text:
    """How many containers there are in each state: `8 ready, 2 starting`."""
    states = Counter(container.state for container in view.containers)
    parts = [Text(f"{states[it]} {it}", style=_STATE_STYLES[it]) for it in _STATES if states[it]]
    return Text(", ").join(parts) if parts else Text("none", style="dim")


def running_cell(view: FunctionView) -> Text:
    """Running inputs over the room the ready containers have: n/target, and the cap where bursts may go beyond."""
    ready = sum(container.state == "ready" for container in view.containers)
    target, cap = ready * view.target_inputs, ready * view.max_inputs
    style = "yellow" if view.running_inputs > target and view.max_inputs > view.target_inputs else ""
    room = f"/{target:,}" + (f"/{cap:,}" if cap > target else "")
    return Text(f"{view.running_inputs:,}{room}", style=style)


def container_bar(view: FunctionView, width: int) -> Text:
    """One character per container, as high as it is full; `+n` for those that do not fit in `width`.

    Green up to the target, yellow in a burst beyond it, magenta when it takes no more inputs, `·` idle, `○` starting.
    """
    bar = Text()
    if width <= 0 or not view.containers:
        return bar
    for container in view.containers[:width]:
        bar.append(*_mark(container, view))
    if len(view.containers) > width:
        bar.append(f" +{len(view.containers) - width}", style="dim")
    return bar


def _mark(container: ContainerView, view: FunctionView) -> tuple[str, str]:
    if container.state == "starting":
        return "○", "yellow"
    if not container.running_inputs:
        return "·", "dim"
    level = _BAR_LEVELS[min(container.running_inputs * len(_BAR_LEVELS) // view.max_inputs, len(_BAR_LEVELS) - 1)]
    if container.state != "ready":
        return level, "magenta"
    return level, "yellow" if container.running_inputs > view.target_inputs else "green"
