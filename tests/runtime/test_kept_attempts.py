"""What a container keeps for the next server."""

from __future__ import annotations

import threading

import msgspec

from motet.model.current_attempt import Attempt
from motet.model.outcome import AttemptEnd, Delivery, HeldAttempt, OutcomeKind
from motet.runtime.attempts.batch import batch_of
from motet.runtime.kept_attempts import KeptAttempts


def delivery(attempt: int) -> Delivery:
    return Delivery(attempt, "fc-a", attempt, "", b"")


def end(attempt: int, payload: bytes = b"x") -> AttemptEnd:
    return AttemptEnd(attempt, OutcomeKind.SUCCESS, payload)


def test_attempts_are_kept_until_their_callers_have_the_outcome() -> None:
    kept = KeptAttempts(clock=lambda: 0.0)
    assert all(kept.began(delivery(number)) for number in (1, 2, 3, 4))
    kept.ended(end(1))
    kept.ended(end(2))
    kept.acknowledged([2, 99])
    running, ended, ends = kept.cut(lambda attempt: attempt == 4)
    assert running == [HeldAttempt(3, "fc-a", 3), HeldAttempt(4, "fc-a", 4, True)]
    assert ended == [HeldAttempt(1, "fc-a", 1)]
    assert ends == [end(1)]


def test_what_ends_while_there_is_no_server_is_told_to_the_next() -> None:
    kept = KeptAttempts(clock=lambda: 0.0)
    kept.began(delivery(1))
    assert kept.cut(lambda _: False)[0]
    kept.ended(end(1))
    assert kept.cut(lambda _: False) == ([], [HeldAttempt(1, "fc-a", 1)], [end(1)])


def test_nothing_is_taken_that_a_server_which_is_gone_has_sent() -> None:
    kept = KeptAttempts()
    kept.cut(lambda _: False)
    assert not kept.began(delivery(1))
    kept.reopen()
    assert kept.began(delivery(2))
    assert [each.attempt for each in kept.cut(lambda _: False)[0]] == [2]


def test_an_outcome_that_nobody_waits_for_is_not_kept() -> None:
    kept = KeptAttempts()
    kept.began(delivery(1))
    kept.acknowledged([1])  # it was cancelled, and its caller knows
    kept.ended(end(1))
    assert kept.cut(lambda _: False) == ([], [], [])


def test_the_oldest_outcomes_go_when_there_are_too_many_bytes_but_not_the_last() -> None:
    kept = KeptAttempts(most_bytes=10)
    for number in (1, 2, 3):
        kept.began(delivery(number))
        kept.ended(end(number, b"12345"))
    assert [each.attempt for each in kept.cut(lambda _: False)[2]] == [2, 3]
    kept.began(delivery(4))
    kept.reopen()
    kept.began(delivery(4))
    kept.ended(end(4, bytes(100)))
    assert [each.attempt for each in kept.cut(lambda _: False)[2]] == [4]


def test_a_container_that_leaves_waits_until_its_outcomes_are_known() -> None:
    kept = KeptAttempts()
    assert kept.wait_acknowledged(60)
    kept.began(delivery(1))
    kept.ended(end(1))
    assert not kept.wait_acknowledged(0)
    threading.Timer(0.01, kept.acknowledged, ([1],)).start()
    assert kept.wait_acknowledged(60)


def test_the_next_server_is_told_how_long_each_ran_but_not_while_nothing_did() -> None:
    moments = iter([10.0, 15.0, 40.0])
    kept = KeptAttempts(clock=lambda: next(moments))
    again = Attempt(2, "retry", "failed", "attempt 1 failed", 1)
    kept.began(msgspec.structs.replace(delivery(1), again=again, principal=3))
    kept.stood_still(4.0)
    assert kept.cut(lambda _: False)[0] == [HeldAttempt(1, "fc-a", 1, principal=3, ran=1.0, again=again)]
    kept.stood_still(16.0)
    kept.ended(end(1))
    assert [each.ran for each in kept.cut(lambda _: False)[1]] == [10.0]


def test_members_of_a_batch_are_held_by_themselves_and_know_it() -> None:
    kept = KeptAttempts(clock=lambda: 0.0)
    kept.began(batch_of([delivery(1), delivery(2), delivery(3)]))
    kept.ended(end(1))
    kept.acknowledged([1])
    kept.ended(end(2))
    running, ended, _ = kept.cut(lambda number: number == 1)
    assert running == [HeldAttempt(3, "fc-a", 3, True, batch=1)]
    assert ended == [HeldAttempt(2, "fc-a", 2, batch=1)]


def test_what_has_lost_its_consumer_is_told_so_until_it_is_acknowledged() -> None:
    kept = KeptAttempts(clock=lambda: 0.0)
    kept.began(msgspec.structs.replace(delivery(1), method="m"))
    kept.cut_off([1])
    (held,) = kept.cut(lambda _: True)[0]
    assert (held.cut, held.cancelled, held.method) == (True, True, "m")
    kept.ended(end(1))
    assert [each.cut for each in kept.cut(lambda _: False)[1]] == [True]
    kept.acknowledged([1])
    assert kept.cut(lambda _: False) == ([], [], [])
