"""Queues are bounded: what is too much is refused at once, and what waits too long is never started."""

from __future__ import annotations

from motet.core.host import HostLimits
from motet.core.pace import LONGEST, UNKNOWN, Pace
from motet.model.outcome import CallKind, OutcomeKind
from motet.testing.playbook import Containing, Playbook
from motet.testing.transcript import cancel, deliver, finished, function, ready, send, start, submit

REFUSED, TIMED_OUT = OutcomeKind.REFUSED, OutcomeKind.TIMED_OUT


def test_an_input_beyond_the_bound_is_refused_at_once_and_says_when_to_try_again(play: Playbook) -> None:
    play >> function(max_containers=1, max_waiting_inputs=2)
    play >> submit("a") << start(1)
    play >> ready(1) << deliver(1, "a0#1")
    play >> submit("b", 2)
    why = Containing("ResourceExhaustedError", "queue of f is full: 2 inputs wait, and 2 may", "Try again in 0.5 s")
    play >> submit("c") << send("c", 0, kind=REFUSED, payload=why)


def test_what_fits_into_free_slots_does_not_count_as_waiting(play: Playbook) -> None:
    play >> function(max_inputs=4, min_containers=1, max_containers=1, max_waiting_inputs=1) << start(1)
    play >> ready(1)
    play >> submit("a", 6) << deliver(1, "a0#1", "a1#2", "a2#3", "a3#4") << send("a", 5, kind=REFUSED)
    why = Containing("1 inputs wait, and 1 may")
    play >> submit("b") << send("b", 0, kind=REFUSED, payload=why)


def test_a_part_of_a_map_is_refused_and_may_come_again(play: Playbook) -> None:
    play >> function(max_containers=1, max_waiting_inputs=2)
    play >> submit("a", 3) << start(1) << send("a", 2, kind=REFUSED)
    play >> ready(1) << deliver(1, "a0#1")
    play >> submit("a", 1, first=2)
    play >> finished(1, 1) << deliver(1, "a1#2") << send("a", 0)


def test_spawned_inputs_have_a_bound_of_their_own() -> None:
    with Playbook(limits=HostLimits(waiting=1, waiting_spawned=3)) as play:
        play >> function(max_containers=1)
        play >> submit("a") << start(1)
        play >> submit("b", 3, kind=CallKind.SPAWNED)
        assert play.engine.inspection.refusal("fu-f", CallKind.SPAWNED) is not None
        play >> submit("c") << send("c", 0, kind=REFUSED)
        play >> cancel("b")
        play.take()
        assert play.engine.inspection.refusal("fu-f", CallKind.SPAWNED) is None


def test_an_input_that_waits_beyond_its_queue_timeout_is_never_started(play: Playbook) -> None:
    play >> function(max_containers=1, queue_timeout=5.0)
    play >> submit("a") << start(1)
    play >> ready(1) << deliver(1, "a0#1")
    play >> submit("b")
    play.at(2.0) >> submit("c")
    why = Containing("FunctionTimeoutError", "in-b-0 waited longer than queue_timeout=5 s", "1 of at most 1 containers")
    play.at(5.0) << send("b", 0, kind=TIMED_OUT, payload=why)
    play.at(6.0) >> finished(1, 1) << deliver(1, "c0#2") << send("a", 0)
    play.at(60.0) >> finished(1, 2) << send("c", 0)


def test_a_slot_that_frees_late_in_the_same_turn_does_not_start_an_expired_input() -> None:
    with Playbook() as play:
        play >> function(max_containers=1, queue_timeout=5.0)
        play >> submit("a") << start(1)
        play >> ready(1) << deliver(1, "a0#1")
        play >> submit("b")
        play.now = 5.5  # the timer is late
        play >> finished(1, 1) << send("a", 0) << send("b", 0, kind=TIMED_OUT)


def test_a_full_queue_is_told_to_come_again_when_half_of_it_has_gone() -> None:
    pace = Pace()
    assert pace.retry_after(2000) == UNKNOWN
    pace.ended(1, 0.0)
    pace.ended(99, 1.0)
    assert pace.retry_after(2000) == 10.0
    pace.ended(300, 2.0)
    assert pace.retry_after(2000) == 5.0
    assert pace.retry_after(1_000_000) == LONGEST


def test_what_waits_long_keeps_nothing_of_those_that_came_and_ended_behind_it(play: Playbook) -> None:
    play >> function(max_containers=1, max_inputs=2, queue_timeout=3600.0)
    play >> submit("slow", 2000) << start(1)
    play >> ready(1) << deliver(1, "slow0#1", "slow1#2")
    play >> cancel("slow")
    play._produced.clear()
    queue_times = play.engine.state.pools["fu-f"].queue_times
    for number in range(2500):
        call = chr(ord("a") + number % 26) * (1 + number // 26 % 5)
        play >> submit(call)
        play._produced.clear()
        play >> cancel(call)
        play._produced.clear()
    assert len(queue_times.line) <= 2001


def test_what_has_begun_stands_in_no_line_any_more(play: Playbook) -> None:
    play >> function(max_containers=1, max_inputs=2, queue_timeout=3600.0)
    play >> submit("a", 1500) << start(1)
    queue_times = play.engine.state.pools["fu-f"].queue_times
    play >> ready(1) << deliver(1, "a0#1", "a1#2")
    play.at(10.0)
    for attempt in range(1, 1000):
        play >> finished(1, attempt) << deliver(1, f"a{attempt + 1}#{attempt + 2}") << send("a", attempt - 1)
    assert len(queue_times.line) == 1500 - 1001
    assert all(item.state == "waiting" for _, item in queue_times.line)
    play >> cancel("a")
    play._produced.clear()
