from __future__ import annotations

import io

import pytest
from rich.console import Console
from tests.cli.views import app, container, function

from motet.cli.live_view import container_bar, live_view
from motet.cli.progress import Progress
from motet.model.views import AppView, LearnedTargetView


def rendered(view: AppView, *, width: int = 160, status: str = "") -> str:
    progress = Progress(0.0)
    progress.observe(view, 2.0)
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=width)
    with console.capture() as capture:
        console.print(live_view(progress, status=status, width=width))
    return capture.get()


def test_row_shows_containers_by_state_and_inputs_by_state() -> None:
    containers = [container("ready", 8), container("ready", 4), container("starting"), container("draining", 1)]
    view = app(function(containers=containers, waiting_inputs=1500, succeeded_inputs=4000, failed_inputs=3))
    row = rendered(view).splitlines()[2]
    for part in ("fetch", "2 ready, 1 starting, 1 draining", "▇▄○▁", "13/16/20", "1,500", "4,000", " 3 ", "2,002"):
        assert part in row


def test_title_names_the_app_and_its_status() -> None:
    assert rendered(app(), status="stopping").strip() == "demo ap-01hq  0:02  stopping"


def test_function_without_activity_has_no_row() -> None:
    assert "unused" not in rendered(app(function("unused"), function("used", waiting_inputs=1)))


def test_what_containers_wait_for_is_told_below_the_table() -> None:
    view = app(
        function("busy", running_inputs=1), function("embed", waiting_inputs=1, shortage="waiting for a GPU: all")
    )
    assert rendered(view).rstrip().splitlines()[-1].strip() == "embed: waiting for a GPU: all"


def test_a_learned_target_is_told_below_the_table() -> None:
    learned = LearnedTargetView(target_inputs=14, confidence=0.8, curve=(), reason="the knee of what is known")
    last = rendered(app(function("fetch", running_inputs=1, learned_target=learned))).rstrip().splitlines()[-1]
    assert last.strip() == "fetch: target auto: 14 (confidence 0.8): the knee of what is known"


@pytest.mark.parametrize("width", [20, 60, 80, 100, 120, 200])
def test_view_fits_the_terminal(width: int) -> None:
    containers = [container("ready", number % 10) for number in range(300)]
    name = "a_function_with_quite_a_long_name_indeed"
    view = app(function(name, containers=containers, shortage="waiting for a GPU: " + "very " * 50 + "long"))
    assert all(len(line) <= width for line in rendered(view, width=width).splitlines())


def test_bar_colours_bursts_and_counts_what_does_not_fit() -> None:
    containers = [container("ready", 8), container("ready", 9), container("ready", 0), *[container()] * 7]
    bar = container_bar(function(containers=containers), width=3)
    assert bar.plain == "▇█· +7"
    assert [str(span.style) for span in bar.spans] == ["green", "yellow", "dim", "dim"]


def test_bar_is_empty_without_room_or_containers() -> None:
    assert not container_bar(function(containers=[container()]), width=0)
    assert not container_bar(function(), width=10)
