"""Generators in real containers: items in order, at the consumer's pace, and a clean end however it comes."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import motet
from motet.wire.client_messages import STREAM_WINDOW
from tests.e2e.conftest import assert_nothing_left, wait_until
from tests.e2e.programs import executing
from tests.e2e.programs.executing import app

PRODUCERS = ["produce_alone", "produce_on_threads", "produce_in_tasks"]
ENDLESS = 10**9


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[None]:
    with app.run():
        yield
    assert_nothing_left()


@pytest.fixture
def note(tmp_path: Path) -> Path:
    return tmp_path / "note"


def _made(note: Path) -> int:
    return note.stat().st_size if note.exists() else 0


def _closed(note: Path) -> bool:
    return Path(f"{note}-closed").exists()


@pytest.mark.parametrize("name", PRODUCERS)
def test_a_producer_is_no_more_than_the_window_ahead_of_its_consumer(name: str, note: Path) -> None:
    items = getattr(executing, name).remote_gen(str(note), ENDLESS)
    next(items)
    wait_until(lambda: _made(note) >= STREAM_WINDOW, "a full window")
    for taken in range(2, 3 * STREAM_WINDOW):
        assert next(items) == taken - 1
        # One item is made, but not sent, while there is no room.
        assert _made(note) <= taken + STREAM_WINDOW + 1
    items.close()


@pytest.mark.parametrize("name", PRODUCERS)
def test_leaving_early_ends_the_generator_which_closes_itself(name: str, note: Path) -> None:
    function = getattr(executing, name)
    for item in function.remote_gen(str(note), ENDLESS):
        if item == 10:
            break
    wait_until(lambda: _closed(note), "the generator's `finally`")
    wait_until(lambda: function.get_current_stats().num_running_inputs == 0, "a free slot")


def test_leaving_an_async_loop_early_ends_the_generator(note: Path) -> None:
    async def main() -> None:
        items: Any = executing.produce_in_tasks.remote_gen.aio(str(note), ENDLESS)
        async for item in items:
            if item == 10:
                break
        await items.aclose()

    asyncio.run(main())
    wait_until(lambda: _closed(note), "the generator's `finally`")


@pytest.mark.parametrize("name", PRODUCERS)
def test_more_items_than_the_window_all_come_in_order(name: str, note: Path) -> None:
    n = 5 * STREAM_WINDOW
    assert list(getattr(executing, name).remote_gen(str(note), n)) == list(range(n))
    assert _closed(note)


@pytest.mark.parametrize("name", ["fail_midway", "fail_midway_async"])
def test_a_failure_midway_comes_after_the_items_before_it(name: str) -> None:
    items = getattr(executing, name).remote_gen(100)
    assert list(itertools.islice(items, 100)) == list(range(100))
    with pytest.raises(LookupError, match="after 100") as caught:
        next(items)
    assert "raise LookupError" in str(caught.value.__cause__)


def test_a_generator_that_was_not_marked_as_one_is_a_clear_error() -> None:
    with pytest.raises(motet.exception.InvalidError, match="is_generator=True"):
        executing.unmarked_generator.remote()


def test_an_item_that_cannot_be_pickled_ends_the_stream_and_says_so() -> None:
    items = executing.yields_unpicklable.remote_gen()
    assert next(items) == 1
    with pytest.raises(motet.exception.SerializationError, match="yielded item"):
        next(items)
