"""Containers that die with inputs: what was innocent finishes, what kills is told so."""

from __future__ import annotations

from motet.model.outcome import OutcomeKind
from motet.testing.playbook import Containing, Playbook
from motet.testing.transcript import (
    cancel,
    cancel_attempts,
    deliver,
    ended,
    finished,
    function,
    ready,
    send,
    settings,
    start,
    submit,
    yielded,
)

LOST = OutcomeKind.LOST


def test_an_input_is_redelivered_when_its_container_is_lost(play: Playbook) -> None:
    play >> function(retries=0)
    play >> submit("a") << start(1)
    play >> ready(1) << deliver(1, "a0#1")
    play >> ended(1) << start(2)
    play >> ready(2) << deliver(2, "a0#2")
    play >> finished(2, 2) << send("a", 0)


def test_an_end_that_is_nobodys_fault_charges_nobody_however_often_it_comes(play: Playbook) -> None:
    play >> function()
    play >> submit("a") << start(1)
    play >> ready(1) << deliver(1, "a0#1")
    for number in range(1, 6):
        play >> ended(number, blameless=True) << start(number + 1)
        play >> ready(number + 1) << deliver(number + 1, f"a0#{number + 1}")
    play >> finished(6, 6) << send("a", 0)


def test_an_input_that_kills_its_container_twice_while_alone_fails(play: Playbook) -> None:
    play >> function()
    play >> submit("a") << start(1)
    play >> ready(1) << deliver(1, "a0#1")
    play >> ended(1) << start(2)
    play >> ready(2) << deliver(2, "a0#2")
    why = Containing("ContainerDied", "was killed by signal 9", "in-a-0 alone", "2 times over")
    play >> ended(2) << send("a", 0, kind=LOST, payload=why)


def test_suspects_run_in_ever_smaller_groups_until_the_killer_is_alone(play: Playbook) -> None:
    """a1 kills whatever runs it."""
    play >> function(max_inputs=4, max_containers=1)
    play >> submit("a", 4) << start(1)
    play >> ready(1) << deliver(1, "a0#1", "a1#2", "a2#3", "a3#4")
    play >> ended(1) << start(2)
    play >> ready(2) << deliver(2, "a0#5", "a1#6")
    play >> ended(2) << start(3)
    play >> ready(3) << deliver(3, "a0#7")
    play >> finished(3, 7) << deliver(3, "a1#8") << send("a", 0)
    play >> ended(3) << start(4)
    play >> ready(4) << deliver(4, "a1#9")
    play >> ended(4) << start(5) << send("a", 1, kind=LOST)
    play >> ready(5) << deliver(5, "a2#10", "a3#11")
    play >> finished(5, 10, 11) << send("a", 2, 3)


def test_groups_run_side_by_side_where_the_pool_may_grow(play: Playbook) -> None:
    play >> function(max_inputs=4)
    play >> submit("a", 4) << start(1)
    play >> ready(1) << deliver(1, "a0#1", "a1#2", "a2#3", "a3#4")
    play >> ended(1) << start(2, 3)
    play >> ready(2) << deliver(2, "a0#5", "a1#6")
    play >> ready(3) << deliver(3, "a2#7", "a3#8")


def test_a_cancelled_suspect_leaves_its_group(play: Playbook) -> None:
    play >> function(max_inputs=3, max_containers=1)
    play >> submit("a", 2) << start(1)
    play >> submit("b")
    play >> ready(1) << deliver(1, "a0#1", "b0#2", "a1#3")
    play >> ended(1) << start(2)
    play >> cancel("a") << send("a", 0, 1, kind=OutcomeKind.CANCELLED)
    play >> ready(2) << deliver(2, "b0#4")


def test_nothing_joins_a_suspect_in_its_container(play: Playbook) -> None:
    play >> function(max_inputs=3, max_containers=1)
    play >> submit("a") << start(1)
    play >> ready(1) << deliver(1, "a0#1")
    play >> ended(1) << start(2)
    play >> ready(2) << deliver(2, "a0#2")
    play >> submit("b", 2)
    play >> finished(2, 2) << deliver(2, "b0#3", "b1#4") << send("a", 0)


def test_the_pool_grows_around_a_suspect(play: Playbook) -> None:
    play >> function(max_inputs=3)
    play >> submit("a") << start(1)
    play >> ready(1) << deliver(1, "a0#1")
    play >> ended(1) << start(2)
    play >> ready(2) << deliver(2, "a0#2")
    play >> submit("b") << start(3)
    play >> ready(3) << deliver(3, "b0#3")


def two_full_containers_of_which_one_drains(play: Playbook) -> None:
    """Container 1 runs call a and drains; container 2 runs call b and is all the pool may have."""
    play >> function(max_inputs=2)
    play >> submit("a", 2) << start(1)
    play >> ready(1) << deliver(1, "a0#1", "a1#2")
    play >> submit("b", 2) << start(2)
    play >> ready(2) << deliver(2, "b0#3", "b1#4")
    play >> settings(max_containers=1)


def test_a_busy_container_runs_empty_for_a_suspect_if_there_can_be_no_other(play: Playbook) -> None:
    two_full_containers_of_which_one_drains(play)
    play >> ended(1)
    play >> submit("c")
    play >> finished(2, 3) << send("b", 0)
    play >> finished(2, 4) << deliver(2, "a0#5") << send("b", 1)
    play >> finished(2, 5) << deliver(2, "a1#6") << send("a", 0)
    play >> finished(2, 6) << deliver(2, "c0#7") << send("a", 1)


