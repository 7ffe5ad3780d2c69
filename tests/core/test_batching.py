"""Batches: when they leave, what they hold, what becomes of each member when one of them, or their container, goes."""

from __future__ import annotations

import pytest

from motet.core.batch_window import MAX_LEARNED_WAIT, LearnedWindow, Plan, fitted, learned
from motet.model.outcome import OutcomeKind
from motet.model.retries import RetryPolicy
from motet.testing.playbook import Containing, Playbook
from motet.testing.transcript import (
    attempts,
    cancel,
    cancel_attempts,
    deliver_batch,
    ended,
    finished,
    function,
    kill,
    ready,
    send,
    start,
    stop,
    submit,
)


def one_ready(**options: object) -> Playbook:
    """A batched function with one container that is ready and stays."""
    play = Playbook()
    defaults = {"max_batch_size": 3, "wait_ms": 1000, "min_containers": 1, "max_containers": 1}
    play >> function("f", **{**defaults, **options}) << start(1)
    play >> ready(1)
    return play


def view(play: Playbook):  # type: ignore[no-untyped-def]
    return play.engine.inspection.view("fu-f", play.now)


# --- when a batch leaves ----------------------------------------------------------------------------------------------


def test_a_full_batch_leaves_at_once() -> None:
    with one_ready() as play:
        play >> submit("a", 3) << deliver_batch(1, "a0#1", "a1#2", "a2#3")
        play >> finished(1, 1, 2, 3) << send("a", 0, 1, 2)


def test_a_batch_that_is_not_full_leaves_when_the_window_of_its_first_input_is_over() -> None:
    with one_ready() as play:
        play >> submit("a")
        play.at(0.6) >> submit("b")
        play.at(0.999)
        play.at(1.0) << deliver_batch(1, "a0#1", "b0#2")


def test_the_input_that_fills_a_batch_ends_its_window() -> None:
    with one_ready() as play:
        play >> submit("a", 2)
        play.at(0.2) >> submit("b") << deliver_batch(1, "a0#1", "b0#2", "a1#3")
        play.at(1.5)


def test_what_does_not_fit_into_a_full_batch_has_the_rest_of_its_own_window() -> None:
    with one_ready(max_inputs=2) as play:
        play >> submit("a", 4) << deliver_batch(1, "a0#1", "a1#2", "a2#3")
        play.at(1.0) << deliver_batch(1, "a3#4")


def test_with_no_wait_each_turn_is_a_batch() -> None:
    with one_ready(wait_ms=0, max_inputs=2) as play:
        play >> submit("a") << deliver_batch(1, "a0#1")
        play >> [submit("b"), submit("c")] << deliver_batch(1, "b0#2", "c0#3")


def test_inputs_of_different_calls_share_a_batch_turn_by_turn() -> None:
    with one_ready(max_batch_size=4) as play:
        play >> [submit("a", 9), submit("b", 2)] << deliver_batch(1, "a0#1", "b0#2", "a1#3", "b1#4")


def test_a_batch_takes_one_slot_and_when_none_is_free_inputs_gather() -> None:
    with one_ready(wait_ms=0) as play:
        play >> submit("a") << deliver_batch(1, "a0#1")
        play >> submit("b", 2)
        play >> submit("c", 2)
        play >> finished(1, 1) << deliver_batch(1, "b0#2", "c0#3", "b1#4") << send("a", 0)
        play >> finished(1, 2, 3, 4) << deliver_batch(1, "c1#5") << send("b", 0, 1) << send("c", 0)


def test_a_slot_is_free_again_only_when_the_whole_batch_has_ended() -> None:
    with one_ready(wait_ms=0) as play:
        play >> submit("a", 2) << deliver_batch(1, "a0#1", "a1#2")
        play >> submit("b")
        play >> finished(1, 1) << send("a", 0)
        play >> finished(1, 2) << deliver_batch(1, "b0#3") << send("a", 1)


def test_as_many_batches_run_at_once_as_the_container_has_slots() -> None:
    with one_ready(max_inputs=2, max_batch_size=2, wait_ms=0) as play:
        play >> submit("a", 5) << deliver_batch(1, "a0#1", "a1#2") << deliver_batch(1, "a2#3", "a3#4")
        assert (view(play).running_inputs, view(play).waiting_inputs, view(play).max_inputs) == (4, 1, 4)
        assert view(play).containers[0].running_inputs == 4


def test_slots_above_target_take_batches_when_no_container_may_be_added() -> None:
    with one_ready(max_inputs=2, target_inputs=1, max_batch_size=2, wait_ms=0) as play:
        play >> submit("a", 4) << deliver_batch(1, "a0#1", "a1#2") << deliver_batch(1, "a2#3", "a3#4")


