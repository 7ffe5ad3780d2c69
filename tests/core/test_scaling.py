"""How a pool grows and shrinks."""

from __future__ import annotations

import pytest

from motet.core.events import AppStopped, DrainAsked
from motet.core.host import HostLimits
from motet.testing.playbook import Containing, Playbook
from motet.testing.transcript import (
    attempts,
    container_id,
    deliver,
    ended,
    finished,
    function,
    kill,
    ready,
    send,
    settings,
    start,
    stop,
    submit,
)


def sizes(play: Playbook, name: str = "f") -> list[int]:
    """How many inputs each container runs, in the order the containers were started."""
    return [container.running_inputs for container in play.engine.inspection.view(f"fu-{name}", play.now).containers]


def test_the_guides_example_holds_exactly(play: Playbook) -> None:
    """max_inputs=20 with 100 inputs waiting runs 5 containers; one more input starts the sixth; idle ones go."""
    play >> function(max_inputs=20)
    play >> submit("a", 100) << start(1, 2, 3, 4, 5)
    for number in range(1, 6):
        first = (number - 1) * 20
        play >> ready(number) << deliver(number, *attempts("a", range(first, first + 20), first=first + 1))
    assert sizes(play) == [20] * 5

    play >> submit("b") << start(6)
    play.at(1.0) >> ready(6) << deliver(6, "b0#101")

    play.at(10.0) >> finished(6, 101) << send("b", 0)
    play.at(11.0) >> finished(1, *range(1, 21)) << send("a", *range(20))
    play.at(69.9)
    play.at(70.0) << stop(6, reason=Containing("idle for 60.0 s"))
    play.at(71.0) << stop(1)
    assert sizes(play) == [0, 20, 20, 20, 20, 0]


def test_the_guides_burst_holds_exactly(play: Playbook) -> None:
    """max_inputs=120, target_inputs=100: the first container takes up to 120 while the second one starts, and only then."""
    play >> function(max_inputs=120, target_inputs=100)
    play >> submit("a", 100) << start(1)
    play >> ready(1) << deliver(1, *attempts("a", range(100), first=1))

    play >> submit("b", 30) << [deliver(1, f"b{n}#{101 + n}") for n in range(20)] << start(2)
    assert sizes(play) == [120, 0]
    play >> ready(2) << deliver(2, *attempts("b", range(20, 30), first=121))

    play >> finished(1, *range(101, 121)) << send("b", *range(20))
    play >> submit("c", 90) << deliver(2, *attempts("c", range(90), first=131))
    assert sizes(play) == [100, 100]
    play >> submit("d") << deliver(1, "d0#221") << start(3)
    assert sorted(sizes(play)) == [0, 100, 101]


def test_a_container_is_started_the_moment_an_input_exceeds_capacity(play: Playbook) -> None:
    play >> function(max_inputs=2)
    play >> submit("a") << start(1)
    play >> submit("b")
    play >> submit("c") << start(2)
    play >> ready(1) << deliver(1, "a0#1", "b0#2")
    play >> ready(2) << deliver(2, "c0#3")


def test_a_start_says_why(play: Playbook) -> None:
    play >> function(max_inputs=20, buffer_containers=1)
    play >> submit("a", 21) << start(1, 2, 3, reason="21 inputs at 20 each want 2 + 1 buffer")


def test_containers_are_provided_for_the_target(play: Playbook) -> None:
    play >> function(max_inputs=4, target_inputs=2)
    play >> submit("a", 5) << start(1, 2, 3)


def test_the_burst_goes_to_running_containers_at_once_while_others_start(play: Playbook) -> None:
    play >> function(max_inputs=4, target_inputs=2)
    play >> submit("a", 2) << start(1)
    play >> ready(1) << deliver(1, "a0#1", "a1#2")
    play >> submit("b", 3) << deliver(1, "b0#3") << deliver(1, "b1#4") << start(2, 3)
    play >> ready(2) << deliver(2, "b2#5")
    play >> ready(3)


def test_the_burst_is_spread_evenly(play: Playbook) -> None:
    play >> function(max_inputs=4, target_inputs=1, max_containers=2)
    play >> submit("a", 2) << start(1, 2)
    play >> ready(1, 2) << deliver(2, "a0#1") << deliver(1, "a1#2")
    play >> submit("b", 4)
    assert sizes(play) == [2 + 1, 2 + 1]
    play.take()


