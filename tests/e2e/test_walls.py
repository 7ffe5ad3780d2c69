"""Functions within walls run as others do: they are called, call others, and see their program."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from motet.backends.walls.levels import lacking
from tests.e2e.programs.walled import app, ask, ask_nothing, ask_without_network, look

pytestmark = pytest.mark.skipif(
    lacking("bubblewrap") is not None, reason=f"left out: no bubblewrap level here: {lacking('bubblewrap')}"
)


@pytest.fixture(scope="module")
def running() -> Iterator[None]:
    with app.run():
        yield


def test_function_within_walls_has_a_place_of_its_own_and_sees_its_program(running: None) -> None:
    assert look.remote() == {"lock": True, "processes": 3, "home": "/tmp", "writes": False}


def test_function_within_walls_calls_others_also_without_a_network(running: None) -> None:
    assert ask.remote(4) == 9
    assert ask_without_network.remote(4) == 10


def test_function_with_restricted_access_calls_nothing(running: None) -> None:
    assert ask_nothing.remote() == "refused"
