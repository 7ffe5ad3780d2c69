"""The playbook kit: it fails when it should, and shows why."""

from __future__ import annotations

import pytest

from motet.testing.playbook import Placeholder, Playbook
from motet.testing.transcript import (
    function,
    start,
    stop,
)


def test_a_playbook_with_an_unexpected_command_fails_and_shows_it() -> None:
    with (
        pytest.raises(AssertionError, match=r"unexpected commands at the end(.|\n)*\+ << StartContainer"),
        Playbook() as play,
    ):
        play >> function(min_containers=1)


def test_a_playbook_that_expects_something_else_shows_both() -> None:
    with pytest.raises(AssertionError, match=r"- << StopContainer(.|\n)*\+ << StartContainer"), Playbook() as play:
        play >> function(min_containers=1) << stop(1)


def test_a_playbook_that_expects_a_command_that_does_not_come_fails() -> None:
    with pytest.raises(AssertionError, match=r"\+ \(no command\)"), Playbook() as play:
        play >> function() << start(1)


def test_a_placeholder_stands_for_the_first_value_it_meets() -> None:
    play = Playbook()
    reason = Placeholder("reason")
    play >> function(min_containers=2) << start(1, reason=reason) << start(2, reason=reason)
    assert reason.value == "min_containers=2"
    assert not reason.matches("another")
