"""Inputs that take items while they run: requests with bodies."""

from __future__ import annotations

import pytest

from motet.core import feeds
from motet.core.commands import AckFeed, FeedAttempt
from motet.core.events import FeedTaken, InputFed
from motet.model.outcome import CallKind, OutcomeKind
from motet.testing.playbook import Containing, Playbook
from motet.testing.transcript import (
    cancel,
    cancel_attempts,
    container_id,
    deliver,
    ended,
    finished,
    function,
    ready,
    send,
    start,
    submit,
)

CANCELLED, LOST = OutcomeKind.CANCELLED, OutcomeKind.LOST


@pytest.fixture
def streaming(play: Playbook) -> Playbook:
    """A stream "a" that waits for container 1, which is starting."""
    play >> function(max_containers=1, max_inputs=2)
    play >> submit("a", kind=CallKind.STREAM) << start(1)
    return play


def feed(call: str, *items: bytes) -> InputFed:
    return InputFed(f"fc-{call}", 0, list(items))


def fed(attempt: int, *items: bytes) -> FeedAttempt:
    return FeedAttempt(container_id(1), attempt, list(items))


def test_what_comes_for_a_running_input_goes_to_its_container_at_once(streaming: Playbook) -> None:
    streaming >> ready(1) << deliver(1, "a0#1")
    streaming >> feed("a", b"1", b"2") << fed(1, b"1", b"2")


def test_what_comes_for_a_waiting_input_follows_it_in_order(streaming: Playbook) -> None:
    streaming >> feed("a", b"1")
    streaming >> feed("a", b"2", b"3")
    streaming >> ready(1) << deliver(1, "a0#1") << fed(1, b"1", b"2", b"3")
    streaming >> feed("a", b"4") << fed(1, b"4")


def test_each_input_gets_its_own(streaming: Playbook) -> None:
    streaming >> submit("b", kind=CallKind.STREAM)
    streaming >> [feed("b", b"for b"), feed("a", b"for a")]
    streaming >> ready(1) << deliver(1, "a0#1", "b0#2") << fed(1, b"for a") << fed(2, b"for b")


def test_taking_gives_the_client_room_for_more(streaming: Playbook) -> None:
    streaming >> ready(1) << deliver(1, "a0#1")
    streaming >> FeedTaken(container_id(1), 1, 700) << AckFeed(1, "fc-a", 0, 700)


def test_nothing_is_kept_for_or_told_about_an_input_that_ended(streaming: Playbook) -> None:
    streaming >> feed("a", b"1")
    streaming >> cancel("a") << send("a", 0, kind=CANCELLED)
    streaming >> feed("a", b"2")
    streaming >> submit("b", kind=CallKind.STREAM)
    streaming >> ready(1) << deliver(1, "b0#1")
    streaming >> finished(1, 1) << send("b", 0)
    streaming >> FeedTaken(container_id(1), 1, 5)
    streaming >> FeedTaken(container_id(9), 1, 5)


def test_nothing_is_sent_to_an_attempt_that_was_cancelled(streaming: Playbook) -> None:
    streaming >> ready(1) << deliver(1, "a0#1")
    streaming >> cancel("a") << cancel_attempts(1, 1) << send("a", 0, kind=CANCELLED)
    streaming >> feed("a", b"1")


def test_input_whose_items_died_with_a_container_is_not_run_again(streaming: Playbook) -> None:
    streaming >> ready(1) << deliver(1, "a0#1")
    streaming >> feed("a", b"1") << fed(1, b"1")
    streaming >> ended(1) << send("a", 0, kind=LOST, payload=Containing("had been sent a part of in-a-0"))


def test_suspect_gets_what_came_while_it_waits_for_a_container_of_its_own(streaming: Playbook) -> None:
    streaming >> ready(1) << deliver(1, "a0#1")
    streaming >> ended(1) << start(2)
    streaming >> feed("a", b"1")
    streaming >> ready(2) << deliver(2, "a0#2") << FeedAttempt(container_id(2), 2, [b"1"])


@pytest.fixture
def _bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "MAX_AHEAD_BYTES", 32)


@pytest.mark.usefixtures("_bounded")
def test_who_sends_a_waiting_input_more_than_fits_ends_its_call(streaming: Playbook) -> None:
    for _ in range(32):
        streaming >> feed("a", b"1")
    text = Containing("it was sent more than 32 MiB ahead of what it takes")
    streaming >> feed("a", b"1") << send("a", 0, kind=CANCELLED, payload=text)
    streaming >> feed("a", b"2")
    assert not streaming.engine.state.pools["fu-f"].feeds


@pytest.mark.usefixtures("_bounded")
def test_who_sends_a_running_input_more_than_it_takes_ends_its_call_and_who_keeps_pace_may_send_any_amount(
    streaming: Playbook,
) -> None:
    streaming >> ready(1) << deliver(1, "a0#1")
    for _ in range(10):
        streaming >> feed("a", bytes(16)) << fed(1, bytes(16))
        streaming >> FeedTaken(container_id(1), 1, 16) << AckFeed(1, "fc-a", 0, 16)
    streaming >> feed("a", bytes(32)) << fed(1, bytes(32))
    streaming >> FeedTaken(container_id(1), 1, -5) << AckFeed(1, "fc-a", 0, -5)
    text = Containing("it was sent more than 32 MiB ahead of what it takes")
    streaming >> feed("a", b"1") << cancel_attempts(1, 1) << send("a", 0, kind=CANCELLED, payload=text)
    streaming >> finished(1, 1, kind=CANCELLED)
