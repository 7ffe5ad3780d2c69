"""Bars: what each column shows, and that they fit."""

from __future__ import annotations

import io
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console, RenderableType

from motet.cli.timeline_view import Row, attempts_view, bar, blockers, inputs_view, legend, short_legend
from motet.model.attempt import AttemptRecord
from motet.model.outcome import OutcomeKind
from motet.records.facts import StallRecord
from motet.records.inputs import InputRecord
from motet.records.pools import ContainerRecord
from motet.records.timeline import MEANINGS, Phase, Span, Timeline, timeline

OK, LOST, FAILED = OutcomeKind.SUCCESS, OutcomeKind.LOST, OutcomeKind.FAILURE


def shown(view: RenderableType, width: int = 160) -> str:
    console = Console(file=io.StringIO(), color_system=None, width=width)
    with console.capture() as capture:
        console.print(view)
    return capture.get()


def spans(*parts: tuple[Phase, float]) -> list[Span]:
    found, at = [], 0.0
    for phase, seconds in parts:
        found.append(Span(phase, at, at + seconds, 1))
        at += seconds
    return found


def a_timeline(*attempts: AttemptRecord, ended: float = 10.0, stalls: tuple[StallRecord, ...] = ()) -> Timeline:
    cold = ContainerRecord("ta-1", "fu-f", 0.0, 0.0, "", 1.0, 2.0, 3.0)
    return timeline(InputRecord.of("fc-a", 0, 0.0, ended, OK, attempts), {"ta-1": cold}, stalls)


@pytest.mark.parametrize(
    ("parts", "width", "drawn"),
    [
        ([("queued", 5.0), ("running", 5.0)], 10, "·····█████"),
        ([("starting", 1.0), ("loading", 1.0), ("running", 2.0)], 8, "▒▒▓▓████"),
        ([("slot", 9.99), ("running", 0.01)], 10, "──────────"),
        ([("running", 0.0)], 10, ""),
        ([("running", 1.0), ("blocked", 2.0), ("running", 1.0)], 4, "█!!█"),
        ([("running", 1.0)], 0, ""),
    ],
)
def test_columns_show_what_went_on_at_their_middle(parts: list[tuple[Phase, float]], width: int, drawn: str) -> None:
    made = spans(*parts)
    assert bar(made, 0.0, made[-1].ended, width).plain == drawn


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(sorted(MEANINGS)), st.floats(0.01, 100)), min_size=1, max_size=12),
    st.integers(1, 200),
)
def test_bars_are_in_proportion(parts: list[tuple[Phase, float]], width: int) -> None:
    made = spans(*parts)
    drawn = bar(made, 0.0, made[-1].ended, width).plain
    assert len(drawn) == width
    for phase in {phase for phase, _ in parts}:
        mark = bar(spans((phase, 1.0)), 0.0, 1.0, 1).plain
        share = sum(seconds for each, seconds in parts if each == phase) / made[-1].ended
        runs = sum(each == phase for each, _ in parts)
        assert abs(drawn.count(mark) - share * width) <= runs


def test_every_phase_has_a_mark_of_its_own() -> None:
    marks = [bar(spans((phase, 1.0)), 0.0, 1.0, 1).plain for phase in MEANINGS]
    assert len(set(marks)) == len(MEANINGS)


def test_each_attempt_has_a_bar_that_begins_where_the_one_before_it_ended() -> None:
    drawn = a_timeline(AttemptRecord("ta-1", 4.0, 6.0, LOST, 4.0, 6.0), AttemptRecord("ta-2", 7.0, 10.0, OK, 7.0, 10.0))
    first, second, axis = shown(attempts_view(drawn, width=160, running=False)).splitlines()
    assert first.startswith("attempt 1  ta-1")
    assert "lost after 6.0 s" in first
    assert "success after 4.0 s" in second
    begins = [min(line.index(mark) for mark in "▒█─" if mark in line) for line in (first, second)]
    assert first.rindex("█") + 1 == begins[1]
    assert axis.split() == ["0", "10.0", "s"]


def test_an_input_that_runs_has_an_attempt_that_goes_on() -> None:
    drawn = a_timeline(AttemptRecord("ta-1", 4.0, 10.0, OK))
    assert "running for 10.0 s" in shown(attempts_view(drawn, width=160, running=True))


def test_an_input_that_waits_has_a_bar_without_an_attempt() -> None:
    text = shown(attempts_view(a_timeline(), width=160, running=True))
    assert text.startswith("not started")
    assert "waiting" in text


def test_legend_has_the_share_and_meaning_of_each_phase_there_was() -> None:
    text = shown(legend(a_timeline(AttemptRecord("ta-1", 5.0, 10.0, OK, 5.0, 10.0))))
    words = [line.split()[1:5] for line in text.splitlines()]
    assert ["running", "5.0", "s", "50%"] in words
    assert ["slot", "2.0", "s", "20%"] in words
    assert MEANINGS["loading"] in text
    assert "blocked" not in text


def test_who_blocked_it_is_told_with_the_place_in_their_code() -> None:
    stalls = (StallRecord("ta-1", "fc-b", 3, 6.0, 8.0, "held the GIL at shop.py:12"),)
    drawn = a_timeline(AttemptRecord("ta-1", 5.0, 10.0, OK, 5.0, 10.0), stalls=stalls)
    (line,) = blockers(drawn, {"in-b-3": "held the GIL at shop.py:12"})
    assert line.plain == "blocked for 2.0 s by in-b-3: held the GIL at shop.py:12"


def test_inputs_of_a_call_share_an_axis() -> None:
    rows = [
        Row("in-a-0", "success", timeline(InputRecord.of("fc-a", 0, 0.0, 10.0, OK, ()), {})),
        Row("in-a-1", "failure", timeline(InputRecord.of("fc-a", 1, 5.0, 10.0, FAILED, ()), {})),
    ]
    first, second = shown(inputs_view(rows, width=160)).splitlines()[1:]
    assert 2 * second.count("·") == first.count("·")
    assert second.index("·") - first.index("·") == second.count("·")
    assert short_legend(rows).plain == "· queued"


@pytest.mark.parametrize("width", [20, 80, 100, 200])
def test_views_fit_the_terminal(width: int) -> None:
    drawn = a_timeline(AttemptRecord("ta-1", 4.0, 6.0, LOST), AttemptRecord("ta-2", 7.0, 10.0, OK))
    for view in (
        attempts_view(drawn, width=width, running=False),
        legend(drawn),
        inputs_view([Row("in-a-0", "success", drawn)], width=width),
    ):
        assert all(len(line) <= width for line in shown(view, width).splitlines())


def test_moments_of_a_timeline_do_not_run_backwards() -> None:
    drawn = a_timeline(AttemptRecord("ta-1", 4.0, 6.0, FAILED, 4.5, 5.5), AttemptRecord("ta-1", 7.0, 9.0, OK, 7.5, 8.5))
    assert all(before.ended == after.began for before, after in pairwise(drawn.spans))
