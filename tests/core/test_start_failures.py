"""Containers that do not come up: callers are told, and the machine is not worn out with trying."""

from __future__ import annotations

from motet.model.outcome import OutcomeKind
from motet.testing.playbook import Containing, Playbook
from motet.testing.transcript import deliver, ended, finished, function, kill, ready, send, start, start_failed, submit

FAILURE = OutcomeKind.FAILURE


def test_callers_get_the_error_of_the_module_and_nothing_is_restarted(play: Playbook) -> None:
    play >> function()
    play >> submit("a", 2) << start(1, 2)
    play >> start_failed(1) << kill(1)
    play >> start_failed(2, b"no such module") << kill(2) << send("a", 0, 1, kind=FAILURE, payload=b"no such module")
    play >> ended(1) >> ended(2)
    play.at(10_000.0)


def test_others_that_are_still_starting_may_serve_after_all(play: Playbook) -> None:
    play >> function()
    play >> submit("a", 2) << start(1, 2)
    play >> start_failed(1) << kill(1)
    play >> ready(2) << deliver(2, "a0#1") << start(3)


def test_a_new_input_probes_with_one_container_at_once(play: Playbook) -> None:
    play >> function()
    play >> submit("a") << start(1)
    play >> start_failed(1) << kill(1) << send("a", 0, kind=FAILURE)
    play.at(0.1) >> submit("b", 9) << start(2)
    play >> submit("c")
    play >> start_failed(2) << kill(2)
    sent = play.take()
    assert len(sent) == 2
    play.at(0.2) >> submit("d") << start(3)


def test_a_successful_probe_lifts_the_restraint(play: Playbook) -> None:
    play >> function()
    play >> submit("a") << start(1)
    play >> start_failed(1) << kill(1) << send("a", 0, kind=FAILURE)
    play >> submit("b", 3) << start(2)
    play >> ready(2) << deliver(2, "b0#1") << start(3, 4)


def test_min_containers_are_tried_again_with_growing_waits(play: Playbook) -> None:
    play >> function(min_containers=1) << start(1)
    play >> start_failed(1) << kill(1)
    play >> ended(1)
    play.at(0.9)
    play.at(1.0) << start(2)
    play >> start_failed(2) << kill(2)
    play >> ended(2)
    play.at(2.9)
    play.at(3.0) << start(3)
    play >> start_failed(3) << kill(3)
    play.at(6.9)
    play.at(7.0) << start(4)


def test_containers_that_fail_side_by_side_count_once(play: Playbook) -> None:
    play >> function(min_containers=3) << start(1, 2, 3)
    play.at(0.5)
    for number in (1, 2, 3):
        play >> start_failed(number) << kill(number)
    play.at(1.5) << start(4)


def test_waits_grow_to_a_minute_at_most(play: Playbook) -> None:
    play >> function(min_containers=1) << start(1)
    for number in range(1, 12):
        play >> start_failed(number) << kill(number) >> ended(number)
        play.at(play.now + 60.0) << start(number + 1)


def test_inputs_that_a_busy_container_will_serve_are_not_failed_and_do_not_restart_endlessly(play: Playbook) -> None:
    play >> function()
    play >> submit("a") << start(1)
    play >> ready(1) << deliver(1, "a0#1")
    play >> submit("b") << start(2)
    play >> start_failed(2) << kill(2)
    play.at(0.9)
    play.at(1.0) << start(3)
    play >> start_failed(3) << kill(3)
    play.at(2.0) >> finished(1, 1) << deliver(1, "b0#2") << send("a", 0)


def test_a_container_on_its_way_out_serves_nobody_so_those_who_wait_are_told(play: Playbook) -> None:
    play >> function(single_use_containers=True)
    play >> submit("a") << start(1)
    play >> ready(1) << deliver(1, "a0#1")
    play >> submit("b") << start(2)
    play >> start_failed(2) << kill(2) << send("b", 0, kind=FAILURE)


def test_a_container_that_dies_while_starting_is_replaced_at_once(play: Playbook) -> None:
    play >> function()
    play >> submit("a") << start(1)
    play >> ended(1) << start(2)
    play >> ended(2) << start(3)
    play >> ready(3) << deliver(3, "a0#1")


def test_waiting_inputs_are_told_when_three_containers_in_a_row_die_while_starting(play: Playbook) -> None:
    play >> function()
    play >> submit("a") << start(1)
    play >> ended(1) << start(2)
    play >> ended(2) << start(3)
    died = Containing("ContainerDied", "was killed by signal 9", "while it was starting, as others before it")
    play >> ended(3) << send("a", 0, kind=FAILURE, payload=died)


def test_a_container_that_takes_too_long_to_start_is_given_up(play: Playbook) -> None:
    play >> function(startup_timeout=20.0)
    play >> submit("a") << start(1)
    play.at(19.9)
    late = Containing("FunctionTimeoutError", "startup_timeout=20 s")
    play.at(20.0) << kill(1) << send("a", 0, kind=FAILURE, payload=late)
    play >> ready(1)
    play >> ended(1)


def test_what_waits_after_a_start_failure_is_not_charged_to_the_retry_policy(play: Playbook) -> None:
    play >> function(retries=3)
    play >> submit("a") << start(1)
    play >> start_failed(1) << kill(1) << send("a", 0, kind=FAILURE)
