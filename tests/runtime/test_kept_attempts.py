"""What a container keeps for the next server."""

from __future__ import annotations

import threading

from motet.model.outcome import AttemptEnd, Delivery, HeldAttempt, OutcomeKind
from motet.runtime.kept_attempts import KeptAttempts


def delivery(attempt: int) -> Delivery:
    return Delivery(attempt, "fc-a", attempt, "", b"")


def end(attempt: int, payload: bytes = b"x") -> AttemptEnd:
    return AttemptEnd(attempt, OutcomeKind.SUCCESS, payload)


def test_attempts_are_kept_until_their_callers_have_the_outcome() -> None:
    kept = KeptAttempts()
    assert all(kept.began(delivery(number)) for number in (1, 2, 3, 4))
    kept.ended(end(1))
    kept.ended(end(2))
    kept.acknowledged([2, 99])
    running, ended, ends = kept.cut(lambda attempt: attempt == 4)
    assert running == [HeldAttempt(3, "fc-a", 3), HeldAttempt(4, "fc-a", 4, True)]
    assert ended == [HeldAttempt(1, "fc-a", 1)]
    assert ends == [end(1)]


def test_what_ends_while_there_is_no_server_is_told_to_the_next() -> None:
    kept = KeptAttempts()
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
