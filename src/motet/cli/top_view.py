"""The view of `motet top`: a row for each function, then the containers, as many as there is room for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.text import Text

from motet.cli.function_stats import Percentiles
from motet.cli.live_view import container_bar, container_counts, running_cell
from motet.cli.progress import FunctionProgress
from motet.cli.summary import count, rate
from motet.cli.tables import cell, duration, fitting, state_cell, table
from motet.model.views import AppView, FunctionView
from motet.sdk.run.terminal_text import harmless

_BAR = 20
_WIDE = 130


class FunctionRow(NamedTuple):
    """A function that runs. `latency`: from submission to end, of inputs that ended in the last seconds."""

    app: AppView
    progress: FunctionProgress
    latency: Percentiles

    @property
    def view(self) -> FunctionView:
        """Its latest numbers."""
        return self.progress.view


def top_view(pools: Sequence[FunctionRow], *, servers: int, width: int, height: int | None) -> RenderableType:
    """The view for a terminal of that size; `height` None: as long as it is."""
    shown = [pool for pool in pools if pool.progress.is_used]
    shown.sort(key=lambda pool: -(pool.view.running_inputs + pool.view.waiting_inputs))
    unused = len(pools) - len(shown)
    parts: list[RenderableType] = [_title(pools, servers)]
    room = (height or 10_000) - 3
    if shown:
        rows = shown[: max(1, room)]
        parts.append(_functions(rows, width))
        room -= len(rows) + 1
    room -= len(shortages := [_shortage(pool) for pool in shown if pool.view.shortage])
    parts += shortages
    if unused:
        parts.append(Text(f"{count(unused, 'function')} not used yet", style="dim"))
        room -= 1
    if room > 2 and any(pool.view.containers for pool in shown):
        parts += [Text(), _containers(shown, room - 2, width)]
    return Group(*parts)


def _title(pools: Sequence[FunctionRow], servers: int) -> Text:
    apps = {pool.app.app_id: pool.app.name for pool in pools}
    numbers = (
        count(servers, "server"),
        count(len(apps), "app") if len(apps) != 1 else f"app {harmless(*apps.values())}",
        count(sum(len(pool.view.containers) for pool in pools), "container"),
        f"{sum(pool.view.running_inputs for pool in pools):,} running",
        f"{sum(pool.view.waiting_inputs for pool in pools):,} waiting",
        f"{rate(sum(pool.progress.rate for pool in pools))} inputs/s",
    )
    return Text("  ".join(numbers), style="bold", no_wrap=True, overflow="ellipsis")


def _functions(pools: Sequence[FunctionRow], width: int) -> RenderableType:
    bursts = any(pool.view.max_inputs > pool.view.target_inputs for pool in pools)
    room = "running/target/max" if bursts else "running/max"
    numbers = (room, "waiting", "done", "failed", "inputs/s", "p50", "p95")
    several = len({pool.app.app_id for pool in pools}) > 1
    shown = table(*(["app"] if several else []), "function", "containers", *numbers, right=numbers)
    bar_width = _BAR if width >= _WIDE else 0
    for pool in pools:
        view = pool.view
        shown.add_row(
            *([cell(pool.app.name)] if several else []),
            cell(view.name, "bold"),
            Text("  ").join(part for part in (container_counts(view), container_bar(view, bar_width)) if part),
            running_cell(view),
            cell(view.waiting_inputs, "yellow" if view.waiting_inputs else "dim"),
            cell(view.succeeded_inputs, "green" if view.succeeded_inputs else "dim"),
            cell(view.failed_inputs, "bold red" if view.failed_inputs else "dim"),
            rate(pool.progress.rate) if pool.progress.rate else "-",
            duration(pool.latency.p50),
            duration(pool.latency.p95),
        )
    return fitting(shown, width)


def _shortage(pool: FunctionRow) -> Text:
    return Text(f"{pool.view.name}: {pool.view.shortage}", style="yellow", no_wrap=True, overflow="ellipsis")


def _containers(pools: Sequence[FunctionRow], room: int, width: int) -> RenderableType:
    every = [(pool, each) for pool in pools for each in pool.view.containers]
    every.sort(key=lambda each: -each[1].running_inputs)
    numbers = ("running/max", "done", "age")
    shown = table("container id", "function", "state", *numbers, right=numbers)
    for pool, each in every[: room if len(every) <= room else room - 1]:
        shown.add_row(
            each.container_id,
            cell(pool.view.name),
            state_cell(each.state),
            f"{each.running_inputs}/{pool.view.max_inputs}",
            cell(each.finished_inputs),
            duration(each.age),
        )
    if len(every) > room:
        shown.add_row(Text(f"and {len(every) - room + 1} others", style="dim"))
    return fitting(shown, width)