def test_at_max_containers_a_busy_one_bursts_and_the_rest_waits(play: Playbook) -> None:
    play >> function(max_inputs=3, target_inputs=2, max_containers=1)
    play >> submit("a", 5) << start(1)
    play >> ready(1) << deliver(1, "a0#1", "a1#2") << deliver(1, "a2#3")
    play >> finished(1, 1) << deliver(1, "a3#4") << send("a", 0)


def test_a_free_slot_below_target_is_used_before_anything_is_started(play: Playbook) -> None:
    play >> function(max_inputs=2, min_containers=2) << start(1, 2)
    play >> ready(1, 2)
    play >> submit("a", 3)
    assert sorted(sizes(play)) == [1, 2]
    play.take()


def test_the_fullest_container_is_filled_first_so_that_others_fall_idle(play: Playbook) -> None:
    play >> function(max_inputs=3, min_containers=2) << start(1, 2)
    play >> ready(1, 2)
    play >> submit("a") << deliver(2, "a0#1")
    play >> submit("b") << deliver(2, "b0#2")
    play >> submit("c", 2) << deliver(2, "c0#3") << deliver(1, "c1#4")


def test_each_function_has_its_own_pool(play: Playbook) -> None:
    play >> function("f", max_inputs=2)
    play >> function("g", max_inputs=2)
    play >> submit("a", function="f") << start(1, function="f")
    play >> submit("b", function="g") << start(2, function="g")
    play >> ready(1, 2) << deliver(1, "a0#1") << deliver(2, "b0#2")


# --- scale-down -------------------------------------------------------------------------------------------------------


def test_a_pool_scales_to_zero_after_the_window(play: Playbook) -> None:
    play >> function(scaledown_window=10.0)
    play >> submit("a") << start(1)
    play >> ready(1) << deliver(1, "a0#1")
    play.at(5.0) >> finished(1, 1) << send("a", 0)
    play.at(14.9)
    play.at(15.0) << stop(1)
    play >> ended(1, "exited with 0")
    assert sizes(play) == []


def test_a_container_used_again_within_the_window_stays(play: Playbook) -> None:
    play >> function(scaledown_window=10.0)
    play >> submit("a") << start(1)
    play >> ready(1) << deliver(1, "a0#1")
    play.at(5.0) >> finished(1, 1) << send("a", 0)
    play.at(14.0) >> submit("b") << deliver(1, "b0#2")
    play.at(20.0) >> finished(1, 2) << send("b", 0)
    play.at(29.9)
    play.at(30.0) << stop(1)


def test_a_container_that_ignores_its_stop_is_killed_after_the_grace() -> None:
    with Playbook(limits=HostLimits(stop_grace=7.0)) as play:
        play >> function(scaledown_window=10.0)
        play >> submit("a") << start(1)
        play >> ready(1) << deliver(1, "a0#1") >> finished(1, 1) << send("a", 0)
        play.at(10.0) << stop(1)
        play.at(16.9)
        play.at(17.0) << kill(1)


def test_a_container_is_told_to_die_only_once() -> None:
    with Playbook(limits=HostLimits(stop_grace=7.0)) as play:
        play >> function(scaledown_window=10.0, startup_timeout=5.0)
        play >> submit("a") << start(1)
        play >> ready(1) << deliver(1, "a0#1") >> finished(1, 1) << send("a", 0)
        play.at(10.0) << stop(1)
        play.at(17.0) << kill(1)
        play >> submit("b") << start(2)
        play.at(22.0)
        assert [type(command).__name__ for command in play.take()] == ["KillContainer", "SendOutcomes"]


def test_outcomes_of_attempts_it_does_not_hold_do_not_keep_a_container_from_its_end(play: Playbook) -> None:
    play >> function(scaledown_window=10.0)
    play >> submit("a") << start(1)
    play >> ready(1) << deliver(1, "a0#1") >> finished(1, 1) << send("a", 0)
    play.at(9.0) >> finished(1, 1)
    play.at(10.0) << stop(1)


# --- min, max, buffer -------------------------------------------------------------------------------------------------