def test_a_container_kept_for_a_suspect_goes_back_when_there_is_none(play: Playbook) -> None:
    two_full_containers_of_which_one_drains(play)
    play >> ended(1)
    play >> submit("c")
    play >> finished(2, 3) << send("b", 0)
    play >> cancel("a") << deliver(2, "c0#5") << send("a", 0, 1, kind=OutcomeKind.CANCELLED)


def test_a_container_kept_for_a_suspect_goes_back_when_the_pool_may_grow(play: Playbook) -> None:
    two_full_containers_of_which_one_drains(play)
    play >> ended(1)
    play >> submit("c")
    play >> settings(max_containers=4) << start(3, 4)
    play >> ready(3) << deliver(3, "a0#5")
    play >> ready(4) << deliver(4, "a1#6") << start(5)
    play >> finished(2, 3) << deliver(2, "c0#7") << send("b", 0)


def test_busy_containers_stay_in_service_where_the_pool_can_grow_for_a_suspect(play: Playbook) -> None:
    play >> function(max_inputs=2)
    play >> submit("a", 2) << start(1)
    play >> ready(1) << deliver(1, "a0#1", "a1#2")
    play >> submit("b") << start(2)
    play >> ready(2) << deliver(2, "b0#3")
    play >> ended(1) << start(3, 4)
    play >> submit("c") << deliver(2, "c0#4")


def test_an_innocent_suspect_is_cleared_by_its_success_and_others_may_join_again(play: Playbook) -> None:
    play >> function(max_inputs=2, retries=1, max_containers=1)
    play >> submit("a") << start(1)
    play >> ready(1) << deliver(1, "a0#1")
    play >> ended(1) << start(2)
    play >> ready(2) << deliver(2, "a0#2")
    play >> finished(2, 2, kind=OutcomeKind.FAILURE)
    play >> submit("b") << deliver(2, "b0#3")
    play.at(1.0) << deliver(2, "a0#4")


def test_a_suspect_that_timed_out_is_no_suspect_when_retried(play: Playbook) -> None:
    play >> function(max_inputs=2, retries=1, timeout=5.0, max_containers=1)
    play >> submit("a") << start(1)
    play >> ready(1) << deliver(1, "a0#1")
    play >> ended(1) << start(2)
    play >> ready(2) << deliver(2, "a0#2")
    play.at(5.0) << cancel_attempts(2, 2)
    play.at(6.0) >> cancel("a") << send("a", 0, kind=OutcomeKind.CANCELLED)


def test_inputs_lost_with_others_keep_their_order(play: Playbook) -> None:
    play >> function(max_inputs=3, max_containers=1)
    play >> submit("a", 3) << start(1)
    play >> ready(1) << deliver(1, "a0#1", "a1#2", "a2#3")
    play >> ended(1) << start(2)
    play >> ready(2) << deliver(2, "a0#4", "a1#5")
    play >> finished(2, 4, 5) << deliver(2, "a2#6") << send("a", 0, 1)


def test_a_stream_that_already_gave_items_is_not_run_again(play: Playbook) -> None:
    play >> function()
    play >> submit("a") << start(1)
    play >> ready(1) << deliver(1, "a0#1") >> yielded(1, 1, b"one")
    play.take()
    why = Containing("ContainerDied", "after 1 items were streamed")
    play >> ended(1) << send("a", 0, kind=LOST, payload=why)


def test_an_input_that_may_have_had_its_effect_is_not_run_again_and_its_neighbours_are(play: Playbook) -> None:
    play >> function(max_inputs=2, max_containers=1)
    play >> submit("a", at_most_once=True) << start(1)
    play >> submit("b")
    play >> ready(1) << deliver(1, "a0#1", "b0#2")
    why = Containing("MayHaveRun", "was killed by signal 9", "in-a-0", "not run again")
    play >> ended(1) << start(2) << send("a", 0, kind=LOST, payload=why)
    play >> ready(2) << deliver(2, "b0#3")


def test_an_input_that_waited_while_a_container_died_has_had_no_effect(play: Playbook) -> None:
    play >> function(max_containers=1)
    play >> submit("a", at_most_once=True) << start(1)
    play >> submit("b", at_most_once=True)
    play >> ready(1) << deliver(1, "a0#1")
    play >> ended(1) << start(2) << send("a", 0, kind=LOST, payload=Containing("MayHaveRun", "not run again"))
    play >> ready(2) << deliver(2, "b0#2")


def test_an_input_given_up_by_its_caller_is_not_redelivered(play: Playbook) -> None:
    play >> function()
    play >> submit("a") << start(1)
    play >> ready(1) << deliver(1, "a0#1")
    play >> cancel("a") << cancel_attempts(1, 1) << send("a", 0, kind=OutcomeKind.CANCELLED)
    play >> ended(1)


def test_a_death_beside_an_abandoned_attempt_does_not_count_as_alone(play: Playbook) -> None:
    play >> function(max_inputs=2, max_containers=1)
    play >> submit("a") << start(1)
    play >> submit("b")
    play >> ready(1) << deliver(1, "a0#1", "b0#2")
    play >> cancel("b") << cancel_attempts(1, 2) << send("b", 0, kind=OutcomeKind.CANCELLED)
    play >> ended(1) << start(2)
    play >> ready(2) << deliver(2, "a0#3")
    play >> ended(2) << start(3)
    play >> ready(3) << deliver(3, "a0#4")
    play >> ended(3) << send("a", 0, kind=LOST)


def test_an_idle_containers_death_harms_nobody(play: Playbook) -> None:
    play >> function(min_containers=1) << start(1)
    play >> ready(1)
    play >> ended(1) << start(2)
    play >> ended(1)
