"""The engine's small parts, each by itself: router, waiting queue, autoscaler, and the two tables of states."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motet.core import containers, inputs
from motet.core.autoscaler import NOTHING_RUNS, Demand, PoolFacts, ScalingDecision, bound, most_containers
from motet.core.containers import Container
from motet.core.host import Host, HostLimits
from motet.core.inputs import Call, Input
from motet.core.policies import POLICIES
from motet.core.router import LoadIndex
from motet.core.scaler import Scaler
from motet.core.shares import Share
from motet.core.turn import Turn
from motet.core.waiting import WaitingQueue
from motet.errors import InternalError
from motet.model.outcome import CallKind
from motet.model.scaling import AutoscalerSettings


def call(name: str) -> Call:
    return Call(f"fc-{name}", "fu-f", 1, CallKind.ATTACHED, "")


def an_input(of: Call | None = None, index: int = 0) -> Input:
    return Input(of or call("a"), index, b"", 0.0)


def container(name: str, load: int = 0) -> Container:
    made = Container(name, 0.0, "test")
    made.running = dict.fromkeys(range(load))
    return made


# --- autoscaler -------------------------------------------------------------------------------------------------------

BOUNDS = AutoscalerSettings


@pytest.mark.parametrize(
    ("demand", "target", "settings", "desired", "reason"),
    [
        (Demand(0, active=False), 20, BOUNDS(), 0, "0 inputs at 20 each want 0"),
        (Demand(1), 20, BOUNDS(), 1, "1 input at 20 each wants 1"),
        (Demand(100), 20, BOUNDS(), 5, "100 inputs at 20 each want 5"),
        (Demand(101), 20, BOUNDS(), 6, "101 inputs at 20 each want 6"),
        (Demand(3), 1, BOUNDS(max_containers=2), 2, "3 inputs at 1 each want 3, limited to 2"),
        (Demand(9), 1, BOUNDS(), 8, "9 inputs at 1 each want 9, limited to 8"),
        (Demand(9), 1, BOUNDS(max_containers=20), 9, "9 inputs at 1 each want 9"),
        (Demand(0, active=False), 1, BOUNDS(min_containers=2), 2, "min_containers=2"),
        (Demand(0, active=False), 1, BOUNDS(min_containers=9), 9, "min_containers=9"),
        (Demand(3), 1, BOUNDS(min_containers=2), 3, "3 inputs at 1 each want 3"),
        (Demand(0, active=False), 1, BOUNDS(buffer_containers=2), 0, "0 inputs at 1 each want 0"),
        (Demand(1), 1, BOUNDS(buffer_containers=2), 3, "1 input at 1 each wants 1 + 2 buffer"),
        (Demand(0, active=True), 1, BOUNDS(buffer_containers=2), 2, "0 inputs at 1 each want 0 + 2 buffer"),
        (Demand(2, alone=1), 20, BOUNDS(), 2, "2 inputs at 20 each and 1 alone want 2"),
    ],
)
def test_a_pool_has_what_its_policy_wants_within_its_bounds(
    demand: Demand, target: int, settings: AutoscalerSettings, desired: int, reason: str
) -> None:
    decision = POLICIES["motet"].decide(demand, PoolFacts(target, target), settings, 0.0)
    bounded = bound(decision, demand, settings, most_containers(settings, 8))
    assert (bounded.desired, bounded.reason) == (desired, reason)


@pytest.mark.parametrize(
    ("wanted", "demand", "desired", "reason"),
    [
        (0, Demand(0, active=False), 0, "for a reason"),
        (0, Demand(1), 1, "for a reason; the inputs need 1 to run at all"),
        (1, Demand(5, alone=2), 3, "for a reason; the inputs need 3 to run at all"),
        (9, Demand(1), 8, "for a reason, limited to 8"),
    ],
)
def test_whatever_a_policy_wants_inputs_can_run_and_limits_hold(
    wanted: int, demand: Demand, desired: int, reason: str
) -> None:
    bounded = bound(ScalingDecision(wanted, "for a {}", ("reason",)), demand, BOUNDS(), 8)
    assert (bounded.desired, bounded.reason) == (desired, reason)


@dataclass
class FakeFleet:
    max_inputs: int
    target_inputs: int
    live: int = 0
    starting: int = 0


@given(
    name=st.sampled_from(sorted(POLICIES)),
    inputs=st.lists(st.integers(0, 10_000), min_size=1, max_size=8),
    pause=st.sampled_from([0.0, 1.0, 15.0, 700.0]),
    target=st.integers(1, 1000),
    low=st.integers(0, 50),
    above=st.none() | st.integers(0, 50),
    buffer=st.integers(0, 10),
)
def test_every_policy_is_within_the_bounds_at_every_instant(
    name: str, inputs: list[int], pause: float, target: int, low: int, above: int | None, buffer: int
) -> None:
    most = None if above is None else max(1, low + above)
    settings = BOUNDS(min_containers=low, max_containers=most, buffer_containers=buffer)
    limit = most_containers(settings, 32)
    alarms: list[float] = []
    fleet = FakeFleet(target, target)
    scaler = Scaler(POLICIES[name], fleet, NOTHING_RUNS, alarms.append)
    for number, count in enumerate(inputs):
        demand = Demand(count, active=count > 0)
        decision = scaler.decide(demand, settings, limit, number * pause)
        live = fleet.live = decision.desired
        assert low <= live <= (max(32, low) if most is None else most)
        assert live or not count
        assert all(alarm > number * pause for alarm in alarms)
        alarms.clear()
        if name in ("motet", "modal"):
            assert live * target >= count or live == limit


# --- router -----------------------------------------------------------------------------------------------------------


@given(loads=st.lists(st.integers(0, 8), max_size=12), limit=st.integers(1, 9), gone=st.sets(st.integers(0, 11)))
def test_the_index_finds_what_a_scan_would(loads: list[int], limit: int, gone: set[int]) -> None:
    index = LoadIndex(8)
    made = [container(f"ta-{n}", load) for n, load in enumerate(loads)]
    for one in made:
        index.put(container(one.container_id, 8))  # it had another load before
        index.put(one)
    for one in [one for n, one in enumerate(made) if n in gone]:
        index.remove(one)
        index.remove(one)
    left = [one for n, one in enumerate(made) if n not in gone]
    assert all((one in index) == (one in left) for one in made)
    assert index.load == sum(len(one.running) for one in left)
    below = [len(one.running) for one in left if len(one.running) < limit]
    fullest, emptiest = index.fullest_below(limit), index.emptiest_below(limit)
    assert (len(fullest.running) if fullest else None) == max(below, default=None)
    assert (len(emptiest.running) if emptiest else None) == min(below, default=None)


def test_among_equals_the_router_takes_the_one_used_last_and_stops_the_one_idle_longest() -> None:
    index = LoadIndex(2)
    first, second = container("ta-1"), container("ta-2")
    index.put(first)
    index.put(second)
    assert index.idle() is index.fullest_below(2) is second
    assert index.longest_idle() is first


# --- waiting queue ----------------------------------------------------------------------------------------------------


def fill(queue: WaitingQueue, calls: dict[str, int]) -> dict[str, Call]:
    made = {name: call(name) for name in calls}
    for name, count in calls.items():
        queue.add(made[name], [an_input(made[name], index) for index in range(count)])
    return made


def drain(queue: WaitingQueue) -> list[str]:
    return [str(item.input_id)[3:] for item in iter(queue.pop, None)]


def test_calls_take_turns_and_inputs_of_a_call_keep_their_order() -> None:
    queue = WaitingQueue()
    fill(queue, {"a": 4, "b": 1, "c": 2})
    assert len(queue) == 7
    assert drain(queue) == ["a-0", "b-0", "c-0", "a-1", "c-1", "a-2", "a-3"]
    assert len(queue) == 0


def test_a_large_call_does_not_delay_a_small_one() -> None:
    queue = WaitingQueue()
    fill(queue, {"a": 10_000})
    fill(queue, {"b": 1})
    assert drain(queue)[:2] == ["a-0", "b-0"]


def test_a_withdrawn_call_leaves_nothing_behind() -> None:
    queue = WaitingQueue()
    calls = fill(queue, {"a": 3, "b": 2})
    queue.withdraw(calls["a"])
    assert (len(queue), drain(queue)) == (2, ["b-0", "b-1"])


@given(st.lists(st.sampled_from(["a", "b", "c", "pop", "remove a", "remove b"])))
def test_whatever_happens_no_input_is_lost_or_comes_twice(steps: list[str]) -> None:
    queue = WaitingQueue()
    calls = {name: call(name) for name in "abc"}
    inside: dict[str, list[Input]] = {name: [] for name in "abc"}
    for number, step in enumerate(steps):
        if step in calls:
            item = an_input(calls[step], number)
            inside[step].append(item)
            queue.add(calls[step], [item])
        elif step == "pop":
            item_or_none = queue.pop()
            assert (item_or_none is None) == (not any(inside.values()))
            if item_or_none is not None:
                assert inside[item_or_none.call.call_id[3:]].pop(0) is item_or_none
        else:
            queue.withdraw(calls[step[-1]])
            calls[step[-1]].waiting.clear()
            inside[step[-1]].clear()
        assert len(queue) == sum(map(len, inside.values()))


# --- states -----------------------------------------------------------------------------------------------------------

EVERY_INPUT_EVENT = sorted({event for row in inputs.TRANSITIONS.values() for event in row})
EVERY_CONTAINER_EVENT = sorted({event for row in containers.TRANSITIONS.values() for event in row})


@pytest.mark.parametrize(("state", "event"), list(itertools.product(inputs.TRANSITIONS, EVERY_INPUT_EVENT)))
def test_an_input_moves_as_its_table_says_and_an_illegal_event_changes_nothing(state: str, event: str) -> None:
    item = an_input()
    item.state = state
    target = inputs.TRANSITIONS[state].get(event)
    if target is None:
        with pytest.raises(InternalError, match=f"cannot be {event} while {state}: in-a-0 submitted"):
            item.move(event)
        assert item.state == state
    else:
        item.move(event)
        assert item.state == target


@pytest.mark.parametrize(("state", "event"), list(itertools.product(containers.TRANSITIONS, EVERY_CONTAINER_EVENT)))
def test_a_container_moves_as_its_table_says_and_an_illegal_event_changes_nothing(state: str, event: str) -> None:
    one = container("ta-1")
    one.state = state
    target = containers.TRANSITIONS[state].get(event)
    if target is None:
        with pytest.raises(InternalError, match=f"cannot be {event} while {state}: ta-1 {state}"):
            one.move(event, 1.0)
        assert (one.state, len(one.history)) == (state, 1)
    else:
        one.move(event, 1.0, "why")
        assert (one.state, one.history[-1]) == (target, (1.0, f"{event}: why"))


@pytest.mark.parametrize("table", [inputs.TRANSITIONS, containers.TRANSITIONS])
def test_every_state_but_ended_can_be_reached_and_left(table: dict[str, dict[str, str]]) -> None:
    reached = {target for row in table.values() for target in row.values()}
    assert set(table) - reached <= {"starting"}
    assert [state for state, row in table.items() if not row] == ["ended"]


# --- host -------------------------------------------------------------------------------------------------------------


SHARE = Share("an app")


class FakePool:
    def __init__(self, host: Host, wanted: int, name: str, log: list[str]) -> None:
        self.host, self.wanted, self.name, self.log = host, wanted, name, log
        self.share = SHARE
        self.lacks_one = False

    def start(self, turn: Turn) -> bool:
        self.wanted -= 1
        self.host.container_started()
        self.log.append(self.name)
        return True

    def make_room(self, turn: Turn) -> None:
        raise AssertionError("it was not refused a device")


def test_pools_take_turns_in_starting_containers() -> None:
    host, log = Host(HostLimits(starting=5)), list[str]()
    for pool in (FakePool(host, 4, "a", log), FakePool(host, 1, "b", log), FakePool(host, 2, "c", log)):
        host.queue(pool)
    host.start_next(Turn(0.0))
    assert log == ["a", "b", "c", "a", "c"]
    host.start_next(Turn(0.0))
    for _ in range(5):
        host.start_is_over()
    host.start_next(Turn(0.0))
    assert log[5:] == ["a", "a"]


def test_who_wants_nothing_any_more_leaves_the_line() -> None:
    host, log = Host(HostLimits(starting=5)), list[str]()
    pool = FakePool(host, 4, "a", log)
    host.queue(pool)
    pool.wanted = 0
    host.queue(pool)
    host.start_next(Turn(0.0))
    assert log == []
