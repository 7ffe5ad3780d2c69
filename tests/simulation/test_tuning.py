from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motet.model.scaling import AutoscalerSettings, Concurrency
from motet.simulation.curve import Curve
from motet.simulation.distribution import Distribution
from motet.simulation.measured_curve import MeasuredCurve
from motet.simulation.report import Report
from motet.simulation.scenario import Scenario
from motet.simulation.settings import Settings
from motet.simulation.simulator import simulate
from motet.simulation.slo import Slo
from motet.simulation.trace import Trace, make_trace
from motet.simulation.tuning import Findings, Search, Space, busiest

SMALL = Space(max_inputs=(1, 4, 16), scaledown_windows=(5.0, 60.0), buffer_containers=(0, 1))


def evaluate(wanted: Sequence[tuple[Scenario, str]]) -> list[Report]:
    return [simulate(scenario, policy) for scenario, policy in wanted]


def scenario(seed: int = 0, curve: Curve | MeasuredCurve = Curve(), trace: str = "poisson") -> Scenario:  # noqa: B008
    return Scenario(
        trace=make_trace(trace, seed, rate=10, length=60),
        duration=Distribution(0.2),
        curve=curve,
        seed=seed,
    )


def search(
    slo: str = "",
    *,
    on: Scenario | None = None,
    others: Sequence[Scenario] = (),
    now: Settings = Settings(),  # noqa: B008
    space: Space = SMALL,
    policies: Sequence[str] = (),
) -> Findings:
    return Search(
        scenario=on or scenario(),
        others=others,
        now=now,
        start=now,
        space=space,
        slo=Slo.parse([slo] if slo else []),
        policies=policies,
        evaluate=evaluate,
    ).run()


def test_inputs_that_do_not_slow_each_other_share_one_container_that_goes_soon() -> None:
    found = search("p95=0.5s")
    assert found.chosen.settings.concurrency.max_inputs > 1
    assert found.chosen.settings.autoscaler.scaledown_window == 5
    assert found.chosen.report.peak_containers == 1
    assert found.chosen.cost < found.now.cost


def test_inputs_that_compute_run_apart_when_the_objective_says_so() -> None:
    found = search("p95=0.5s", on=scenario(curve=Curve("gil", 1.0)))
    assert found.chosen.settings.concurrency.max_inputs <= 4
    assert found.chosen.report.p95 is not None
    assert found.chosen.report.p95 <= 0.5


def test_the_choice_is_at_least_as_cheap_as_all_that_was_tried_and_meets_the_objective() -> None:
    slo = Slo.parse(["p95=0.4s"])
    found = search("p95=0.4s", on=scenario(curve=Curve("gil", 0.3)))
    assert slo.is_met(found.chosen.report)
    assert all(found.chosen.cost <= it.cost * 1.01 for it in found.tried if slo.is_met(it.report))


def test_the_choice_is_confirmed_on_loads_from_other_seeds() -> None:
    found = search("p95=0.5s", others=[scenario(1), scenario(2)])
    assert [it.report.seed for it in found.confirmations] == [1, 2]
    assert {it.settings for it in found.confirmations} == {found.chosen.settings}


def test_a_choice_that_fails_on_another_seed_is_given_up_for_one_that_does_not() -> None:
    slo = Slo.parse(["p95=0.45s"])
    curve = Curve("gil", 0.3)
    others = [scenario(seed, curve) for seed in (1, 2)]
    found = search("p95=0.45s", on=scenario(0, curve), others=others)
    assert all(slo.is_met(it.report) for it in (found.chosen, *found.confirmations))


def test_an_objective_that_nothing_meets_gives_what_comes_nearest() -> None:
    found = search("p95=0.001s", policies=("motet", "knative"))
    assert not Slo.parse(["p95=0.001s"]).is_met(found.chosen.report)
    assert found.chosen.latency("p95") == min(it.latency("p95") for it in found.tried)
    assert (found.confirmations, found.policies) == ([], [])


def test_the_choice_is_set_beside_other_policies_under_the_same_settings() -> None:
    found = search("p95=1s", policies=("motet", "knative", "modal"))
    assert [it.report.policy for it in found.policies] == ["knative", "modal"]
    assert {it.settings for it in found.policies} == {found.chosen.settings}


