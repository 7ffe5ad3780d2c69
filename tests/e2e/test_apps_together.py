"""Several apps of one program that run at the same time: each has its own functions, and its own end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import motet
from motet.server import embedded
from motet.testing import world
from motet.testing.world import World
from tests.e2e.conftest import assert_nothing_left
from tests.e2e.programs import unnamed_apps

library, first, second = motet.App("shared-library"), motet.App("first"), motet.App("second")
first.include(library)
second.include(library)


@library.function(serialized=True)
def helper(x: int) -> int:
    return x + 1


@pytest.fixture
def here() -> Iterator[World]:
    with world() as here:
        yield here


def test_an_app_that_ends_leaves_what_it_shares_to_the_other(here: World) -> None:
    with first.run():
        with second.run():
            assert helper.remote(1) == 2
            assert library.app_id == second.app_id
        assert library.app_id == first.app_id
        assert helper.remote(2) == 3
    assert library.running is None


def test_a_library_that_runs_itself_goes_on_when_an_app_that_includes_it_ends(here: World) -> None:
    with library.run():
        with first.run():
            assert library.app_id == first.app_id
        assert helper.remote(1) == 2
    assert library.running is None


def test_apps_that_end_in_the_order_they_began_end_alone(here: World) -> None:
    runs = [first.run(), second.run()]
    for run in runs:
        run.__enter__()
    runs[0].__exit__(None, None, None)
    assert helper.remote(1) == 2
    assert library.app_id == second.app_id
    runs[1].__exit__(None, None, None)
    assert library.running is None


def test_each_task_calls_in_the_run_whose_block_it_is_in(here: World) -> None:
    ran = dict[str, str | None]()

    async def run(app: motet.App, both: asyncio.Barrier) -> None:
        async with app.run():
            await both.wait()
            ran[app.description] = library.app_id
            assert library.app_id == app.app_id
            await both.wait()

    async def scene() -> None:
        both = asyncio.Barrier(2)
        await asyncio.gather(run(first, both), run(second, both))

    here.run(scene())
    assert len(set(ran.values())) == 2


def test_a_thread_that_is_in_no_block_calls_in_the_run_that_began_last(here: World) -> None:
    with first.run(), second.run():
        got: list[str | None] = []
        thread = threading.Thread(target=lambda: got.append(library.app_id))
        thread.start()
        thread.join()
        assert got == [second.app_id]


def test_the_last_run_to_end_stops_the_server() -> None:
    with library.run(), first.run():
        assert helper.remote(1) == 2
    assert not embedded.is_running()
    assert_nothing_left()


def test_apps_without_a_name_run_their_own_functions_also_from_containers() -> None:
    with unnamed_apps.third.run():
        assert unnamed_apps.ask_both.remote() == ["first", "second"]
    with unnamed_apps.first.run():
        with pytest.raises(motet.exception.ExecutionError, match=r"no function 'which' of app '\(unnamed\)'"):
            unnamed_apps.ask_second.remote()
        with pytest.raises(motet.exception.ExecutionError, match="its app is not running"):
            unnamed_apps.which_of_second.remote()
        assert unnamed_apps.which_of_first.remote() == "first"
    assert_nothing_left()


def test_a_function_declared_after_its_app_started_is_told_to_come_earlier(here: World) -> None:
    late = motet.App("late")

    @late.function(serialized=True)
    def early() -> str:
        return "old"

    @late.function(serialized=True)
    def ask(function: Any) -> str:
        return str(function.remote())

    with late.run():
        known = early

        @late.function(serialized=True)
        def tardy() -> str:
            return "new"

        with pytest.raises(
            motet.exception.ExecutionError, match=r"'tardy' was declared after its app 'late' had started"
        ):
            tardy.remote()
        with pytest.warns(UserWarning, match="collision"):

            @late.function(serialized=True, name="early")
            def replaced() -> str:
                return "new"

        with pytest.raises(motet.exception.ExecutionError, match="'early' was declared again after its app"):
            replaced.remote()
        assert [known.remote(), ask.remote(known)] == ["old", "old"]
    with late.run():
        assert [tardy.remote(), replaced.remote(), known.remote()] == ["new", "new", "old"]
        with pytest.raises(motet.exception.ExecutionError, match=r"\(it has: ask, early, tardy\)"):
            ask.remote(helper)


def test_an_app_included_after_the_start_is_told_to_come_earlier(here: World) -> None:
    early = motet.App("early")

    @early.function(serialized=True)
    def nothing() -> None: ...

    with early.run():
        early.include(library)
        with pytest.raises(
            motet.exception.ExecutionError, match="its app was included in 'early' after that had started"
        ):
            helper.remote(1)
    with early.run():
        assert helper.remote(1) == 2


def test_other_tasks_of_the_loop_run_while_an_app_starts_and_stops() -> None:
    seen: set[str] = set()

    async def watch() -> None:
        while True:
            server = embedded._server
            is_there = any(thread.name == "motet-server" for thread in threading.enumerate())
            if server is not None and not server._started.done():
                seen.add("starting")
            elif server is None and is_there:
                seen.add("stopping")
            await asyncio.sleep(0)

    async def scene() -> None:
        watching = asyncio.create_task(watch())
        async with library.run():
            assert await helper.remote.aio(1) == 2
        watching.cancel()

    asyncio.run(scene())
    assert seen == {"starting", "stopping"}
    assert_nothing_left()
