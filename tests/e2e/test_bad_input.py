"""What goes wrong gives its caller a clear error, harms nobody else, and leaves nothing running."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import motet
from motet.exception import (
    ContainerDied,
    DeserializationError,
    ExecutionError,
    RemoteError,
    RemoteTraceback,
    RequestSizeError,
    SerializationError,
)
from tests.e2e.conftest import Gate, assert_nothing_left, wait_until
from tests.e2e.programs import broken_import, failing
from tests.e2e.programs.failing import app

MIB = 1024 * 1024
EVERYWHERE = ["alone", "on_threads", "in_tasks"]


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[None]:
    with app.run():
        yield
    assert_nothing_left()


@pytest.fixture(params=EVERYWHERE)
def misbehave(request: pytest.FixtureRequest) -> Iterator[Callable[[str], Any]]:
    """`remote` of one of three functions; its container must outlive what the test does."""
    function = getattr(failing, request.param)
    before = function.remote("well")
    yield function.remote
    assert function.remote("well") == before


# --- payloads ---------------------------------------------------------------------------------------------------------


def test_an_argument_that_cannot_be_pickled_is_refused_here_with_the_functions_name() -> None:
    with pytest.raises(SerializationError, match="the arguments of take: TypeError"):
        failing.take.remote(threading.Lock())


def test_an_argument_that_does_not_unpickle_there_fails_its_input_only(gate: Gate) -> None:
    with pytest.raises(DeserializationError, match="the arguments here: RuntimeError: not in containers"):
        failing.take.remote(failing.Elsewhere())
    assert failing.take.remote(1) == "int"


def test_payloads_of_90_mib_travel_both_ways_and_larger_ones_are_refused_both_ways() -> None:
    assert failing.size_of.remote(b"x" * (90 * MIB)) == 90 * MIB
    assert len(failing.sized.remote(90 * MIB)) == 90 * MIB
    with pytest.raises(RequestSizeError, match=r"the arguments of size_of: 200\.0 MiB"):
        failing.size_of.remote(b"x" * (200 * MIB))
    with pytest.raises(RequestSizeError, match=r"the result: 200\.0 MiB"):
        failing.sized.remote(200 * MIB)
    assert failing.size_of.remote(b"x") == 1


def test_a_result_that_cannot_be_pickled_says_so(misbehave: Callable[[str], Any]) -> None:
    with pytest.raises(SerializationError, match="the result: TypeError"):
        misbehave("return a lock")


def test_a_result_that_does_not_unpickle_here_says_so(misbehave: Callable[[str], Any]) -> None:
    with pytest.raises(DeserializationError, match="the result here: RuntimeError: not outside"):
        misbehave("return what does not unpickle")


# --- exceptions -------------------------------------------------------------------------------------------------------


def test_an_exception_that_holds_a_lock_comes_without_it(misbehave: Callable[[str], Any]) -> None:
    with pytest.raises(failing.Unpicklable, match="holds a lock") as caught:
        misbehave("raise unpicklable")
    assert not hasattr(caught.value, "lock")
    assert "raise Unpicklable" in str(caught.value.__cause__)


def test_an_exception_with_a_constructor_of_its_own_comes_as_itself(misbehave: Callable[[str], Any]) -> None:
    with pytest.raises(failing.NeedsTwo, match=r"^1 and 2$") as caught:
        misbehave("raise what does not unpickle")
    assert "raise NeedsTwo(1, 2)" in str(caught.value.__cause__)


@pytest.mark.parametrize(
    ("how", "kind", "message"),
    [
        ("sys.exit", SystemExit, "3"),
        ("KeyboardInterrupt", RemoteError, "KeyboardInterrupt"),
        ("raise BaseException", failing.Rude, "rude caf\udce9"),
    ],
)
def test_exceptions_that_end_programs_end_no_container(
    misbehave: Callable[[str], Any], how: str, kind: type[BaseException], message: str
) -> None:
    with pytest.raises(kind, match=message) as caught:
        misbehave(how)
    assert isinstance(caught.value.__cause__, RemoteTraceback)


def test_a_start_that_fails_with_text_that_is_not_utf8_is_told() -> None:
    with pytest.raises(ValueError, match="caf\udce9"):
        failing.NotUtf8().get.remote()


@pytest.mark.parametrize("misbehave", ["alone", "on_threads"], indirect=True)
def test_a_stop_iteration_arrives_as_itself(misbehave: Callable[[str], Any]) -> None:
    with pytest.raises(StopIteration, match="stop"):
        misbehave("StopIteration")


@pytest.mark.parametrize("misbehave", ["in_tasks"], indirect=True)
def test_a_stop_iteration_in_a_coroutine_is_what_python_makes_of_it(misbehave: Callable[[str], Any]) -> None:
    with pytest.raises(RuntimeError, match="coroutine raised StopIteration"):
        misbehave("StopIteration")


def test_endless_recursion_is_a_recursion_error(misbehave: Callable[[str], Any]) -> None:
    with pytest.raises(RecursionError):
        misbehave("recurse")


def test_the_remote_traceback_shows_the_whole_chain(misbehave: Callable[[str], Any]) -> None:
    with pytest.raises(ValueError, match="outer") as caught:
        misbehave("chain")
    assert "KeyError: 'inner'" in str(caught.value.__cause__)


# --- containers that die ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("how", "message"), [("os._exit", "status 3"), ("kill", "SIGKILL"), ("segfault", "SIGSEGV")])
def test_an_input_that_kills_its_container_is_told_how_it_died(how: str, message: str) -> None:
    with pytest.raises(ContainerDied, match=message):
        failing.die.remote(how)
    assert failing.die.remote("not at all")


def test_inputs_beside_one_that_kills_its_container_finish() -> None:
    results = list(failing.die.map(["no"] * 10 + ["os._exit"] + ["no"] * 10, return_exceptions=True))
    assert [type(it).__name__ for it in results] == ["int"] * 10 + ["ContainerDied"] + ["int"] * 10


def test_inputs_of_a_container_that_is_killed_from_outside_run_again_elsewhere(gate: Gate) -> None:
    call = failing.survive.experimental_spawn_map([gate.path] * 5, range(5))
    gate.wait_held(5)
    victim = int(gate.held[0].rpartition("-")[2])
    os.kill(victim, signal.SIGKILL)
    gate.wait_held(6)
    gate.open()
    results = list(call.iter())
    assert [name for name, _ in results] == list(range(5))
    assert victim not in {pid for _, pid in results}


def test_what_an_input_leaves_behind_is_gone_with_its_container() -> None:
    other = motet.App("leaving")
    leave = other.function(serialized=True)(failing.leave_processes_and_threads.raw)  # type: ignore[arg-type]
    with other.run():
        daemon = leave.remote()
        assert os.path.exists(f"/proc/{daemon}")
    wait_until(lambda: not os.path.exists(f"/proc/{daemon}"), "the end of the daemon")
    assert isinstance(failing.leave_a_task.remote(), int)


# --- containers that do not start -------------------------------------------------------------------------------------


def test_a_module_that_fails_to_import_fails_all_calls_with_that_traceback() -> None:
    with broken_import.app.run():
        with ThreadPoolExecutor(6) as callers:
            calls = [callers.submit(broken_import.never.remote) for _ in range(6)]
            for call in calls:
                error: Any = call.exception(20)
                assert isinstance(error, ModuleNotFoundError)
                assert "import no_such_module_anywhere" in str(error.__cause__)
        assert broken_import.app.running is not None
        (view,) = broken_import.app.running.view().functions
        assert view.started_containers <= 8


def test_an_enter_hook_that_raises_fails_the_calls_and_does_not_restart_for_ever(tmp_path: Path) -> None:
    note = tmp_path / "note"
    broken = failing.EnterFails(note=str(note))
    calls = [broken.ask.spawn() for _ in range(5)]
    for call in calls:
        with pytest.raises(RuntimeError, match="no model to load") as caught:
            call.get(timeout=60)
        assert "raise RuntimeError" in str(caught.value.__cause__)
    tries = note.stat().st_size
    assert tries <= 5
    with pytest.raises(RuntimeError, match="no model to load"):
        broken.ask.remote()
    assert note.stat().st_size <= tries + 5


def test_an_enter_hook_that_exits_fails_the_calls() -> None:
    with pytest.raises(SystemExit, match="cannot start"):
        failing.EnterExits().ask.remote()


def test_a_container_that_dies_while_it_starts_is_told_with_its_last_words() -> None:
    with pytest.raises(motet.Error, match="last words"):
        failing.EnterDies().ask.remote()


def test_a_function_that_containers_do_not_have_says_so() -> None:
    with pytest.raises(ExecutionError, match="no 'missing_in_containers' when it is imported in a container"):
        failing.missing_in_containers.remote()


def test_bad_neighbours_do_not_harm_inputs_that_run_at_the_same_time(gate: Gate) -> None:
    held = [failing.in_tasks.spawn(str(i), gate.path) for i in range(3)]
    gate.wait_held(3)
    for how in ("return a lock", "raise unpicklable", "sys.exit", "KeyboardInterrupt", "raise BaseException"):
        with pytest.raises((motet.Error, failing.Unpicklable, SystemExit, failing.Rude)):
            failing.in_tasks.remote(how)
    gate.open()
    assert len(set(motet.FunctionCall.gather(*held))) == 1