# --- capacity ---------------------------------------------------------------------------------------------------------


def test_the_autoscaler_counts_batches() -> None:
    with Playbook() as play:
        play >> function("f", max_batch_size=4, wait_ms=1000, max_inputs=2)
        play >> submit("a", 17) << start(1, 2, 3, reason="5 batches at 2 each want 3")


def test_a_container_starts_for_the_first_input_and_not_after_its_window() -> None:
    with Playbook() as play:
        play >> function("f", max_batch_size=4, wait_ms=60_000) >> submit("a") << start(1)
        play.at(1.0) >> ready(1)
        play.at(60.0) << deliver_batch(1, "a0#1")


def test_a_single_use_container_runs_one_batch() -> None:
    with Playbook() as play:
        play >> function("f", max_batch_size=2, wait_ms=0, single_use_containers=True)
        play >> submit("a", 2) << start(1)
        play >> ready(1) << deliver_batch(1, "a0#1", "a1#2")
        play >> finished(1, 1, 2) << stop(1) << send("a", 0, 1)


# --- members part -----------------------------------------------------------------------------------------------------


def test_each_member_is_retried_on_its_own_account_and_may_land_in_another_batch() -> None:
    policy = RetryPolicy(max_retries=1, initial_delay=5.0)
    with one_ready(retries=policy, max_batch_size=2) as play:
        play >> submit("a", 2) << deliver_batch(1, "a0#1", "a1#2")
        play >> [finished(1, 1), finished(1, 2, kind=OutcomeKind.FAILURE)] << send("a", 0)
        play.at(4.5) >> submit("b")
        play.at(5.0) << deliver_batch(1, "b0#3", "a1#4")
        play >> finished(1, 3, 4, kind=OutcomeKind.FAILURE) << send("a", 1, kind=OutcomeKind.FAILURE)
        play.at(11.0) << deliver_batch(1, "b0#5")


def test_a_batch_that_runs_too_long_times_out_every_member_and_is_cancelled_once() -> None:
    with one_ready(timeout=10.0) as play:
        play >> submit("a", 3) << deliver_batch(1, "a0#1", "a1#2", "a2#3")
        play.at(10.0) << cancel_attempts(1, 1)
        play << send("a", 0, 1, 2, kind=OutcomeKind.TIMED_OUT)
        play >> submit("b", 3)
        play >> finished(1, 1, 2, 3, kind=OutcomeKind.CANCELLED) << deliver_batch(1, "b0#4", "b1#5", "b2#6")


def test_a_cancelled_member_leaves_its_batch_mates_running_and_their_results_stand() -> None:
    with one_ready() as play:
        play >> [submit("a"), submit("b"), submit("c")] << deliver_batch(1, "a0#1", "b0#2", "c0#3")
        play >> cancel("a") << send("a", 0, kind=OutcomeKind.CANCELLED)
        play >> cancel("c") << send("c", 0, kind=OutcomeKind.CANCELLED)
        play >> finished(1, 1, 2, 3) << send("b", 0)


def test_a_batch_nobody_waits_for_is_cancelled_under_the_number_of_its_first_attempt() -> None:
    with one_ready() as play:
        play >> [submit("a", 2), submit("b")] << deliver_batch(1, "a0#1", "b0#2", "a1#3")
        play >> cancel("b") << send("b", 0, kind=OutcomeKind.CANCELLED)
        play >> cancel("a") << cancel_attempts(1, 1) << send("a", 0, 1, kind=OutcomeKind.CANCELLED)
        play >> finished(1, 1, 2, 3, kind=OutcomeKind.CANCELLED)


def test_a_container_that_does_not_end_a_cancelled_batch_is_killed() -> None:
    with one_ready() as play:
        play >> submit("a", 3) << deliver_batch(1, "a0#1", "a1#2", "a2#3")
        play >> cancel("a") << cancel_attempts(1, 1) << send("a", 0, 1, 2, kind=OutcomeKind.CANCELLED)
        play.at(100.0) << kill(1)
        play >> ended(1) << start(2)


def test_a_waiting_input_that_is_cancelled_takes_its_window_with_it() -> None:
    with one_ready() as play:
        play >> submit("a")
        play.at(0.5) >> submit("b")
        play.at(0.7) >> cancel("a") << send("a", 0, kind=OutcomeKind.CANCELLED)
        play.at(1.5) << deliver_batch(1, "b0#1")


# --- containers die ---------------------------------------------------------------------------------------------------


