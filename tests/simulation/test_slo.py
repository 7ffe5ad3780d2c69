from __future__ import annotations

from dataclasses import replace

import pytest

from motet.errors import InvalidError
from motet.simulation.report import Report
from motet.simulation.slo import Slo
from tests.simulation.reports import report


@pytest.mark.parametrize(
    ("texts", "written"),
    [
        (["p95=0.5s"], "p95=0.5s"),
        (["p99=200ms"], "p99=0.2s"),
        (["mean=1"], "mean=1s"),
        (["p50=10ms,p95=1s"], "p50=0.01s, p95=1s"),
        (["p50=1e-2s", " p95=1s "], "p50=0.01s, p95=1s"),
        ([], ""),
    ],
)
def test_bounds_are_seconds_or_milliseconds(texts: list[str], written: str) -> None:
    assert str(Slo.parse(texts)) == written


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("p90=1s", "'p90=1s' is no objective: they are p50, p95, p99, mean"),
        ("", "'' is no objective"),
        ("p95", "'p95': a latency must be more than 0 and finite"),
        ("p95=", "a latency must be"),
        ("p95=fast", "'p95=fast': a latency must be"),
        ("p95=1m", "'p95=1m': a latency must be"),
        ("p95=1sm", "a latency must be"),
        ("p95=-1s", "a latency must be"),
        ("p95=0s", "a latency must be"),
        ("p95=nan", "a latency must be"),
        ("p95=inf", "a latency must be"),
        ("p95=1s,p95=2s", "p95 is bounded more than once: p95=1s, p95=2s"),
    ],
)
def test_what_is_no_objective_is_refused_with_its_text(text: str, complaint: str) -> None:
    with pytest.raises(InvalidError) as refusal:
        Slo.parse([text])
    assert complaint in str(refusal.value)


QUICK: Report = report(p95=0.5, p99=0.9)


@pytest.mark.parametrize(
    ("text", "ratio"), [("p95=1s", 0.5), ("p95=0.5s", 1.0), ("p95=1s,p99=0.3s", 3.0), ("p95=0.25s", 2.0)]
)
def test_ratio_is_that_of_the_worst_bound(text: str, ratio: float) -> None:
    slo = Slo.parse([text])
    assert slo.ratio(QUICK) == pytest.approx(ratio)
    assert slo.is_met(QUICK) == (ratio <= 1)


def test_no_objective_is_met_where_inputs_failed_or_none_came_back() -> None:
    for slo in (Slo(), Slo.parse(["p95=10s"])):
        assert slo.is_met(QUICK)
        assert not slo.is_met(replace(QUICK, errors=1))
        assert not slo.is_met(replace(QUICK, p50=None, p95=None, p99=None, mean=None))


def test_settings_are_compared_by_the_first_bound_or_p95() -> None:
    assert Slo().measure == "p95"
    assert Slo.parse(["p99=1s", "p50=1s"]).measure == "p99"
