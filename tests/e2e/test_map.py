"""`map` and its kin on real containers: how inputs are pulled, how results come out, and how it ends."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import motet
from motet.sdk.call.mapping import MAX_HELD, MAX_IN_FLIGHT
from tests.e2e.conftest import Gate, assert_nothing_left, wait_until, wait_until_async
from tests.e2e.programs import calling
from tests.e2e.programs.calling import add, app, check, hold, hold_first, hold_unless, square


@pytest.fixture(scope="module", autouse=True)
def running(either: None) -> Iterator[None]:
    with app.run():
        yield
    assert_nothing_left()


class Pulls:
    """An endless iterator that counts how often it was asked; async code can use it too."""

    def __init__(self) -> None:
        self.count = 0

    def __iter__(self) -> Pulls:
        return self

    def __next__(self) -> int:
        self.count += 1
        return self.count - 1


async def async_range(n: int) -> AsyncIterator[int]:
    for i in range(n):
        await asyncio.sleep(0)
        yield i


# --- results ----------------------------------------------------------------------------------------------------------


def test_map_gives_results_in_input_order() -> None:
    assert list(square.map(range(2500))) == [i * i for i in range(2500)]


def test_map_zips_several_iterables_the_shortest_ends_it() -> None:
    assert list(add.map([1, 2, 3], itertools.count(10))) == [11, 13, 15]


def test_map_gives_kwargs_to_every_input() -> None:
    assert list(square.map(range(3), kwargs={"plus": 5})) == [5, 6, 9]
    assert list(square.starmap([(1, 2), (3, 4)])) == [3, 13]


def test_map_over_nothing_gives_nothing() -> None:
    assert list(square.map([])) == []
    assert list(square.starmap([])) == []
    assert square.for_each([]) is None  # type: ignore[func-returns-value]


def test_map_keeps_none_results() -> None:
    assert list(check.map([1, 0, 2])) == [1, None, 2]


def test_map_without_order_gives_results_as_they_are_ready(gate: Gate) -> None:
    results = hold_first.map(itertools.repeat(gate.path), range(20), order_outputs=False)
    assert sorted(itertools.islice(results, 19)) == list(range(1, 20))
    gate.open()
    assert list(results) == [0]


def test_an_ordered_map_goes_on_behind_a_slow_first_input(gate: Gate) -> None:
    total = 3 * MAX_IN_FLIGHT
    pulls = Pulls()
    results = hold_first.map(itertools.repeat(gate.path), itertools.islice(pulls, total))
    with ThreadPoolExecutor(1) as consumer:
        collected = consumer.submit(list, results)
        wait_until(lambda: pulls.count == total, "all inputs pulled while the first is held")
        assert not gate.left
        gate.open()
        assert collected.result() == list(range(total))


def test_async_maps_take_iterables_of_both_kinds() -> None:
    async def main() -> list[Any]:
        return [
            [x async for x in square.map.aio(range(300))],
            [x async for x in square.map.aio(async_range(300))],
            [x async for x in add.map.aio(async_range(300), range(3))],
            [x async for x in add.starmap.aio((i, i) async for i in async_range(3))],
            [x async for x in square.map.aio([])],
            [x async for x in square.map.aio(async_range(0))],
            sorted([x async for x in square.map.aio(range(300), order_outputs=False)]),
            await square.for_each.aio(range(3)),
        ]

    squares = [i * i for i in range(300)]
    assert asyncio.run(main()) == [squares, squares, [0, 2, 4], [0, 2, 4], [], [], squares, None]


def test_two_maps_at_once_keep_their_results_apart() -> None:
    async def collect(start: int) -> list[int]:
        return [x async for x in add.map.aio(range(start, start + 500))]

    async def main() -> list[list[int]]:
        return await asyncio.gather(*(collect(n * 1000) for n in range(4)))

    assert asyncio.run(main()) == [list(range(n * 1000, n * 1000 + 500)) for n in range(4)]


# --- how inputs are pulled --------------------------------------------------------------------------------------------


def test_nothing_runs_before_a_map_is_iterated_and_a_forgotten_one_warns() -> None:
    pulls = Pulls()
    results = square.map(pulls)
    assert pulls.count == 0
    with pytest.warns(UserWarning, match="never iterated"):
        del results


def test_an_endless_iterator_is_pulled_only_as_inputs_are_accepted() -> None:
    for ordered, most in ((False, MAX_IN_FLIGHT), (True, MAX_IN_FLIGHT + MAX_HELD)):
        pulls = Pulls()
        results: Any = add.map(pulls, order_outputs=ordered)
        for taken in range(1, 3001):
            next(results)
            assert pulls.count - taken <= most
        results.close()


def test_an_endless_iterator_is_pulled_no_further_while_nothing_ends(gate: Gate) -> None:
    pulls = Pulls()

    async def main() -> None:
        results = hold.map.aio(itertools.repeat(gate.path), pulls)
        first = asyncio.ensure_future(anext(aiter(results)))
        await wait_until_async(lambda: pulls.count >= MAX_IN_FLIGHT)
        for _ in range(100):
            await asyncio.sleep(0)
        assert pulls.count <= MAX_IN_FLIGHT + 1
        gate.open()
        assert await first == 0
        await results.aclose()  # type: ignore[attr-defined]

    asyncio.run(main())


def test_a_slow_consumer_holds_back_a_fast_map() -> None:
    pulls = Pulls()

    async def main() -> None:
        results = aiter(add.map.aio(pulls))
        await anext(results)
        before = -1
        while before != pulls.count:
            # Nobody takes results now: inputs go on until the map holds as many outcomes as it may, and then stop.
            before = pulls.count
            await asyncio.sleep(0.2)
        assert pulls.count <= MAX_IN_FLIGHT + MAX_HELD
        await results.aclose()  # type: ignore[attr-defined]

    asyncio.run(main())


def test_results_flow_while_a_slow_iterator_is_waited_for() -> None:
    async def slowly() -> AsyncIterator[int]:
        yield 1
        await got_first.wait()
        yield 2

    async def main() -> list[int]:
        results = []
        async for x in square.map.aio(slowly()):
            results.append(x)
            got_first.set()
        return results

    got_first = asyncio.Event()
    assert asyncio.run(main()) == [1, 4]


# --- how it ends ------------------------------------------------------------------------------------------------------


def test_the_failing_inputs_exception_ends_the_map_as_itself() -> None:
    with pytest.raises(ValueError, match="no number: x") as caught:
        list(check.map([1, "x", 3]))
    assert "raise ValueError" in str(caught.value.__cause__)


def test_a_failure_is_raised_when_it_arrives_though_earlier_inputs_still_run(gate: Gate) -> None:
    started = time.monotonic()
    with pytest.raises(LookupError, match="input 5 fails"):
        list(hold_unless.map([gate.path] * 10, range(10), kwargs={"failing": 5}))
    assert time.monotonic() - started < 10
    wait_until(lambda: sorted(gate.left) == sorted(gate.held), "the others are cancelled")


def test_with_return_exceptions_they_are_results_in_their_place() -> None:
    first, second, third = check.map([1, "x", 3], return_exceptions=True)
    assert (first, third) == (1, 3)
    assert isinstance(second, ValueError)
    assert isinstance(second.__cause__, motet.exception.RemoteTraceback)


def test_for_each_raises_unless_exceptions_are_ignored() -> None:
    with pytest.raises(ValueError, match="no number"):
        check.for_each([1, "x"])
    check.for_each([1, "x"], ignore_exceptions=True)


def test_what_the_users_iterator_raises_goes_to_the_consumer() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise KeyError("broken iterator")

    async def broken_async() -> AsyncIterator[int]:
        yield 1
        raise KeyError("broken iterator")

    async def main(inputs: Any) -> list[int]:
        return [x async for x in square.map.aio(inputs)]

    with pytest.raises(KeyError, match="broken iterator"):
        list(square.map(broken()))
    for inputs in (broken(), broken_async()):
        with pytest.raises(KeyError, match="broken iterator"):
            asyncio.run(main(inputs))


def test_an_argument_that_cannot_be_pickled_ends_the_map_and_names_the_function() -> None:
    with pytest.raises(motet.exception.SerializationError, match="arguments of square"):
        list(square.map([1, (i for i in range(3))]))


def test_what_cannot_be_iterated_is_a_type_error() -> None:
    with pytest.raises(TypeError):
        list(square.map(3))
    with pytest.raises(TypeError):
        list(square.starmap([3]))


def test_leaving_the_loop_cancels_the_inputs_that_run(gate: Gate) -> None:
    for result in hold_first.map([gate.path] * 3, [1, 0, 2], order_outputs=False):
        assert result
        gate.wait_held(1)
        break
    wait_until(lambda: gate.left == ["0"], "the held input is cancelled")
    assert add.remote(1, 1) == 2


def test_leaving_an_async_loop_cancels_the_inputs_that_run(gate: Gate) -> None:
    async def main() -> None:
        async for _ in hold_first.map.aio([gate.path] * 3, [1, 0, 2], order_outputs=False):
            await wait_until_async(lambda: gate.held)
            break

    asyncio.run(main())
    wait_until(lambda: gate.left == ["0"], "the held input is cancelled")


def test_cancelling_the_task_of_a_remote_call_cancels_its_input_only(gate: Gate) -> None:
    async def main() -> object:
        doomed = asyncio.create_task(hold.remote.aio(gate.path, "doomed"))
        other = asyncio.create_task(hold.remote.aio(gate.path, "other"))
        await wait_until_async(lambda: len(gate.held) == 2)
        doomed.cancel()
        with pytest.raises(asyncio.CancelledError):
            await doomed
        await wait_until_async(lambda: gate.left == ["doomed"])
        gate.open()
        return await other

    assert asyncio.run(main()) == "other"


def test_for_async_code_the_blocking_form_names_the_other() -> None:
    async def main() -> None:
        with pytest.warns(motet.exception.AsyncUsageWarning, match=r"map\.aio"):
            results: Any = square.map([1])
        with pytest.raises(TypeError, match="__aiter__"):
            async for _ in results:
                pass
        assert list(results) == [1]

    asyncio.run(main())


def test_maps_of_methods_work_like_those_of_functions() -> None:
    account = calling.Account(owner="map")
    assert list(account.deposit.map([1] * 50))[-1] <= 50
    assert account.describe.remote()[1] == 50
