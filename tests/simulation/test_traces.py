from __future__ import annotations

import random

import pytest

from motet.errors import InvalidError
from motet.simulation.trace import SHAPES, make_trace
from motet.simulation.trace_file import parse_trace


@pytest.mark.parametrize("name", SHAPES)
def test_arrivals_ascend_from_the_start_and_depend_on_the_seed_alone(name: str) -> None:
    trace = make_trace(name, 1, rate=20, length=300)
    assert list(trace.arrivals) == sorted(trace.arrivals)
    assert len(trace.arrivals) > 100
    assert trace.arrivals[0] >= 0
    assert trace.arrivals[-1] < 400
    assert make_trace(name, 1, rate=20, length=300).arrivals == trace.arrivals
    if name not in ("steady", "ramp"):
        assert make_trace(name, 2, rate=20, length=300).arrivals != trace.arrivals


def per_second(name: str, begin: float, end: float, **numbers: float) -> float:
    """The mean rate over a part of a trace, over a few seeds."""
    arrivals = [moment for seed in range(5) for moment in make_trace(name, seed, **numbers).arrivals]
    return sum(begin <= moment < end for moment in arrivals) / 5 / (end - begin)


@pytest.mark.parametrize(
    ("name", "begin", "end", "rate"),
    [
        ("steady", 0, 120, 100),
        ("poisson", 0, 120, 100),
        ("square-wave", 0, 60, 100),
        ("square-wave", 60, 120, 10),
        ("ramp", 0, 12, 5),
        ("ramp", 108, 120, 95),
        ("diurnal", 29, 31, 100),
        ("diurnal", 58, 62, 10),
        ("flash-crowd", 0, 35, 5),
        ("flash-crowd", 38, 41, 87),
        ("flash-crowd", 100, 120, 5),
        ("heavy-tailed", 0, 120, 100),
    ],
)
def test_a_load_has_its_shape(name: str, begin: float, end: float, rate: float) -> None:
    assert per_second(name, begin, end, rate=100, length=120) == pytest.approx(rate, rel=0.25)


def test_the_ramp_ends_at_three_thousand_per_second() -> None:
    arrivals = make_trace("ramp", 0).arrivals
    assert len(arrivals) == 180_000
    assert arrivals[-1] - arrivals[-3000] == pytest.approx(1.0, rel=0.01)


def test_an_unambiguous_beginning_names_a_load() -> None:
    assert make_trace("flash", 0, rate=1).name == "flash-crowd"


@pytest.mark.parametrize("name", ["s", "", "constant", "Poisson"])
def test_an_unknown_load_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(InvalidError, match=r"unknown trace .* one of steady, poisson, square-wave"):
        make_trace(name, 0)


@pytest.mark.parametrize(
    ("numbers", "complaint"),
    [
        ({"rate": 0}, "the rate of a trace must be more than 0, and finite, got 0"),
        ({"length": -1}, "the length of a trace must be more than 0, and finite, got -1"),
        ({"rate": float("nan")}, "got nan"),
        ({"rate": 1e6, "length": 1e6}, "at most 10,000,000 inputs"),
    ],
)
def test_an_impossible_load_is_refused(numbers: dict[str, float], complaint: str) -> None:
    with pytest.raises(InvalidError, match=complaint):
        make_trace("poisson", 0, **numbers)


def test_a_file_has_arrivals_and_durations_in_any_order() -> None:
    trace = parse_trace(["\ufeffarrival,duration\r\n", "2.5, 0.1\r\n", "0,3e-1\n", "\n", "2.5,0.2"], "t.csv")
    assert list(trace.arrivals) == [0, 2.5, 2.5]
    assert trace.durations is not None
    assert list(trace.durations) == [0.3, 0.1, 0.2]


def test_a_long_file_stays_in_order() -> None:
    dice = random.Random(1)
    rows = [f"{dice.random() * 100},{dice.random()}\n" for _ in range(1000)]
    trace = parse_trace(["arrival,duration\n", *rows], "t.csv")
    assert list(trace.arrivals) == sorted(float(row.split(",")[0]) for row in rows)


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ([], "t.csv, line 1: the header must be 'arrival,duration', got ''"),
        (["time,duration"], "t.csv, line 1: the header must be 'arrival,duration', got 'time,duration'"),
        (["arrival,duration"], "t.csv: it has no inputs, only a header"),
        (
            ["arrival,duration", "1,2", "x,2"],
            "t.csv, line 3: arrival 'x' is not a number of seconds from 0 to 31,622,400",
        ),
        (["arrival,duration", "1,-2"], "t.csv, line 2: duration '-2' is not a number of seconds from 0 to 86,400"),
        (["arrival,duration", "nan,2"], "t.csv, line 2: arrival 'nan' is not a number of seconds from 0 to 31,622,400"),
        (["arrival,duration", "1,inf"], "t.csv, line 2: duration 'inf' is not a number of seconds from 0 to 86,400"),
        (
            ["arrival,duration", "1700000000,1"],
            "t.csv, line 2: arrival '1700000000' is not a number of seconds from 0 to 31,622,400",
        ),
        (
            ["arrival,duration", "1,90000"],
            "t.csv, line 2: duration '90000' is not a number of seconds from 0 to 86,400",
        ),
        (["arrival,duration", "1"], "t.csv, line 2: a row has an arrival and a duration, got '1'"),
        (["arrival,duration", "1,2,3"], "t.csv, line 2: a row has an arrival and a duration, got '1,2,3'"),
        (["arrival,duration", "1,"], "t.csv, line 2: duration '' is not a number of seconds from 0 to 86,400"),
    ],
)
def test_a_malformed_file_is_refused_in_one_line_that_says_where(lines: list[str], complaint: str) -> None:
    with pytest.raises(InvalidError) as caught:
        parse_trace(lines, "t.csv")
    assert str(caught.value) == complaint
