"""`motet top`: everything that runs here, in one view that keeps itself up to date."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click
import msgspec
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from motet.cli.finding import Known, known
from motet.cli.function_stats import Percentiles
from motet.cli.options import ViewCommand, json_option, print_json
from motet.cli.progress import FunctionProgress
from motet.cli.terminal import console, tell
from motet.cli.top_view import FunctionRow, top_view
from motet.model.views import AppView, FunctionView
from motet.records.queries import InputQuery

REFRESH = 0.5
LATENCY_WINDOW = 30.0
_LATENCY_INPUTS = 1000
_LATENCY_EVERY = 2.0


class TopWatch:
    """Follows all that runs, from one look to the next."""

    def __init__(self, found: Known) -> None:
        self._found = found
        self._progress: dict[str, FunctionProgress] = {}
        self._latencies: dict[str, Percentiles] = {}
        self._looked_at = 0.0
        self.servers = 0

    def look(self) -> list[FunctionRow]:
        """The pools as they are now."""
        now, wall = time.monotonic(), time.time()
        views = self._found.servers.views()
        self.servers = len({server.identity.server_id for server, _ in views})
        functions = [(app, function) for _, app in views for function in app.functions]
        self._progress = {view.function_id: self._observed(view, now) for _, view in functions}
        if now - self._looked_at >= _LATENCY_EVERY:
            self._looked_at = now
            self._latencies = {view.function_id: self._latency(view.function_id, wall) for _, view in functions}
        return [self._pool(app, view) for app, view in functions]

    def _pool(self, app: AppView, view: FunctionView) -> FunctionRow:
        latency = self._latencies.get(view.function_id, Percentiles(None, None, None, None))
        return FunctionRow(app, self._progress[view.function_id], latency)

    def _observed(self, view: FunctionView, now: float) -> FunctionProgress:
        progress = self._progress.get(view.function_id)
        if progress is None:
            progress = FunctionProgress(view, now, now)
        progress.observe(view, now)
        return progress

    def _latency(self, function_id: str, wall: float) -> Percentiles:
        query = InputQuery(function=function_id, since=wall - LATENCY_WINDOW, limit=_LATENCY_INPUTS)
        return Percentiles.of(each.ended_at - each.submitted_at for each in self._found.archive.inputs(query))


@click.command("top", cls=ViewCommand, short_help="Show everything that runs here, live.")
@click.option("--once", is_flag=True, help="Print the view once, and end.")
@json_option
def top_command(*, once: bool, as_json: bool) -> None:
    """Show everything that runs here: apps, functions and containers, queues, rates and latencies. q or Ctrl-C ends it."""
    with known() as found:
        watch = TopWatch(found)
        out = console()
        if not (once or as_json) and out.is_terminal and not out.is_dumb_terminal:
            _keep_up(watch, found)
            return
        pools = watch.look()
        time.sleep(REFRESH)  # a rate needs two looks
        pools = watch.look()
        if as_json:
            print_json(_snapshot(watch, pools))
        elif not pools:
            tell(f"No server runs under {found.home}.", err=True)
        else:
            out.print(top_view(pools, servers=watch.servers, width=min(out.width, 200), height=None))


def _keep_up(watch: TopWatch, found: Known) -> None:
    out = console()
    with _keys() as pressed, Live(console=out, screen=True, auto_refresh=False) as live:
        while True:
            pools = watch.look()
            shown = top_view(pools, servers=watch.servers, width=out.width, height=out.height)
            live.update(shown if pools else _nothing(found), refresh=True)
            if pressed(REFRESH) in ("q", "Q", "\x03"):
                return


def _nothing(found: Known) -> RenderableType:
    return Group(Text(f"No app runs under {found.home}. It shows here as soon as one does; q ends.", style="dim"))


@contextlib.contextmanager
def _keys() -> Iterator[Callable[[float], str]]:
    """A function that waits so many seconds for a key, and gives it, or "" if none came."""
    if not sys.stdin.isatty():
        yield _wait
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)

    def pressed(seconds: float) -> str:
        ready, _, _ = select.select([descriptor], [], [], seconds)
        return os.read(descriptor, 1).decode("ascii", "replace") if ready else ""

    try:
        tty.setcbreak(descriptor)
        yield pressed
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _wait(seconds: float) -> str:
    time.sleep(seconds)
    return ""


def _snapshot(watch: TopWatch, pools: Sequence[FunctionRow]) -> dict[str, Any]:
    return {
        "at": time.time(),
        "servers": watch.servers,
        "functions": [
            {
                "app_id": pool.app.app_id,
                "app_name": pool.app.name,
                **msgspec.to_builtins(pool.view),
                "inputs_per_second": pool.progress.rate,
                "latency": msgspec.to_builtins(pool.latency),
            }
            for pool in pools
        ],
    }
