"""One body, two colours."""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import warnings

import pytest

from motet.client.dual import AtOnce, HandOut, ItemSteps, Steps, dual, dual_items, run_async, run_blocking
from motet.client.waiter import Waiter
from motet.errors import AsyncUsageWarning


def ready(value: int) -> Waiter[int]:
    waiter: Waiter[int] = Waiter()
    waiter.set(value)
    return waiter


class Adder:
    def __init__(self) -> None:
        self.cleaned = 0

    @dual
    def add(self, left: int, *, right: int) -> Steps[int]:
        """Adds."""
        first = yield ready(left)
        second = yield ready(right)
        return int(first + second)

    @dual
    def impatient(self) -> Steps[str]:
        try:
            yield Waiter(0.01)
        except TimeoutError:
            return "timed out"
        finally:
            self.cleaned += 1
        return "came"

    @dual
    def stuck(self) -> Steps[None]:
        try:
            yield Waiter()
        finally:
            self.cleaned += 1

    @dual_items
    def count(self, upto: int) -> ItemSteps[int]:
        """Counts."""
        try:
            for value in range(upto):
                yield HandOut([(yield ready(value)), value])
            yield HandOut(int(text) for text in ("7", "eight"))
        finally:
            self.cleaned += 1

    @dual
    def at_once(self) -> Steps[int]:
        return 5
        yield ready(0)


def test_the_same_body_blocks_or_is_awaited() -> None:
    adder = Adder()
    assert adder.add(1, right=2) == 3
    assert asyncio.run(adder.add.aio(1, right=2)) == 3
    assert adder.at_once() == asyncio.run(adder.at_once.aio()) == 5


def test_what_waiting_raises_is_raised_in_the_body() -> None:
    adder = Adder()
    assert adder.impatient() == asyncio.run(adder.impatient.aio()) == "timed out"
    assert adder.cleaned == 2


def test_cancelling_the_task_runs_the_bodys_clean_up() -> None:
    adder = Adder()

    async def main() -> None:
        task = asyncio.create_task(adder.stuck.aio())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert adder.cleaned == 1


def test_the_same_body_is_iterated_over_in_either_colour() -> None:
    async def taken(adder: Adder, count: int) -> list[int]:
        items = adder.count.aio(2)
        return [await anext(items) for _ in range(count)]

    adder = Adder()
    blocking = adder.count(2)
    assert [next(blocking) for _ in range(5)] == asyncio.run(taken(adder, 5)) == [0, 0, 1, 1, 7]
    assert (Adder.count.__name__, Adder.count.__doc__) == ("count", "Counts.")
    assert next(pickle.loads(pickle.dumps(Adder().count))(1)) == 0


def test_a_body_is_cleaned_up_when_its_consumer_leaves_or_an_item_cannot_be_made() -> None:
    async def leave(adder: Adder) -> None:
        items = adder.count.aio(3)
        async with contextlib.aclosing(items):  # type: ignore[type-var]
            assert await anext(items) == 0

    adder = Adder()
    items = adder.count(3)
    next(items)
    del items
    assert adder.cleaned == 1
    asyncio.run(leave(adder))
    assert adder.cleaned == 2
    with pytest.raises(ValueError, match="eight"):
        list(adder.count(0))
    assert adder.cleaned == 3


def test_blocking_inside_a_loop_warns_and_names_the_other_colour() -> None:
    async def main() -> int:
        return Adder().add(1, right=1)

    with pytest.warns(AsyncUsageWarning, match=r"write `add\.aio\(\.\.\.\)`") as caught:
        assert asyncio.run(main()) == 2
    assert caught[0].filename == __file__


def test_no_warning_outside_of_a_loop_or_for_the_awaited_form() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Adder().add(1, right=1)
        asyncio.run(Adder().add.aio(1, right=1))


def test_the_descriptor_shows_the_bodys_name_and_docstring() -> None:
    assert (Adder.add.__name__, Adder.add.__doc__) == ("add", "Adds.")


def test_what_never_waits_may_be_called_in_a_loop_without_a_warning() -> None:
    async def ask() -> tuple[int, int]:
        known = AtOnce(lambda: 5)
        return known(), await known.aio()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert asyncio.run(ask()) == (5, 5)


def test_a_bound_method_can_be_pickled_with_what_it_is_bound_to() -> None:
    assert pickle.loads(pickle.dumps(Adder().add))(1, right=2) == 3


def test_a_stop_iteration_of_the_remote_function_is_raised_as_itself_to_a_blocking_caller() -> None:
    raised = StopIteration("no more")
    raised.__cause__ = KeyError("as it was there")

    def steps() -> Steps[None]:
        yield ready(1)
        raise raised

    with pytest.raises(StopIteration) as caught:
        run_blocking(steps())
    assert caught.value is raised
    assert isinstance(raised.__cause__, KeyError)
    with pytest.raises(RuntimeError, match="StopIteration"):
        asyncio.run(run_async(steps()))