def test_what_is_declared_is_always_among_what_was_tried() -> None:
    now = Settings(
        concurrency=Concurrency(max_inputs=7, target_inputs=5),
        autoscaler=AutoscalerSettings(max_containers=3, scaledown_window=33.0, buffer_containers=3),
    )
    found = search("p95=0.5s", now=now)
    assert found.now.settings == now
    assert now in {it.settings for it in found.tried}
    others = [it.settings for it in found.tried if it.settings != now]
    assert {it.autoscaler.scaledown_window for it in others} <= {5.0, 60.0}
    assert {it.autoscaler.buffer_containers for it in others} <= {0, 1}
    assert {it.autoscaler.max_containers for it in others} == {3}


def test_the_same_search_finds_the_same() -> None:
    first, second = (search("p95=0.4s", others=[scenario(1)], policies=("modal",)) for _ in range(2))
    assert first == second


def test_nothing_is_simulated_twice() -> None:
    seen: list[tuple[Scenario, str]] = []

    def evaluated(wanted: Sequence[tuple[Scenario, str]]) -> list[Report]:
        seen.extend(wanted)
        return evaluate(wanted)

    found = Search(
        scenario=scenario(),
        others=[scenario(1)],
        now=Settings(),
        start=Settings(),
        space=SMALL,
        slo=Slo.parse(["p95=0.5s"]),
        policies=("motet", "modal"),
        evaluate=evaluated,
    ).run()
    keys = [(it.concurrency, it.autoscaler, it.seed, policy) for it, policy in seen]
    assert len(set(keys)) == len(keys) == found.simulations


@pytest.mark.parametrize(
    ("space", "pairs"),
    [
        (Space(max_inputs=(1,)), [(1, 1)]),
        (Space(max_inputs=(10,)), [(10, 10), (10, 8), (10, 6)]),
        (Space(max_inputs=(2,)), [(2, 2), (2, 1)]),
        (Space(max_inputs=(1, 2, 8), target_inputs=(4, 2)), [(1, 1), (2, 2), (8, 4), (8, 2)]),
    ],
)
def test_targets_are_parts_of_the_maximum_unless_given(space: Space, pairs: list[tuple[int, int]]) -> None:
    assert space.concurrencies() == pairs


# --- parts of traces ----------------------------------------------------------------------------------------------------


def test_the_busiest_part_ends_with_the_peak_and_begins_with_what_led_to_it() -> None:
    arrivals = [float(i) for i in range(100)] + [100 + i / 100 for i in range(20)] + [float(i) for i in range(200, 300)]
    part = busiest(Trace(name="t", arrivals=arrivals, durations=[float(i) for i in range(220)]), 40)
    assert list(part.durations or ()) == [float(i) for i in range(80, 120)]
    assert part.arrivals[0] == 0.0
    assert part.arrivals[-1] == pytest.approx(20.19)


def test_a_trace_that_is_short_enough_is_taken_whole() -> None:
    trace = Trace(name="t", arrivals=[0.0, 1.0])
    assert busiest(trace, 2) is trace


@given(st.lists(st.floats(0, 1e5), min_size=1, max_size=60), st.integers(2, 30))
def test_a_part_keeps_the_distances_between_inputs(moments: list[float], most: int) -> None:
    moments.sort()
    part = busiest(Trace(name="t", arrivals=moments), most).arrivals
    assert len(part) <= most or part is moments
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    assert all(any(abs(b - a - gap) < 1e-6 for gap in gaps) for a, b in pairwise(part))


# --- lines to paste -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "lines"),
    [
        (Settings(), ["@app.function()"]),
        (
            Settings(concurrency=Concurrency(max_inputs=8, target_inputs=8)),
            ["@app.function()", "@motet.concurrent(max_inputs=8)"],
        ),
        (
            Settings(
                concurrency=Concurrency(max_inputs=8, target_inputs=6),
                autoscaler=AutoscalerSettings(
                    min_containers=1, max_containers=9, buffer_containers=2, scaledown_window=2.5
                ),
            ),
            [
                "@app.function(min_containers=1, max_containers=9, buffer_containers=2, scaledown_window=2.5)",
                "@motet.concurrent(max_inputs=8, target_inputs=6)",
            ],
        ),
    ],
)
def test_decorators_leave_out_what_is_the_default(settings: Settings, lines: list[str]) -> None:
    assert settings.decorators() == lines
