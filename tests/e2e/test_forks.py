"""Forks in user code: one container stays one, on its own connections, and its child ends as a program of its own would."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import assert_nothing_left
from tests.e2e.programs import forking

WAYS = [("returns", 0), ("raises", 1), ("exits", 3)]


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[None]:
    with forking.app.run():
        yield
    assert_nothing_left()


@pytest.mark.parametrize(("way", "code"), WAYS)
@pytest.mark.parametrize("name", ["alone", "on_threads", "in_tasks", "in_a_batch"])
def test_a_child_that_comes_back_ends_with_its_status_and_the_parent_gives_the_result(
    name: str, way: str, code: int
) -> None:
    function = getattr(forking, name)
    ended, container = function.remote(way)
    assert ended == code
    assert {pid for _, pid in function.map([way] * 3)} == {container}


@pytest.mark.parametrize(("way", "code"), WAYS)
@pytest.mark.parametrize("name", ["generate", "generate_async"])
def test_a_childs_items_are_not_the_streams(name: str, way: str, code: int) -> None:
    ((ended, _),) = getattr(forking, name).remote_gen(way)
    assert ended == code


def test_a_child_does_not_go_on_with_the_event_loop_of_its_container() -> None:
    assert forking.in_tasks.remote("awaits")[0] == 70
    assert forking.in_a_task_of_its_own.remote("returns")[0] == 0
    assert forking.in_a_task_of_its_own.remote("raises")[0] == 1
    assert forking.on_another_thread.remote("returns")[0] == 0
    assert forking.on_another_thread.remote("raises")[0] == 1


def test_a_child_of_an_enter_hook_is_no_container() -> None:
    assert forking.Entering().tell.remote()[0] == 0


def test_a_forked_process_calls_over_a_connection_of_its_own() -> None:
    assert forking.doubled_by_a_child.remote(4) == (8, 8)
