"""A container runs as many inputs at once as its code says, whatever was on its way."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import motet.experimental
from motet.exception import InvalidError
from tests.e2e.conftest import assert_nothing_left
from tests.e2e.programs import local_limits
from tests.e2e.programs.local_limits import app


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[None]:
    with app.run():
        yield
    assert_nothing_left()


@pytest.mark.parametrize("name", ["on_threads", "in_tasks"])
def test_inputs_run_in_waves_of_the_size_that_the_first_of_them_asks_for(name: str) -> None:
    assert max(getattr(local_limits, name).map([3] * 12)) == 3


def test_the_limit_can_be_asked_for_and_is_at_most_what_the_function_allows() -> None:
    assert [local_limits.ask.remote(limit) for limit in (2, 9, 1)] == [2, 4, 1]


def test_nonsense_and_other_places_are_refused() -> None:
    with pytest.raises(InvalidError, match="at least 1, got 0"):
        local_limits.ask.remote(0)
    with pytest.raises(RuntimeError, match="within a Motet container"):
        motet.experimental.set_local_input_concurrency(1)
