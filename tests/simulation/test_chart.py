from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

from motet.simulation.chart import chart
from motet.simulation.timeline import MOST_COLUMNS, TimelineRecorder
from tests.simulation.loads import load, run

SVG = "{http://www.w3.org/2000/svg}"


def test_a_chart_has_a_panel_for_each_of_arrivals_containers_queue_and_latency() -> None:
    root = ElementTree.fromstring(chart([run(load((0, 10), (30, 50)), max_inputs=5)]))
    texts = [text.text or "" for text in root.iter(f"{SVG}text")]
    for title in ("arrivals per second", "containers", "waiting inputs"):
        assert title in texts
    assert any(text.startswith("latency") for text in texts)
    assert "test: 60 inputs" in texts
    assert len(list(root.iter(f"{SVG}polyline"))) >= 4


def test_everything_drawn_is_within_the_picture() -> None:
    root = ElementTree.fromstring(chart([run(load((0, 10), (30, 50)), max_inputs=5)]))
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    lines = [*root.iter(f"{SVG}polyline"), *root.iter(f"{SVG}polygon")]
    points = [tuple(map(float, point.split(","))) for line in lines for point in line.attrib["points"].split()]
    assert all(0 <= x <= width and 0 <= y <= height for x, y in points)


def test_policies_are_drawn_in_colours_of_their_own_under_their_names() -> None:
    report = run(load((0, 10)))
    root = ElementTree.fromstring(chart([report, replace(report, policy="a<b")]))
    assert "a<b" in [text.text for text in root.iter(f"{SVG}text")]
    assert len({line.attrib["stroke"] for line in root.iter(f"{SVG}polyline")}) == 2


def test_a_load_that_has_no_result_at_all_can_be_drawn() -> None:
    ElementTree.fromstring(chart([run(load((0, 3)), input_failures=1)]))


def test_a_long_course_is_kept_in_a_bounded_number_of_columns() -> None:
    recorder = TimelineRecorder(1.0)
    recorder.look(0.0, 1, 0)
    recorder.look(10.5, 7, 3)
    recorder.look(10.6, 2, 0)
    recorder.look(99_999.0, 5, 0)
    timeline = recorder.timeline([0.0, 10.0], [1.0, None])
    assert timeline.width == 256.0
    assert len(timeline.containers) == len(timeline.waiting) == len(timeline.p50) == 391 <= MOST_COLUMNS
    assert timeline.containers[:2] == [7, 2]
    assert timeline.containers[-1] == 5
    assert timeline.waiting[:2] == [3, 0]
    assert timeline.p50[:2] == [1.0, None]
