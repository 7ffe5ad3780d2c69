"""What code is told of its attempt."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from motet.context.current_input import CurrentInput, current, current_attempt, current_attempts
from motet.model.current_attempt import Attempt


@pytest.fixture
def running() -> Iterator[None]:
    token = current.set(CurrentInput("fc-1", 0))
    yield
    current.reset(token)


def test_outside_of_an_input_there_is_none() -> None:
    assert current_attempt() is None
    assert current_attempts() == ()


@pytest.mark.usefixtures("running")
def test_the_first_attempt_has_no_cause() -> None:
    assert current_attempt() == Attempt(number=1, why="first", cause="", detail="")
    assert current_attempts() == (Attempt(),)
