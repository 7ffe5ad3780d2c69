"""`motet.Queue` on a server in the same process, on virtual time."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Iterator
from typing import Any

import pytest

import motet
from motet.errors import DeserializationError, ExecutionError, InvalidError
from motet.testing import world
from motet.testing.world import World

app = motet.App("queues")


@app.function(serialized=True)
def consume(items: motet.Queue) -> Any:
    return items.get()


@pytest.fixture
def here() -> Iterator[World]:
    with world() as here, app.run():
        yield here


class OnlyThere:
    """Cannot be unpickled while `here` is set."""

    here = False

    def __reduce__(self) -> tuple[Any, ...]:
        return (OnlyThere.made, ())

    @staticmethod
    def made() -> str:
        if OnlyThere.here:
            raise ImportError("no such module")
        return "made"


def test_an_item_that_is_there_is_got_however_short_the_timeout(here: World) -> None:
    with motet.Queue.ephemeral() as items:
        items.put(1)
        assert items.get(timeout=0) == 1
        with pytest.raises(queue.Empty):
            items.get(timeout=0)


def test_get_waits_as_long_as_its_timeout(here: World) -> None:
    with motet.Queue.ephemeral() as items:
        began = here.now
        with pytest.raises(queue.Empty):
            items.get(timeout=5)
        assert here.now - began == pytest.approx(5)
        items.put("kept")
        assert items.get_many(3, timeout=5) == ["kept"]


def test_a_put_that_was_too_late_is_not_in_the_queue(here: World) -> None:
    with motet.Queue.ephemeral() as items:
        items.put_many(list(range(5000)))
        with pytest.raises(queue.Full):
            items.put("late", timeout=3)
        with pytest.raises(queue.Full):
            items.put_many(["late", "later"], block=False)
        assert items.len() == 5000
        assert [items.get(), items.len()] == [0, 4999]


def test_more_items_than_fit_go_in_piece_by_piece(here: World) -> None:
    with motet.Queue.ephemeral() as items:
        with pytest.raises(queue.Full, match="5000 of 5001 items were put"):
            items.put_many(list(range(5001)), timeout=1)
        assert items.len() == 5000
        with pytest.raises(queue.Full, match="5001 items are more than the 5000"):
            items.put_many(list(range(5001)), block=False)


def test_a_cancelled_get_leaves_its_item_to_others(here: World) -> None:
    async def scene(items: motet.Queue) -> Any:
        getting = asyncio.create_task(items.get.aio())
        await asyncio.sleep(1)
        await items.put.aio("kept")
        getting.cancel()  # its item is on the way, or here
        with pytest.raises(asyncio.CancelledError):
            await getting
        return await items.get.aio(timeout=1)

    with motet.Queue.ephemeral() as items:
        assert here.run(scene(items)) == "kept"


def test_an_item_that_cannot_be_made_here_stays_and_those_before_it_are_got(here: World) -> None:
    with motet.Queue.ephemeral() as items:
        items.put_many([1, OnlyThere(), 3])
        OnlyThere.here = True
        try:
            assert items.get_many(3) == [1]
            with pytest.raises(DeserializationError, match="no such module"):
                items.get()
        finally:
            OnlyThere.here = False
        assert items.get_many(3) == ["made", 3]


def test_functions_take_from_the_queue_they_are_given(here: World) -> None:
    with motet.Queue.ephemeral() as items:
        items.put("from here")
        assert consume.remote(items) == "from here"


def test_nonsense_is_refused_with_what_was_given(here: World) -> None:
    with motet.Queue.ephemeral() as items:
        with pytest.raises(InvalidError, match=r"`timeout` must not be negative, got -1"):
            items.get(timeout=-1)
        with pytest.raises(InvalidError, match=r"`n_values` must be at least 1, got 0"):
            items.get_many(0)


def test_without_an_app_the_error_says_what_to_do_and_hides_no_other() -> None:
    with motet.Queue.ephemeral() as items, pytest.raises(ExecutionError, match=r"no app is running.*app\.run"):
        items.put(1)
    with pytest.raises(ZeroDivisionError), motet.Queue.ephemeral():
        _ = 1 / 0


def test_a_block_of_async_code_may_use_the_plain_form() -> None:
    async def scene() -> None:
        with motet.Queue.ephemeral():  # a warning about a call that nobody wrote would fail
            pass

    asyncio.run(scene())
