"""Pools of real containers grow and shrink as their settings say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

import motet
from motet.model.views import FunctionView
from tests.e2e.conftest import Gate, assert_nothing_left, wait_until
from tests.e2e.programs import scaling
from tests.e2e.programs.scaling import app


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[None]:
    with app.run():
        yield
    assert_nothing_left()


def pool(name: str) -> FunctionView:
    assert app.running is not None
    return next(it for it in app.running.view().functions if it.name == name)


def ready(name: str) -> int:
    return sum(it.state == "ready" for it in pool(name).containers)


def spawn(function: Any, gate: Gate, count: int, start: int = 0) -> motet.FunctionCall[int]:
    call: motet.FunctionCall[int] = function.experimental_spawn_map([gate.path] * count, range(start, start + count))
    return call


def test_min_containers_are_there_before_the_first_input(gate: Gate) -> None:
    wait_until(lambda: ready("always_two") == 2, "two ready containers")
    gate.open()
    assert scaling.always_two.remote(gate.path, 0)
    assert pool("always_two").started_containers == 2


def test_a_hundred_inputs_at_max_inputs_20_run_in_five_containers_and_one_more_starts_the_sixth(gate: Gate) -> None:
    hundred = spawn(scaling.twenty, gate, 100)
    gate.wait_held(100)
    view = pool("twenty")
    assert (view.started_containers, view.running_inputs, view.waiting_inputs) == (5, 100, 0)
    assert [it.running_inputs for it in view.containers] == [20] * 5
    one = spawn(scaling.twenty, gate, 1, start=100)
    gate.wait_held(101)
    assert pool("twenty").started_containers == 6
    gate.open()
    pids = list(hundred.iter())
    assert sorted(Counter(pids).values()) == [20] * 5
    assert one.get() not in pids


def test_a_busy_container_bursts_from_target_to_max_while_another_one_starts(gate: Gate) -> None:
    first = spawn(scaling.bursting, gate, 1)
    gate.wait_held(1)
    # The container holds one input. Of three more, one is within its target; the others make the pool grow, and
    # need not wait for that.
    more = spawn(scaling.bursting, gate, 3, start=1)
    gate.wait_held(4)
    view = pool("bursting")
    assert view.started_containers == 2
    assert max(it.running_inputs for it in view.containers) == 4
    gate.open()
    assert set(more.iter()) == {first.get()}


def test_at_target_100_a_container_bursts_to_120_while_the_next_one_starts_and_only_then(gate: Gate) -> None:
    first = spawn(scaling.hundred, gate, 100)
    gate.wait_held(100)
    assert [it.running_inputs for it in pool("hundred").containers] == [100]
    burst = spawn(scaling.hundred, gate, 130, start=100)
    gate.wait_held(230)
    # 20 of them went to the busy container at once; the second one took its 100 when it was ready, and may burst for the
    # rest, because there is to be no third.
    view = pool("hundred")
    assert (view.started_containers, view.running_inputs, view.waiting_inputs) == (2, 230, 0)
    assert [it.running_inputs for it in view.containers] == [120, 110]
    gate.open()
    assert sorted(Counter([*first.iter(), *burst.iter()]).values()) == [110, 120]
    assert pool("hundred").peak_containers == 2


def test_ready_containers_are_filled_to_the_target_and_no_further(gate: Gate) -> None:
    scaling.hundred.update_autoscaler(min_containers=2)
    wait_until(lambda: ready("hundred") == 2, "two ready containers")
    call = spawn(scaling.hundred, gate, 200)
    gate.wait_held(200)
    assert [it.running_inputs for it in pool("hundred").containers] == [100, 100]
    gate.open()
    assert sorted(Counter(call.iter()).values()) == [100, 100]


def test_there_are_never_more_containers_than_max_and_the_rest_waits(gate: Gate) -> None:
    call = spawn(scaling.at_most_two, gate, 5)
    gate.wait_held(2)
    view = pool("at_most_two")
    assert (len(view.containers), view.running_inputs, view.waiting_inputs) == (2, 2, 3)
    assert "limited to 2" in view.last_decision
    gate.open()
    assert len(set(call.iter())) == 2
    assert pool("at_most_two").peak_containers == 2


def test_a_pool_scales_to_zero_after_its_scaledown_window_and_comes_back(gate: Gate) -> None:
    gate.open()
    first = scaling.short.remote(gate.path, 0)
    assert ready("short") == 1
    wait_until(lambda: not pool("short").containers, "no containers")
    assert scaling.short.remote(gate.path, 1) != first


def test_buffer_containers_come_on_top_of_demand_while_there_is_any(gate: Gate) -> None:
    assert not pool("buffered").containers
    call = spawn(scaling.buffered, gate, 1)
    wait_until(lambda: ready("buffered") == 3, "one busy and two spare containers")
    gate.open()
    call.get()


def test_bounds_can_be_changed_while_inputs_wait(gate: Gate) -> None:
    call = spawn(scaling.changing, gate, 3)
    gate.wait_held(1)
    assert len(pool("changing").containers) == 1
    scaling.changing.update_autoscaler(max_containers=3, scaledown_window=2)
    gate.wait_held(3)
    gate.open()
    assert len(set(call.iter())) == 3
    scaling.changing.update_autoscaler(min_containers=1)
    wait_until(lambda: len(pool("changing").containers) == 1, "all idle containers but the minimum are gone")