def test_min_containers_are_there_without_inputs_and_stay(play: Playbook) -> None:
    play >> function(min_containers=2, scaledown_window=10.0) << start(1, 2)
    play >> ready(1, 2)
    play.at(1000.0)
    play >> ended(1) << start(3)


def test_a_pool_shrinks_to_min_containers_longest_idle_first(play: Playbook) -> None:
    play >> function(min_containers=1, scaledown_window=10.0) << start(1)
    play >> submit("a", 3) << start(2, 3)
    play >> ready(1, 2, 3) << deliver(3, "a0#1") << deliver(2, "a1#2") << deliver(1, "a2#3")
    play.at(1.0) >> finished(2, 2) << send("a", 1)
    play.at(2.0) >> finished(3, 1) << send("a", 0)
    play.at(3.0) >> finished(1, 3) << send("a", 2)
    play.at(11.0) << stop(2)
    play.at(12.0) << stop(3)
    play >> ended(2, "exited with 0") >> ended(3, "exited with 0")
    play.at(1000.0)


def test_buffer_containers_come_on_top_of_demand_while_there_are_inputs(play: Playbook) -> None:
    play >> function(buffer_containers=2, scaledown_window=10.0)
    play.at(1.0) >> submit("a") << start(1, 2, 3)
    play >> ready(1, 2, 3) << deliver(3, "a0#1")
    play.at(20.0) >> submit("b") << deliver(2, "b0#2") << start(4)
    play >> ready(4)
    play.at(21.0) >> finished(3, 1) << stop(1) << send("a", 0)
    play >> ended(1, "exited with 0")
    play.at(22.0) >> finished(2, 2) << send("b", 0)
    play.at(30.0) << stop(4)
    play.at(31.0) << stop(3)
    play.at(32.0) << stop(2)


def test_buffer_containers_stay_while_inputs_run_in_single_use_containers(play: Playbook) -> None:
    play >> function(buffer_containers=1, single_use_containers=True)
    play >> submit("a") << start(1, 2)
    play >> ready(1, 2) << deliver(2, "a0#1")
    play.at(200.0)


def test_more_than_max_containers_are_never_started(play: Playbook) -> None:
    play >> function(max_containers=2, buffer_containers=5)
    play >> submit("a", 9) << start(1, 2, reason=Containing("want 9 + 5 buffer, limited to 2"))


def test_a_container_on_its_way_out_counts_until_it_is_gone(play: Playbook) -> None:
    play >> function(max_containers=1, scaledown_window=10.0)
    play >> submit("a") << start(1)
    play >> ready(1) << deliver(1, "a0#1") >> finished(1, 1) << send("a", 0)
    play.at(10.0) << stop(1)
    play >> submit("b")
    play >> ended(1, "exited with 0") << start(2)


# --- settings changed at run time -------------------------------------------------------------------------------------


def test_raising_min_containers_starts_them_at_once(play: Playbook) -> None:
    play >> function()
    play >> settings(min_containers=2) << start(1, 2)


def test_raising_max_containers_lets_those_who_wait_have_more(play: Playbook) -> None:
    play >> function(max_containers=1)
    play >> submit("a", 3) << start(1)
    play >> settings(max_containers=3) << start(2, 3)


def test_lowering_max_containers_stops_idle_then_starting_ones_and_drains_the_least_busy(play: Playbook) -> None:
    play >> function(max_inputs=2, min_containers=4) << start(1, 2, 3, 4)
    play >> ready(1, 2, 3)
    play >> submit("a", 3) << deliver(3, "a0#1", "a1#2") << deliver(2, "a2#3")
    play >> settings(max_containers=1) << stop(1) << kill(4)
    play >> submit("b")
    play >> finished(2, 3) << stop(2, reason="drained") << send("a", 2)
    play >> finished(3, 1) << deliver(3, "b0#4") << send("a", 0)


def test_nothing_starts_above_a_lowered_max_until_enough_have_gone(play: Playbook) -> None:
    play >> function()
    play >> submit("a", 3) << start(1, 2, 3)
    play >> ready(1, 2, 3) << deliver(3, "a0#1") << deliver(2, "a1#2") << deliver(1, "a2#3")
    play >> settings(max_containers=2)
    play >> submit("b", 2)
    drained = next(c.container_id for c in play.engine.inspection.view("fu-f", 0.0).containers if c.state == "draining")
    number = int(drained[-1])
    play >> ended(number)
    play.take()
    assert len(play.engine.inspection.view("fu-f", 0.0).containers) == 2


