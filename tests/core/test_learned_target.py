"""What a pool learns of the inputs of its containers, and the target that follows from it."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motet.core.containers import Container
from motet.core.curve import CurvePoint, LearnedCurve, level_sizes
from motet.core.inputs import Input
from motet.core.knee import POWER, POWER_WITHIN_SLO, find_knee
from motet.core.learned_target import LearnedTarget
from motet.core.watch import AT_ONCE, Watch
from motet.testing.playbook import Playbook
from motet.testing.transcript import deliver, finished, function, ready, send, start, submit

MOST = 64
SIZES = level_sizes(MOST)


def known(speed_of: dict[float, float], *, error: float = 0.02) -> list[CurvePoint]:
    """A curve on which each of so many inputs goes so fast."""
    return [CurvePoint(n, n * speed, 1 / speed, 1 / speed, 100.0, error) for n, speed in speed_of.items()]


def gil(share: float, inputs: float) -> float:
    return 1 / max(1.0, inputs * share)


def gpu_batch(share: float, inputs: float) -> float:
    return 1 / (share + (1 - share) * inputs)


# --- levels -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("most", "sizes"),
    [(1, (1,)), (2, (1, 2)), (3, (1, 2, 3)), (5, (1, 2, 3, 4, 5)), (10, (1, 2, 3, 4, 6, 8, 10)), (100, (*SIZES, 100))],
)
def test_levels_go_from_one_to_max_inputs(most: int, sizes: tuple[int, ...]) -> None:
    assert level_sizes(most) == sizes


@given(st.integers(1, 1000))
def test_every_number_of_inputs_has_the_level_that_is_nearest(most: int) -> None:
    curve = LearnedCurve(most)
    for inputs in range(1, most + 1):
        size = curve.sizes[curve.level_of[inputs]]
        assert abs(math.log(inputs / size)) <= min(abs(math.log(inputs / it)) for it in curve.sizes) + 1e-9


# --- the curve --------------------------------------------------------------------------------------------------------


def test_throughput_is_what_gets_done_per_second() -> None:
    curve = LearnedCurve(MOST)
    for second in range(30):
        curve.add([(5, 2.0, 16.0)], 2.0, float(second), success=True)
    (point,) = [point for point in curve.points(30.0) if point is not None]
    assert (point.inputs, point.throughput) == (pytest.approx(8.0), pytest.approx(4.0))
    assert point.p50 == pytest.approx(2.0, rel=0.05)
    assert point.evidence == 1


def test_an_input_that_fails_takes_time_and_gets_nothing_done() -> None:
    curve = LearnedCurve(MOST)
    for second in range(40):
        curve.add([(5, 1.0, 8.0)], 1.0, float(second), success=second % 2 == 0)
    (point,) = [point for point in curve.points(40.0) if point is not None]
    assert point.throughput == pytest.approx(4.0, rel=0.05)


def test_an_input_across_levels_counts_where_inputs_are_known_to_go_fast() -> None:
    curve = LearnedCurve(MOST)
    for second in range(50):
        curve.add([(0, 1.0, 1.0)], 1.0, float(second), success=True)
        curve.add([(5, 8.0, 64.0)], 8.0, float(second), success=True)
    for second in range(50, 150):  # half of each is done at either level
        curve.add([(0, 0.5, 0.5), (5, 4.0, 32.0)], 4.5, float(second), success=True)
    alone, eight = (point for point in curve.points(150.0) if point is not None)
    assert (alone.throughput, eight.throughput) == (pytest.approx(1.0, rel=0.02), pytest.approx(1.0, rel=0.02))


def test_the_newest_inputs_count_most_and_old_ones_fade() -> None:
    curve = LearnedCurve(MOST)
    for number in range(1000):
        curve.add([(0, 1.0, 1.0)], 1.0, number * 0.01, success=True)
    for number in range(600):
        curve.add([(0, 3.0, 3.0)], 3.0, 10 + number * 0.01, success=True)
    now, later = (curve.points(moment)[0] for moment in (16.0, 16.0 + 3000.0))
    assert now is not None
    assert later is not None
    assert now.throughput == pytest.approx(1 / 3, rel=0.1)
    assert (now.p50, now.seen) == (pytest.approx(3.0, rel=0.05), pytest.approx(200, rel=0.05))
    assert later.evidence < 0.1
    assert later.throughput == now.throughput


def test_what_is_kept_does_not_grow_and_survives_any_pause() -> None:
    curve = LearnedCurve(MOST)
    for number in range(3000):
        curve.add([(0, 1.0, 1.0)], 10 ** (number % 12 - 6), number * 1e5, success=True)
    point = curve.points(3e8)[0]
    assert point is not None
    assert math.isfinite(point.throughput)


# --- one container ----------------------------------------------------------------------------------------------------


def a_container(*attempts: int) -> Container:
    made = Container("ta-1", 0.0, "test")
    made.running = dict.fromkeys(attempts)
    return made


def test_the_time_beside_each_number_of_inputs_is_told_apart() -> None:
    curve, running = LearnedCurve(MOST), dict[int, Input | None]()
    watch = Watch(curve)
    running[1] = None
    watch.changed(running, 0.0)
    assert watch.begin(running, 0.0) == 1
    running.update({2: None, 3: None})
    watch.changed(running, 3.0)
    running.pop(1)
    assert watch.changed(running, 4.0) == 1
    alone, _, three = curve.points(4.0)[:3]
    assert alone is not None
    assert three is not None
    assert (alone.inputs, three.inputs) == (1.0, 3.0)
    assert alone.seen + three.seen == pytest.approx(1.0, rel=0.05)


def test_few_of_many_inputs_are_watched() -> None:
    watch, running = Watch(LearnedCurve(MOST)), dict[int, Input | None].fromkeys(range(1, 41))
    watch.changed(running, 0.0)
    assert watch.begin(running, 0.0) == AT_ONCE
    assert watch.begin(running, 0.0) == 0  # none of those has begun since
    running.clear()
    assert watch.changed(running, 1.0) == AT_ONCE


# --- the knee ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "points", "power", "lowest", "highest"),
    [
        ("nobody slows another", known(dict.fromkeys(SIZES, 1.0)), POWER, MOST, MOST),
        ("one core, all of it", known({n: gil(1.0, n) for n in SIZES}), POWER, 1, 1),
        ("one core, a tenth of it", known({n: gil(0.1, n) for n in SIZES}), POWER, 8, 12),
        ("one core, a quarter of it", known({n: gil(0.25, n) for n in SIZES}), POWER, 3, 5),
        ("nine tenths of a step are fixed", known({n: gpu_batch(0.9, n) for n in SIZES}), POWER, 7, 11),
        ("the same, and time counts little", known({n: gpu_batch(0.9, n) for n in SIZES}), POWER_WITHIN_SLO, 40, MOST),
        ("it breaks down beyond 16", known({n: 1.0 if n <= 16 else 0.1 for n in SIZES}), POWER, 11, 20),
    ],
)
def test_the_knee_is_where_more_inputs_are_not_worth_their_time(
    name: str, points: list[CurvePoint], power: float, lowest: int, highest: int
) -> None:
    knee = find_knee(points, 8.0, power)
    assert knee is not None
    assert lowest - 0.5 <= knee.inputs <= highest + 0.5, name


def test_a_knee_at_the_edge_of_what_is_known_is_not_an_inner_one() -> None:
    rising = find_knee(known(dict.fromkeys((1, 2, 3, 4), 1.0)), 8.0, POWER)
    assert rising is not None
    assert not rising.inner
    falling = find_knee(known({n: gil(1.0, n) for n in (4, 6, 8)}), 8.0, POWER)
    assert falling is not None
    assert not falling.inner
    assert find_knee([], 8.0, POWER) is None


@given(
    st.lists(st.tuples(st.floats(0.01, 1e3), st.floats(0.0, 2.0)), max_size=len(SIZES)),
    st.integers(1, MOST),
)
def test_the_knee_is_among_what_was_seen_whatever_that_was(curve: list[tuple[float, float]], present: int) -> None:
    points = [CurvePoint(n, x, 1.0, 1.0, 50.0, error) for n, (x, error) in zip(SIZES, curve, strict=False)]
    knee = find_knee(points, present, POWER)
    assert (knee is None) == (not points)
    if knee is not None:
        assert points[0].inputs - 1e-6 <= knee.inputs <= points[-1].inputs + 1e-6
        assert math.isfinite(knee.gain)


# --- the target -------------------------------------------------------------------------------------------------------


def loaded(learned: LearnedTarget, service: float, inputs: int, now: float, number: int) -> tuple[float, int]:
    """One round of a container that runs so many at once, all of the same service time; when it ends, and the next number."""
    container = a_container(*range(number, number + inputs))
    learned.loaded(container, now)
    container.running.clear()
    learned.unloaded(container, now + service)
    return now + service, number + inputs


def follow(learned: LearnedTarget, speed: list[float], *, rounds: int, now: float = 0.0) -> list[int]:
    """The targets on the way, when containers are always as full as they are to be. `speed`: by the number of inputs."""
    number, targets = 1, []
    for _ in range(rounds):
        now, number = loaded(learned, 1 / speed[learned.target], learned.target, now, number)
        targets.append(learned.target)
    return targets


@pytest.mark.parametrize("most", [1, 2, 3, 10, 100, 1000])
def test_it_begins_in_the_middle(most: int) -> None:
    assert LearnedTarget(most).target == pytest.approx(math.sqrt(most), abs=0.5)


@given(st.lists(st.floats(0.01, 10.0), min_size=33, max_size=33), st.sampled_from([None, 0.5, 5.0]))
@settings(max_examples=40, deadline=None)
def test_the_target_is_never_outside_of_one_to_max_inputs(speed: list[float], slo: float | None) -> None:
    learned = LearnedTarget(32, slo)
    assert all(1 <= target <= 32 for target in follow(learned, speed, rounds=200))
    view = learned.view(1e3)
    assert 0 <= view.confidence <= 1
    assert [point.inputs for point in view.curve] == sorted(point.inputs for point in view.curve)


@pytest.mark.parametrize(
    ("speed", "lowest", "highest"),
    [
        ([1.0 for _ in range(65)], 64, 64),
        ([gil(1.0, n) for n in range(65)], 1, 1),
        ([gil(0.1, n) for n in range(65)], 7, 13),
        ([gil(0.04, n) for n in range(65)], 18, 32),
        ([gpu_batch(0.9, n) for n in range(65)], 5, 15),
    ],
)
def test_it_goes_to_the_knee_and_stays_there(speed: list[float], lowest: int, highest: int) -> None:
    learned = LearnedTarget(MOST)
    follow(learned, speed, rounds=2000)
    late = follow(learned, speed, rounds=500, now=1e5)
    best = learned.view(1e5).target_inputs
    assert lowest <= best <= highest
    assert sum(target == best for target in late) > 0.8 * len(late)


@pytest.mark.parametrize("slo", [3.0, 6.0])
def test_with_an_slo_it_is_the_most_that_is_in_time(slo: float) -> None:
    speed = [gpu_batch(0.9, n) for n in range(65)]
    learned = LearnedTarget(MOST, slo)
    targets = follow(learned, speed, rounds=2000)
    assert slo * 0.75 <= 1 / speed[learned.target] <= slo
    # Bins are 8 % wide, so this is as near as it can know.
    assert all(1 / speed[target] <= slo * 1.1 for target in targets)


def test_an_slo_that_inputs_miss_alone_leaves_the_knee() -> None:
    learned = LearnedTarget(MOST, slo=0.5)
    follow(learned, [1.0] * 65, rounds=3000)
    assert learned.view(1e4).target_inputs == MOST
    assert "even alone" in learned.reason


def test_it_follows_a_change() -> None:
    learned = LearnedTarget(MOST)
    follow(learned, [1.0] * 65, rounds=1000)
    assert learned.view(1e3).target_inputs == MOST
    follow(learned, [gil(0.25, n) for n in range(65)], rounds=3000, now=1e4)
    assert learned.view(1e5).target_inputs <= 8


def test_nothing_is_tried_without_the_load_to_fill_a_container() -> None:
    learned, now, number = LearnedTarget(MOST), 0.0, 1
    for _ in range(500):
        now, number = loaded(learned, 1.0, 1, now, number)
    assert learned.target == LearnedTarget(MOST).target


def test_the_same_happenings_give_the_same_targets() -> None:
    speed = [gpu_batch(0.8, n) for n in range(65)]
    assert follow(LearnedTarget(MOST), speed, rounds=500) == follow(LearnedTarget(MOST), speed, rounds=500)


def test_cancelled_inputs_teach_nothing() -> None:
    learned, container = LearnedTarget(MOST), a_container(1)
    learned.loaded(container, 0.0)
    learned.forget(container.container_id, 1)
    container.running.clear()
    learned.unloaded(container, 100.0)
    assert learned.view(100.0).curve == ()


# --- in the engine ----------------------------------------------------------------------------------------------------


def test_a_pool_provides_for_what_it_learned_and_says_so(play: Playbook) -> None:
    play >> function(max_inputs=8, target_inputs="auto")
    play >> submit("a", 3) << start(1, reason="3 inputs at 3 each want 1")
    play >> ready(1) << deliver(1, "a0#1", "a1#2", "a2#3")
    running = [1, 2, 3]
    for turn in range(300):  # inputs take a second, however many there are
        count = play.engine.inspection.view("fu-f", play.now).target_inputs
        first = running[-1] + 1
        play.at(turn + 1.0) >> [finished(1, *running), submit(f"b{turn}", count)]
        play.take()
        running = list(range(first, first + count))
    view = play.engine.inspection.view("fu-f", play.now)
    assert view.target_inputs == 8
    assert view.learned_target is not None
    assert {round(point.throughput / point.inputs, 2) for point in view.learned_target.curve} == {1.0}
    assert view.last_decision == "8 inputs at 8 each want 1"


def test_inputs_that_fail_or_time_out_count_as_time_without_throughput(play: Playbook) -> None:
    play >> function(max_inputs=1000, target_inputs="auto", timeout=5.0)
    play >> submit("a", 2) << start(1)
    play >> ready(1) << deliver(1, "a0#1", "a1#2")
    play.at(2.0) >> finished(1, 1) << send("a", 0)
    play.at(6.0)
    play.take()
    view = play.engine.inspection.view("fu-f", play.now).learned_target
    assert view is not None
    assert sum(point.observations for point in view.curve) == pytest.approx(1.0, rel=0.02)
    two = max(view.curve, key=lambda point: point.inputs)
    assert two.throughput < 2 / 2.0


def test_targets_of_neighbours_differ_by_a_level_at_most() -> None:
    assert all(after / before <= 2 for before, after in pairwise(level_sizes(1000)))
