"""A process that is forked from the program, or from a container, calls functions over a connection of its own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator

import pytest

import motet
from tests.e2e.conftest import assert_nothing_left
from tests.e2e.programs.forks import (
    app,
    double,
    doubled_in_pool,
    fork_between_awaits,
    fork_between_calls,
    in_child,
    other,
    triple,
)


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[None]:
    with app.run():
        yield
    assert_nothing_left()


def test_a_forked_process_calls_in_every_way() -> None:
    spawned = double.spawn(1)
    queue = motet.Queue.from_name("for-the-child")
    queue.put("put")
    assert in_child(lambda: double.remote(2)) == "4"
    assert in_child(lambda: list(double.map(range(3)))) == "[0, 2, 4]"
    assert in_child(lambda: (spawned.get(), double.spawn(3).get())) == "(2, 6)"
    assert in_child(queue.get) == "'put'"
    assert in_child(lambda: in_child(lambda: double.remote(4))) == repr("8")
    assert double.remote(5) == 10


def test_pools_of_forked_processes_call() -> None:
    assert doubled_in_pool([1, 2, 3]) == [2, 4, 6]


def test_a_process_forked_by_a_task_calls_while_the_parent_awaits() -> None:
    async def scene() -> tuple[int, str]:
        awaited = asyncio.create_task(double.remote.aio(1))
        await asyncio.sleep(0)
        child = in_child(lambda: asyncio.run(double.remote.aio(2)))
        return await awaited, child

    assert asyncio.run(scene()) == (2, "4")


def test_a_map_goes_on_in_the_process_that_began_it_alone() -> None:
    results = double.map(range(3))
    assert next(results) == 0
    assert in_child(lambda: list(results)).startswith("ConnectionError: this call was begun by the process that")
    assert list(results) == [2, 4]


def test_a_forked_process_may_run_an_app_of_its_own() -> None:
    def run_other() -> tuple[int, int]:
        with other.run():
            return triple.remote(1), double.remote(1)

    assert in_child(run_other) == "(3, 2)"
    assert double.remote(2) == 4


def test_forked_processes_may_leave_the_block_and_those_that_come_late_or_are_not_forked_are_told() -> None:
    # From 3.12 on Python warns of forks beside threads.
    program = [sys.executable, "-W", "ignore::DeprecationWarning", "-m", "tests.e2e.programs.forking_program"]
    ended = subprocess.run(program, check=False, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")
    *lines, spawned, late = ended.stdout.splitlines()
    assert lines == ["parent 2", "child 4", "left with 7", "parent 6"]
    assert 'use `multiprocessing.get_context("fork")`, or call functions in the parent' in spawned
    assert late.startswith("ConnectionError this process was forked from one that ran an app, which has ended there")
    assert late.endswith("Have the parent wait for its children inside `with app.run():`.")


def test_a_forked_process_that_leaves_the_block_of_a_queue_leaves_its_items() -> None:
    block = motet.Queue.ephemeral()
    with block as items:
        items.put("kept")
        assert in_child(lambda: block.__exit__(None, None, None)) == "None"
        assert items.get(block=False) == "kept"


def test_forks_inside_containers_call_and_leave_the_parents_connection_whole() -> None:
    assert fork_between_calls.remote(1) == [2, "4", 6, [8]]
    assert fork_between_awaits.remote(1) == [2, "4", 6]
