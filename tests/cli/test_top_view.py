"""The view of everything that runs."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from tests.cli.views import app, container, function

from motet.cli.function_stats import Percentiles
from motet.cli.progress import FunctionProgress
from motet.cli.top_view import FunctionRow, top_view
from motet.model.views import FunctionView


def pool(view: FunctionView) -> FunctionRow:
    progress = FunctionProgress(view, 0.0, 0.0)
    progress.observe(view, 2.0)
    return FunctionRow(app(view), progress, Percentiles(0.2, 1.5, 1.5, 2.0))


def rendered(*views: FunctionView, width: int = 160, height: int | None = None) -> list[str]:
    console = Console(file=io.StringIO(), color_system=None, width=width)
    with console.capture() as capture:
        console.print(top_view([pool(view) for view in views], servers=1, width=width, height=height))
    return capture.get().splitlines()


def test_functions_come_busiest_first_with_their_latencies_and_containers() -> None:
    quiet = function("quiet", containers=[container("ready", 0, 1)], succeeded_inputs=5)
    busy = function("busy", containers=[container("ready", 8, 2), container("starting", 0, 3)], waiting_inputs=7)
    title, _, first, second, _, _, *containers = rendered(quiet, busy)
    assert title.startswith("1 server  app demo  3 containers  8 running  7 waiting")
    for part in ("busy", "1 ready, 1 starting", "8/8/10", "7", "0.2 s", "1.5 s"):
        assert part in first
    assert "quiet" in second
    assert [line.split()[0] for line in containers] == ["ta-01hq00002", "ta-01hq00003", "ta-01hq00001"]


def test_functions_that_nobody_used_are_only_counted() -> None:
    assert "1 function not used yet" in rendered(function("unused"), function("used", succeeded_inputs=1))


def test_what_containers_wait_for_is_told() -> None:
    lines = rendered(function("embed", waiting_inputs=1, shortage="waiting for a GPU: all are taken"))
    assert "embed: waiting for a GPU: all are taken" in lines


@pytest.mark.parametrize("height", [6, 10, 24, 60])
@pytest.mark.parametrize("width", [60, 100, 200])
def test_view_fits_the_terminal(width: int, height: int) -> None:
    views = [
        function(f"f{number}", containers=[container("ready", 1, each) for each in range(30)], waiting_inputs=1)
        for number in range(8)
    ]
    lines = rendered(*views, width=width, height=height)
    assert len(lines) <= height
    assert all(len(line) <= width for line in lines)


def test_containers_without_room_are_counted() -> None:
    lines = rendered(function("f", containers=[container("ready", 1, each) for each in range(30)]), height=12)
    assert lines[-1].strip() == "and 26 others"
    assert len(lines) == 10
