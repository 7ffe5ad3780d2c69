from __future__ import annotations

import pytest

from motet.errors import InvalidError
from motet.simulation.container import SimulatedContainer
from motet.simulation.curve import Curve


def ends(curve: str, *attempts: tuple[float, float]) -> list[tuple[int, float]]:
    """Which attempts end when in a container that begins them at these moments, with these durations."""
    container = SimulatedContainer("ta-1", 0.0, Curve.parse(curve).speeds(10))
    coming = list(enumerate(attempts))
    ended = []
    while coming or len(container):
        if coming and coming[0][1][0] < container.due:
            number, (moment, duration) = coming.pop(0)
            container.begin(number, duration, moment)
        else:
            moment = container.due
            ended += [(number, round(moment, 9)) for number in container.finish_due(moment)]
        container.plan(moment)
    return ended


@pytest.mark.parametrize(
    ("curve", "attempts", "expected"),
    [
        ("io", [(0, 2), (0, 1), (0.5, 3)], [(1, 1), (0, 2), (2, 3.5)]),
        ("gil", [(0, 1), (0, 1)], [(0, 2), (1, 2)]),
        # alone for 1 s, then two share a core until the second one's 0.5 s are done after 1 s
        ("gil", [(0, 2), (1, 0.5)], [(1, 2), (0, 2.5)]),
        ("gil:0.5", [(0, 1), (0, 1)], [(0, 1), (1, 1)]),
        ("gil:0.5", [(0, 1), (0, 1), (0, 1), (0, 1)], [(0, 2), (1, 2), (2, 2), (3, 2)]),
        ("gpu-batch:0.9", [(0, 1)], [(0, 1)]),
        ("gpu-batch:0.9", [(0, 1)] * 5, [(n, 1.4) for n in range(5)]),
        ("gpu-batch:0", [(0, 1)] * 5, [(n, 5) for n in range(5)]),
        ("io", [(0, 0), (0, 1)], [(0, 0), (1, 1)]),
    ],
)
def test_attempts_that_share_a_container_end_when_the_curve_says(
    curve: str, attempts: list[tuple[float, float]], expected: list[tuple[int, float]]
) -> None:
    assert ends(curve, *attempts) == expected


def test_those_that_are_left_go_faster_when_one_is_cancelled() -> None:
    container = SimulatedContainer("ta-1", 0.0, Curve.parse("gil").speeds(10))
    container.begin(1, 1.0, 0.0)
    container.begin(2, 1.0, 0.0)
    assert container.plan(0.0) == 2.0
    assert container.cancel(1, 1.0)
    assert not container.cancel(1, 1.0)
    assert container.plan(1.0) == 1.5
    assert container.finish_due(1.5) == [2]
    assert len(container) == 0
    assert container.plan(1.5) is None


@pytest.mark.parametrize("text", ["cpu", "gil:2", "gil:-1", "gil:x", "gil:nan", "gpu-batch:", ""])
def test_a_curve_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidError, match=r"io, gil, gil:SHARE|between 0 and 1"):
        Curve.parse(text)