def test_of_a_batch_that_killed_its_container_each_runs_alone_and_the_killer_is_found() -> None:
    with one_ready(max_batch_size=2) as play:
        play >> submit("a", 2) << deliver_batch(1, "a0#1", "a1#2")
        play >> ended(1) << start(2)
        play >> ready(2) << deliver_batch(2, "a0#3")
        play >> finished(2, 3) << deliver_batch(2, "a1#4") << send("a", 0)
        play >> ended(2) << start(3)
        play >> ready(3) << deliver_batch(3, "a1#5")
        play >> ended(3) << start(4) << send("a", 1, kind=OutcomeKind.LOST, payload=Containing("alone", "2 times over"))


def test_a_batch_alone_in_its_container_accuses_nobody() -> None:
    with one_ready(max_batch_size=2) as play:
        play >> submit("a", 2) << deliver_batch(1, "a0#1", "a1#2")
        play >> ended(1) << start(2)
        play >> ready(2) << deliver_batch(2, "a0#3")
        play >> ended(2) << start(3)  # its first death alone: with a second one it would be lost
        play >> ready(3) << deliver_batch(3, "a0#4")
        play >> finished(3, 4) << deliver_batch(3, "a1#5") << send("a", 0)
        play >> finished(3, 5) << send("a", 1)


def test_outcomes_of_a_dead_container_are_stale() -> None:
    with one_ready() as play:
        play >> submit("a", 3) << deliver_batch(1, *attempts("a", range(3), first=1))
        play >> ended(1) << start(2)
        play >> finished(1, 1, 2, 3)


# --- learned windows --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("batches", "fixed_cost", "per_input"),
    [
        ([(1, 0.11), (2, 0.12), (10, 0.20)], 0.10, 0.01),
        ([(1, 0.5), (1, 0.7)], 0.6, 0.0),  # one size: nothing tells the two apart
        ([(8, 0.4)], 0.4, 0.0),
        ([(1, 0.2), (2, 0.1)], 0.15, 0.0),  # larger ones were faster by chance
        ([(1, 0.01), (2, 0.02), (4, 0.04)], 0.0, 0.01),
        ([(1, 0.0), (2, 0.1)], 0.0, 1 / 30),  # no cost below zero
    ],
)
def test_costs_fitted_to_batches(batches: list[tuple[int, float]], fixed_cost: float, per_input: float) -> None:
    assert fitted(batches) == pytest.approx((fixed_cost, per_input), abs=1e-9)


@pytest.mark.parametrize(
    ("fixed_cost", "gap", "size", "plan"),
    [
        (0.0, 0.01, 32, Plan(0.0, 1)),  # nothing to spare
        (0.1, 0.2, 32, Plan(0.0, 1)),  # the next comes too late
        (0.1, 0.1, 32, Plan(0.0, 1)),
        (0.1, 0.04, 32, Plan(0.08, 3)),  # 2 * 0.04 < 0.1 <= 3 * 0.04
        (0.125, 1 / 64, 32, Plan(7 / 64, 8)),
        (0.1, 0.001, 32, Plan(0.031, 32)),  # as many as may be
        (0.1, 0.0, 32, Plan(0.0, 32)),  # all at once
        (900.0, 0.5, 1000, Plan(MAX_LEARNED_WAIT, 1000)),
    ],
)
def test_windows_learned_from_costs_and_arrivals(fixed_cost: float, gap: float, size: int, plan: Plan) -> None:
    found = learned(fixed_cost, gap, size)
    assert found.enough == plan.enough
    assert found.wait == pytest.approx(plan.wait)


def test_a_learned_window_is_closed_until_there_is_something_to_learn_from() -> None:
    window = LearnedWindow(8)
    assert window.plan == Plan(0.0, 1)
    window.arrived(0.0)
    window.took(1, 1.0)
    assert window.plan == Plan(0.0, 1)
    window.arrived(0.1)
    assert window.plan.enough == 8


def test_a_long_pause_between_inputs_counts_for_a_second() -> None:
    window = LearnedWindow(8)
    for at in (0.0, 0.1, 3600.0):
        window.arrived(at)
    window.took(1, 2.0)
    assert window.plan.enough == learned(2.0, (0.1 + MAX_LEARNED_WAIT) / 2, 8).enough


def test_a_learned_window_opens_as_inputs_come_more_often_than_calls_cost() -> None:
    with one_ready(max_batch_size=10, wait_ms="auto", max_inputs=2) as play:
        play >> submit("a") << deliver_batch(1, "a0#1")
        play.at(1.0) >> finished(1, 1) << send("a", 0)  # a call takes a second
        play.at(1.25) >> submit("b") << deliver_batch(1, "b0#2")  # and so long nothing came
        play.at(1.5) >> submit("c")  # a mean gap of 0.625 s: two make a batch
        play.at(2.125) << deliver_batch(1, "c0#3")
