"""What happens to one input harms no other: on real containers, which share processes, threads and deaths."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest

import motet
from motet.exception import ContainerDied, FunctionTimeoutError, RemoteError, ResourceExhaustedError
from tests.e2e.conftest import Gate, assert_nothing_left, wait_until
from tests.e2e.programs import neighbours
from tests.e2e.programs.neighbours import app


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[None]:
    with app.run():
        yield
    assert_nothing_left()


# --- cancelling -------------------------------------------------------------------------------------------------------


def test_terminate_containers_runs_the_neighbours_elsewhere(gate: Gate) -> None:
    victim, neighbour = neighbours.held.spawn(gate.path, "victim"), neighbours.held.spawn(gate.path, "neighbour")
    gate.wait_held(2)
    pid = neighbours.held.spawn(gate.path, "third")
    gate.wait_held(3)
    victim.cancel(terminate_containers=True)
    with pytest.raises(RemoteError, match="cancelled"):
        victim.get()
    wait_until(lambda: neighbours.held.get_current_stats().num_running_inputs == 2, "the neighbours run again")
    gate.open()
    assert neighbour.get() == pid.get()


def test_sync_cancellation_container_ends_it_and_runs_the_neighbours_elsewhere(gate: Gate) -> None:
    victim, neighbour = neighbours.strict.spawn(gate.path, "victim"), neighbours.strict.spawn(gate.path, "neighbour")
    gate.wait_held(2)
    victim.cancel()
    with pytest.raises(RemoteError, match="cancelled"):
        victim.get()
    wait_until(lambda: neighbours.strict.get_current_stats().num_running_inputs == 1, "the neighbour runs again")
    gate.open()
    assert isinstance(neighbour.get(), int)


def test_a_container_that_keeps_a_cancelled_input_is_replaced_and_the_neighbour_finishes(gate: Gate) -> None:
    stuck = neighbours.stubborn.spawn(gate.path, "stuck", True)
    gate.wait_held(1)
    neighbour = neighbours.stubborn.spawn(gate.path, "neighbour", False)
    gate.wait_held(2)
    stuck.cancel()
    time.sleep(0.5)  # beyond its cancellation_grace
    waiting = neighbours.stubborn.spawn(gate.path, "waiting", False)
    assert "left-neighbour" not in gate.left
    gate.open()
    assert isinstance(neighbour.get(timeout=60), int)
    assert isinstance(waiting.get(timeout=60), int)


@pytest.mark.parametrize("function", [neighbours.parent, neighbours.late_parent])
def test_what_a_given_up_input_called_is_cancelled(gate: Gate, function: motet.Function) -> None:  # type: ignore[type-arg]
    call = function.spawn(gate.path, "child")
    gate.wait_held(1)
    if function is neighbours.parent:
        call.cancel()
    with pytest.raises((RemoteError, FunctionTimeoutError)):
        call.get()
    wait_until(lambda: gate.left == ["child"], "the child was interrupted")
    assert neighbours.held.get_current_stats().num_running_inputs == 0


def test_what_a_cancelled_input_spawned_goes_on(gate: Gate) -> None:
    call = neighbours.spawner.spawn(gate.path, "child")
    gate.wait_held(2)
    child = motet.FunctionCall.from_id(next(name for name in gate.held if name != "child").removeprefix("spawned-"))
    call.cancel()
    with pytest.raises(RemoteError):
        call.get()
    gate.open()
    assert isinstance(child.get(), int)


# --- dying ------------------------------------------------------------------------------------------------------------


def test_one_killer_among_many_is_found_and_every_other_gets_its_result() -> None:
    results = list(neighbours.deadly.map(range(12), kwargs={"killer": 5}, return_exceptions=True))
    died = results.pop(5)
    assert isinstance(died, ContainerDied)
    assert "SIGKILL" in str(died)
    assert results == [number for number in range(12) if number != 5]


# --- too many ---------------------------------------------------------------------------------------------------------


def test_a_full_queue_refuses_at_once_and_says_when_to_come_again(gate: Gate) -> None:
    async def ask_for_more() -> list[object]:
        calls = [asyncio.create_task(neighbours.bounded.remote.aio(gate.path, f"{number}")) for number in range(5)]
        while sum(call.done() for call in calls) < 2:  # noqa: ASYNC110 - nothing else would tell
            await asyncio.sleep(0.005)
        gate.open()
        return list(await asyncio.gather(*calls, return_exceptions=True))

    first = neighbours.bounded.spawn(gate.path, "first")
    gate.wait_held(1)
    outcomes = asyncio.run(ask_for_more())
    assert first.get() == "first"
    refused = [it for it in outcomes if isinstance(it, ResourceExhaustedError)]
    assert len(refused) == 2
    assert all(it.retry_after > 0 for it in refused)
    assert "queue of bounded is full: 3 inputs wait, and 3 may" in str(refused[0])
    assert len([it for it in outcomes if isinstance(it, str)]) == 3


def test_spawn_beyond_the_bound_raises_and_makes_no_call(gate: Gate) -> None:
    calls = [neighbours.bounded.spawn(gate.path, "0")]
    gate.wait_held(1)  # it does not wait any more, so that the bound is for others
    calls += [neighbours.bounded.spawn(gate.path, f"{number}") for number in range(1, 4)]
    with pytest.raises(ResourceExhaustedError, match="max_waiting_inputs"):
        neighbours.bounded.spawn(gate.path, "too many")
    gate.open()
    assert motet.FunctionCall.gather(*calls) == ["0", "1", "2", "3"]


def test_a_map_over_a_bounded_function_is_slowed_and_loses_nothing() -> None:
    pulled = []

    def numbers() -> Iterator[int]:
        for number in range(150):
            pulled.append(number)
            yield number

    assert list(neighbours.slow_square.map(numbers())) == [number * number for number in range(150)]
    assert pulled == list(range(150))


def test_two_maps_at_once_over_a_bounded_function_lose_nothing() -> None:
    results: dict[int, list[int]] = {}

    def run(name: int) -> None:
        results[name] = list(neighbours.slow_square.map(range(200)))

    threads = [threading.Thread(target=run, args=(name,)) for name in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert results == {name: [number * number for number in range(200)] for name in range(2)}


def test_spawn_map_waits_for_room() -> None:
    neighbours.slow_square.spawn_map(range(40))
    wait_until(lambda: neighbours.slow_square.get_current_stats().backlog == 0, "all of them have begun")


def test_an_input_that_waits_too_long_is_never_started(gate: Gate) -> None:
    first = neighbours.impatient.spawn(gate.path, "first")
    gate.wait_held(1)
    with pytest.raises(FunctionTimeoutError, match=r"waited longer than queue_timeout=0\.3 s"):
        neighbours.impatient.remote(gate.path, "second")
    gate.open()
    assert first.get() == "first"
    assert gate.held == ["first"]
