from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motet.simulation.axis import Axis
from motet.simulation.frontier import Tried, by_preference, frontier
from motet.simulation.frontier_chart import CHOSEN, FRONTIER, NOW, TRIED, ChartPoint, FrontierChart
from motet.simulation.slo import Slo
from tests.simulation.reports import tried

SVG = "{http://www.w3.org/2000/svg}"
POSITIVE = st.floats(0.001, 1e6)
PLACES = st.just(0.0) | st.floats(1e-6, 1e9)
SOME = st.lists(st.builds(tried, POSITIVE, POSITIVE), min_size=1, max_size=30)


def costs(of: list[Tried]) -> list[float]:
    return [it.cost for it in of]


def test_frontier_is_what_nothing_else_beats_in_both_cost_and_latency() -> None:
    some = [tried(30, 1), tried(10, 3), tried(20, 3), tried(20, 2), tried(40, 1)]
    assert [(it.cost, it.report.p95) for it in frontier(some, "p95")] == [(10, 3), (20, 2), (30, 1)]


@given(SOME)
def test_whatever_is_not_on_the_frontier_is_beaten_or_equalled_by_something_there(some: list[Tried]) -> None:
    front = frontier(some, "p95")
    for it in some:
        assert any(other.cost <= it.cost and other.latency("p95") <= it.latency("p95") for other in front)
    assert costs(front) == sorted(costs(front))
    latencies = [it.latency("p95") for it in front]
    assert latencies == sorted(latencies, reverse=True)
    assert len(set(latencies)) == len(latencies)


def test_the_cheapest_that_meets_the_objective_comes_first_and_then_what_misses_it_least() -> None:
    some = [tried(10, 2.0), tried(20, 0.9), tried(30, 0.5), tried(5, 1.1)]
    assert costs(by_preference(some, Slo.parse(["p95=1s"]))) == [20, 30, 5, 10]


def test_of_settings_that_cost_the_same_the_quickest_comes_first() -> None:
    some = [tried(1000, 0.9), tried(1005, 0.4), tried(1020, 0.1)]
    assert costs(by_preference(some, Slo.parse(["p95=1s"]))) == [1005, 1000, 1020]


def test_without_an_objective_the_least_product_of_cost_and_latency_comes_first() -> None:
    assert costs(by_preference([tried(10, 5), tried(20, 2), tried(100, 1)], Slo())) == [20, 10, 100]


@given(SOME, st.floats(0.001, 1e6))
def test_nothing_that_meets_the_objective_is_cheaper_than_the_first_by_more_than_chance(
    some: list[Tried], limit: float
) -> None:
    slo = Slo.parse([f"p95={limit}"])
    first = by_preference(some, slo)[0]
    meeting = [it for it in some if slo.is_met(it.report)]
    assert slo.is_met(first.report) == bool(meeting)
    if meeting:
        assert first.cost <= min(costs(meeting)) * 1.01
    assert sorted(costs(by_preference(some, slo))) == sorted(costs(some))


@given(st.lists(PLACES, min_size=1))
def test_every_value_has_a_place_on_its_axis(values: list[float]) -> None:
    axis = Axis.of(values)
    assert all(-1e-9 <= axis.place(value) <= 1 + 1e-9 for value in values)
    assert all(axis.low <= tick <= axis.high for tick in axis.ticks())


def test_far_values_are_drawn_logarithmically() -> None:
    assert Axis.of([1, 1000]).is_logarithmic
    assert Axis.of([1, 1000]).ticks() == [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
    assert not Axis.of([100, 200]).is_logarithmic
    assert not Axis.of([0, 1000]).is_logarithmic


def chart(*points: ChartPoint, limit: float | None = None) -> FrontierChart:
    return FrontierChart(title="a <load>", measure="p95", points=points, limit=limit)


def test_text_has_each_mark_at_its_place_and_the_limit_as_a_line() -> None:
    text = chart(ChartPoint(100, 4.0, TRIED), ChartPoint(200, 1.0, CHOSEN), ChartPoint(150, 2.5, NOW), limit=2.0).text(
        40, 10
    )
    rows = text.splitlines()
    assert rows[0] == "p95, s"
    marked = {mark: next(row for row in rows if mark in row) for mark in (TRIED, CHOSEN, NOW)}
    assert rows.index(marked[TRIED]) < rows.index(marked[NOW]) < rows.index(marked[CHOSEN])
    assert marked[TRIED].index(TRIED) < marked[NOW].index(NOW) < marked[CHOSEN].index(CHOSEN)
    assert "2 │" in next(row for row in rows if "┄" in row)
    assert rows[-1].strip() == "container-seconds"


@given(st.lists(st.builds(ChartPoint, PLACES, PLACES, st.just(FRONTIER)), min_size=1))
def test_any_points_can_be_drawn_within_the_picture(points: list[ChartPoint]) -> None:
    drawn = chart(*points)
    assert FRONTIER in drawn.text()
    root = ElementTree.fromstring(drawn.svg())
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    circles = [(float(it.attrib["cx"]), float(it.attrib["cy"])) for it in root.iter(f"{SVG}circle")]
    assert len(circles) == len(points) + 1  # and one in the legend
    assert all(0 <= x <= width and 0 <= y <= height for x, y in circles)


def test_svg_escapes_names() -> None:
    root = ElementTree.fromstring(chart(ChartPoint(1, 1, CHOSEN, "a<b")).svg())
    assert "a<b" in [it.text for it in root.iter(f"{SVG}title")]
    assert "a <load>" in [it.text for it in root.iter(f"{SVG}text")]


@pytest.mark.parametrize("limit", [0.001, 50.0])
def test_a_limit_far_from_all_points_is_in_the_picture(limit: float) -> None:
    assert "┄" in chart(ChartPoint(1, 1, CHOSEN), limit=limit).text()
