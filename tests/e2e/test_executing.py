"""Running inputs in real containers: on which thread and loop, with which ids, from the enter hooks to the exit hooks."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import motet
from motet.wire.client_messages import OutputLines
from tests.e2e.conftest import Gate, assert_nothing_left, wait_until
from tests.e2e.programs import executing
from tests.e2e.programs.executing import Alone, Ids, Life, Mixed, Ticker, app, life


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[None]:
    with app.run():
        yield
    assert_nothing_left()


# --- the dispatch matrix ----------------------------------------------------------------------------------------------


def test_a_sync_function_alone_has_the_main_thread_without_a_running_loop() -> None:
    first, second = executing.sync_alone.remote(), executing.sync_alone.remote()
    assert (first["main"], first["loop"], first["asyncio_run"], first["signals"]) == (True, None, "ran", True)
    assert first["pid"] == second["pid"] != os.getpid()


def test_concurrent_sync_inputs_run_on_at_most_max_inputs_threads_which_are_reused(gate: Gate) -> None:
    calls = [executing.sync_concurrent.spawn(gate.path, i) for i in range(6)]
    gate.wait_held(4)
    assert executing.sync_concurrent.get_current_stats().backlog == 2
    gate.open()
    seen = motet.FunctionCall.gather(*calls)
    seen += list(executing.sync_concurrent.map([None] * 200))
    assert len({it["ident"] for it in seen}) == 4
    assert len({it["pid"] for it in seen}) == 1
    assert not any(it["main"] or it["loop"] or not it["daemon"] for it in seen)


def test_an_idle_thread_is_reused_before_another_one_starts() -> None:
    function = executing.sync_concurrent.with_options(max_containers=1, timeout=99)
    assert len({function.remote()["ident"] for _ in range(10)}) <= 2


def test_async_inputs_are_tasks_of_one_loop_on_the_main_thread(gate: Gate) -> None:
    calls = [executing.async_concurrent.spawn(gate.path, i) for i in range(4)]
    gate.wait_held(4)
    gate.open()
    seen = motet.FunctionCall.gather(*calls)
    assert len({(it["pid"], it["ident"], it["loop"]) for it in seen}) == 1
    assert seen[0]["main"]
    assert seen[0]["loop"]


def test_an_async_function_alone_keeps_its_loop_from_input_to_input() -> None:
    first, second = executing.async_alone.remote(), executing.async_alone.remote()
    assert first["main"]
    assert first["loop"] == second["loop"] is not None


def test_the_loop_goes_on_while_no_input_runs(tmp_path: Path) -> None:
    Ticker(directory=str(tmp_path)).touch.remote()
    ticks = tmp_path / "ticks"
    before = ticks.stat().st_size
    wait_until(lambda: ticks.stat().st_size > before + 20, "20 more ticks without an input")


def test_a_class_without_concurrency_runs_sync_methods_on_the_main_thread_and_async_ones_on_its_loop() -> None:
    alone = Alone()
    for _ in range(2):
        sync, asynchronous = alone.sync.remote(), alone.async_.remote()
        assert (sync["main"], sync["loop"], sync["asyncio_run"]) == (True, None, "ran")
        assert (asynchronous["main"], asynchronous["same_loop"]) == (True, True)


def test_a_concurrent_class_runs_all_its_methods_at_once_in_one_container(gate: Gate) -> None:
    mixed = Mixed()
    with ThreadPoolExecutor(4) as callers:
        sync = callers.submit(mixed.sync.remote, gate.path)
        asynchronous = callers.submit(mixed.async_.remote, gate.path)
        generated = callers.submit(lambda: list(mixed.generate.remote_gen(gate.path)))
        generated_async = callers.submit(lambda: list(mixed.generate_async.remote_gen(gate.path)))
        gate.wait_held(4)
        gate.open()
        seen = [sync.result(), asynchronous.result(), *generated.result(), *generated_async.result()]
    assert len({it["pid"] for it in seen}) == 1
    assert [it["main"] for it in seen] == [False, True, False, True]
    assert seen[1]["loop"] == seen[3]["loop"]


# --- the life of a container ------------------------------------------------------------------------------------------


def test_hooks_run_in_order_on_the_loop_of_the_methods_and_exit_hooks_when_the_app_stops(tmp_path: Path) -> None:
    note = tmp_path / "note"
    entered = ["base_enter", "enter_async", "enter_sync on main: True"]
    with life.run():
        assert Life(note=str(note)).tell.remote() == [*entered, "method on the hooks' loop"]
        assert not note.exists()
    assert note.read_text().splitlines() == [*entered, "method on the hooks' loop", "exit on the hooks' loop"]


def test_a_single_use_container_runs_one_input() -> None:
    assert len({executing.once.remote() for _ in range(3)}) == 3


def test_a_container_that_stops_fetching_finishes_its_input_and_is_replaced() -> None:
    assert executing.stop_after_this.remote() != executing.stop_after_this.remote()


def test_code_can_ask_for_its_containers_concurrency() -> None:
    assert executing.how_many.remote() == 7
    with pytest.raises(RuntimeError, match="within a Motet container"):
        executing.how_many.local()


# --- contexts and ids -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["remember_alone", "remember_on_threads", "remember_in_tasks"])
def test_context_variables_of_one_input_are_not_there_for_the_next(name: str) -> None:
    assert list(getattr(executing, name).map(["a"] * 10)) == ["fresh"] * 10


@pytest.mark.parametrize("name", ["ids_alone", "ids_on_threads", "ids_in_tasks"])
def test_ids_are_right_wherever_the_code_of_an_input_runs(name: str) -> None:
    calls = [getattr(executing, name).spawn() for _ in range(24)]
    for call in calls:
        found: list[Ids] = call.get()
        expected = (f"in-{call.object_id[3:]}-0", call.object_id, False)
        assert set(found) == {expected}
        assert len(found) >= 4


def test_inputs_of_one_call_share_its_id_and_have_their_own() -> None:
    call = executing.remember_ids.experimental_spawn_map(range(10))
    found = list(call.iter())
    assert [it[0] for it in found] == [f"in-{call.object_id[3:]}-{index}" for index in range(10)]
    assert {it[1] for it in found} == {call.object_id}


def test_ids_are_right_in_generators() -> None:
    found = list(executing.ids_while_streaming.remote_gen(5))
    assert len(set(found)) == 1
    assert found[0][0].startswith("in-")


def test_outside_of_inputs_there_are_no_ids() -> None:
    assert executing.ids() == (None, None, True)


# --- surroundings -----------------------------------------------------------------------------------------------------


def test_a_container_has_the_programs_directory_and_arguments_a_temporary_directory_its_environment_and_no_stdin() -> (
    None
):
    found = executing.surroundings.remote()
    env = found["env"]
    assert found["cwd"] == os.getcwd()
    assert found["argv"] == sys.argv
    assert found["temporary"] not in (os.getcwd(), tempfile.gettempdir())
    assert (env["APP_SECRET"], env["OWN_SECRET"], env["PLAIN"]) == ("s3cret", "own", "1")
    assert env["MOTET_IS_REMOTE"] == "1"
    assert env["MOTET_CONTAINER_ID"].startswith("ta-")
    assert env["PATH"] == os.environ["PATH"]
    assert found["stdin"] == ""


def test_output_reaches_the_listener_with_its_function_and_container() -> None:
    lines: list[OutputLines] = []
    assert app.running is not None
    app.running.on_output(lines.append)
    try:
        executing.speak.with_options(max_containers=1).remote("hello")
        wait_until(lambda: len(_texts(lines, "hello")) >= 3, "three lines")
    finally:
        app.running.on_output(None)
    assert {text: stream for stream, text in _texts(lines, "hello")} == {
        "hello out": "stdout",
        "hello err": "stderr",
        "hello raw": "stdout",
    }
    assert {it.function_name for it in lines} == {"speak"}
    assert all(it.container_id.startswith("ta-") for it in lines)


def _texts(lines: list[OutputLines], word: str) -> list[tuple[str, str]]:
    return [(it.stream, text) for it in lines for text in it.lines if text.startswith(word)]