def test_a_shorter_window_applies_to_those_already_idle(play: Playbook) -> None:
    play >> function(scaledown_window=100.0)
    play >> submit("a") << start(1)
    play >> ready(1) << deliver(1, "a0#1") >> finished(1, 1) << send("a", 0)
    play.at(30.0) >> settings(scaledown_window=20.0) << stop(1)


# --- the host's limits ------------------------------------------------------------------------------------------------


def test_starts_beyond_what_the_host_can_bear_wait_and_then_happen() -> None:
    with Playbook(limits=HostLimits(starting=2)) as play:
        play >> function()
        play >> submit("a", 4) << start(1, 2)
        play >> ready(1) << deliver(1, "a0#1") << start(3)
        play >> ready(2) << deliver(2, "a1#2") << start(4)


def test_a_pool_with_many_inputs_does_not_keep_another_from_starting() -> None:
    with Playbook(limits=HostLimits(starting=1)) as play:
        play >> function("f")
        play >> function("g")
        play >> submit("a", 20, function="f") << start(1, function="f")
        play >> submit("b", 20, function="g")
        play >> ready(1) << deliver(1, "a0#1") << start(2, function="f")
        play >> ready(2) << deliver(2, "a1#2") << start(3, function="g")
        play >> ready(3) << deliver(3, "b0#3") << start(4, function="f")


@pytest.mark.parametrize("free", ["cancelled", "overdue", "app stopped"])
def test_a_start_given_up_makes_room_for_another_pool(free: str) -> None:
    with Playbook(limits=HostLimits(starting=1)) as play:
        play >> function("f", app="ap-f", max_containers=1, min_containers=1, startup_timeout=5.0) << start(1)
        play >> function("g", app="ap-g")
        play >> submit("b", function="g")
        match free:
            case "cancelled":
                play >> ended(1) << start(2, function="g")
            case "overdue":
                play.at(5.0) << kill(1) << start(2, function="g")
            case "app stopped":
                play >> AppStopped("ap-f", 1.0) << kill(1) << start(2, function="g")


def test_without_max_containers_the_hosts_limit_holds() -> None:
    with Playbook(limits=HostLimits(containers_per_pool=2)) as play:
        play >> function()
        play >> submit("a", 9) << start(1, 2)


def test_min_containers_may_exceed_the_hosts_limit_per_pool() -> None:
    with Playbook(limits=HostLimits(containers_per_pool=2)) as play:
        play >> function(min_containers=3) << start(1, 2, 3)


# --- containers that want no more -------------------------------------------------------------------------------------


def test_a_container_that_asked_for_no_more_finishes_what_it_has_and_stops(play: Playbook) -> None:
    play >> function(max_inputs=3)
    play >> submit("a") << start(1)
    play >> ready(1) << deliver(1, "a0#1")
    play >> DrainAsked(container_id(1))
    play >> submit("b") << start(2)
    play >> finished(1, 1) << stop(1, reason="drained") << send("a", 0)
    play >> ready(2) << deliver(2, "b0#2")
    play >> DrainAsked(container_id(1))


def test_an_idle_container_that_asked_for_no_more_stops_at_once(play: Playbook) -> None:
    play >> function(min_containers=1) << start(1)
    play >> ready(1)
    play >> DrainAsked(container_id(1)) << stop(1, reason="it asked for no more inputs") << start(2)


# --- single-use containers --------------------------------------------------------------------------------------------


def test_a_single_use_container_gets_one_input_and_stops(play: Playbook) -> None:
    play >> function(single_use_containers=True, max_inputs=5)
    play >> submit("a", 2) << start(1, 2)
    play >> ready(1) << deliver(1, "a0#1")
    play >> ready(2) << deliver(2, "a1#2")
    play >> finished(1, 1) << stop(1) << send("a", 0)


def test_an_input_running_in_a_single_use_container_does_not_start_another(play: Playbook) -> None:
    play >> function(single_use_containers=True)
    play >> submit("a") << start(1)
    play >> ready(1) << deliver(1, "a0#1")
    play.at(10.0) >> submit("b") << start(2)
