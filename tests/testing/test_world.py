"""The whole platform in one process: programs run as they do in containers, in no time, under any fault."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import motet
from motet.exception import ContainerDied, FunctionTimeoutError, RemoteError
from motet.testing import DeadlockError, World, world
from motet.wire.client_messages import STREAM_WINDOW
from tests.testing import programs
from tests.testing.programs import app

REAL_SECONDS = 20.0
"""Far more than any test here takes, far less than the virtual time it lets pass."""


@pytest.fixture
def here() -> Iterator[World]:
    programs.tries.clear()
    programs.hooks.clear()
    with world() as it, app.run():
        yield it


# --- programs run as ever ---------------------------------------------------------------------------------------------


def test_every_way_to_call_works(here: World) -> None:
    assert programs.square.remote(3) == 9
    assert list(programs.square.map(range(5))) == [0, 1, 4, 9, 16]
    assert programs.square.spawn(4).get() == 16
    assert list(programs.count.remote_gen(3)) == [0, 1, 2]
    assert list(programs.count_async.remote_gen(3)) == [0, 1, 2]
    assert programs.Greeter(greeting="hi").greet.remote("Ada") == "hi Ada"
    assert here.run(programs.square.remote.aio(5)) == 25
    assert programs.square.local(6) == 36


def test_functions_call_functions_from_sync_and_async_code(here: World) -> None:
    assert programs.nested.remote(4) == 0 + 1 + 4 + 9 + 16
    assert programs.nested_async.remote(3) == 10


def test_a_users_exception_is_raised_as_itself_with_the_remote_traceback(here: World) -> None:
    with pytest.raises(ValueError, match="broken") as raised:
        programs.broken.remote()
    assert "programs.py" in str(raised.value.__cause__)


def test_serialized_functions_made_in_a_test_run_and_find_each_other() -> None:
    local = motet.App("local")

    @local.function(serialized=True)
    def inner(x: int) -> int:
        return x + 1

    @local.function(serialized=True)
    def outer(x: int) -> int:
        return inner.remote(x) * 2

    with world(), local.run():
        assert outer.remote(1) == 4


def test_hooks_run_and_idle_containers_go(here: World) -> None:
    programs.Greeter().greet.remote("Ada")
    assert programs.hooks == ["enter"]
    (container,) = here.containers("Greeter")
    here.advance(32)
    assert programs.hooks == ["enter", "exit"]
    assert here.containers("Greeter") == []
    assert container.state == "ended"


def test_hooks_share_a_task_and_a_context_whose_values_inputs_see(here: World) -> None:
    opened = programs.Opened()
    assert (opened.on_loop.remote(), opened.on_thread.remote()) == ("ada", "ada")
    here.advance(32)
    assert programs.hooks == ["same task"]


def test_a_generator_is_no_further_ahead_of_its_consumer_than_its_window(here: World) -> None:
    for generator in (programs.many_items, programs.many_items_async):
        programs.tries.clear()
        items = generator.remote_gen(1000)
        assert next(items) == 0
        here.advance(10)
        assert len(programs.tries) == STREAM_WINDOW + 1
        assert list(items) == list(range(1, 1000))


# --- time -------------------------------------------------------------------------------------------------------------


def test_minutes_of_retries_take_no_time(here: World) -> None:
    began = time.perf_counter()
    assert programs.flaky.remote(7) == 7
    assert programs.tries == ["try"] * 4
    assert here.now == pytest.approx(180)
    assert time.perf_counter() - began < REAL_SECONDS


@pytest.mark.parametrize("slow", [programs.slow_async, programs.slow_sync])
def test_a_timeout_cancels_the_input_at_its_moment(here: World, slow: motet.Function[[float], str]) -> None:
    assert slow.remote(9.9) == "done"
    began = here.now
    with pytest.raises(FunctionTimeoutError):
        slow.remote(1000)
    assert here.now - began == pytest.approx(10)
    here.advance(1)
    assert programs.tries == ["cancelled"]


@pytest.mark.parametrize("slow", [programs.slow_async, programs.slow_sync])
def test_a_cancelled_call_ends_and_its_code_learns_of_it(here: World, slow: motet.Function[[float], str]) -> None:
    call = slow.spawn(8)
    here.advance(2)
    call.cancel()
    with pytest.raises(RemoteError, match="cancel"):
        call.get()
    here.advance(0)
    assert programs.tries == ["cancelled"]
    assert here.now == pytest.approx(2)


def test_inputs_of_a_container_overlap_in_virtual_time(here: World) -> None:
    assert list(programs.ten.map([5.0] * 20)) == [5.0] * 20
    assert here.now == pytest.approx(10)
    assert len(here.containers("ten")) == 1


def test_a_batch_waits_its_window_in_virtual_time(here: World) -> None:
    assert list(programs.sums.map([1, 2, 3, 4], [1, 1, 1, 1])) == [2, 3, 4, 5]
    assert programs.tries == ["batch of 3", "batch of 1"]
    assert here.now == pytest.approx(2)


def test_get_with_a_timeout_gives_up_in_virtual_time(here: World) -> None:
    call = programs.slow_async.spawn(9)
    with pytest.raises(TimeoutError):
        call.get(timeout=5)
    assert here.now == pytest.approx(5)
    assert call.get() == "done"


def test_the_same_test_goes_the_same_way_each_time() -> None:
    def story() -> list[tuple[float, str]]:
        events: list[tuple[float, str]] = []
        with world() as here, app.run():
            here.delay(0.25)
            for result in programs.ten.map([3.0, 1.0, 2.0], order_outputs=False):
                events.append((here.now, f"{result}"))
            events.append((here.now, str(programs.nested.remote(3))))
        return events

    assert story() == story()


def test_a_thread_outside_is_waited_for_in_real_time(here: World) -> None:
    async def outside() -> float:
        began = here.now
        assert await asyncio.to_thread(threading.Event().wait, 0.01) is False
        return here.now - began

    assert here.run(outside()) == 0


# --- faults -----------------------------------------------------------------------------------------------------------


def test_inputs_of_a_killed_container_run_again_elsewhere(here: World) -> None:
    calls = [programs.ten.spawn(5.0 + n) for n in range(3)]
    here.advance(1)
    (container,) = here.containers("ten")
    assert container.running == 3
    here.kill(container)
    assert [call.get() for call in calls] == [5.0, 6.0, 7.0]
    assert container.state == "ended"


def test_an_input_that_kills_its_container_again_and_again_is_found(here: World) -> None:
    call = programs.ten.spawn(1.0)
    for _ in range(60):
        here.advance(0.5)
        for container in here.containers("ten"):
            if container.running:
                here.crash(container, 139, "segmentation fault\n")
    with pytest.raises(ContainerDied, match="status 139"):
        call.get(timeout=0)


def test_a_preempted_container_finishes_what_it_has_and_others_take_the_rest(here: World) -> None:
    first = programs.ten.spawn(5.0)
    here.advance(1)
    (container,) = here.containers("ten")
    here.preempt(container)
    second = programs.ten.spawn(5.0)
    here.advance(1)
    assert container.running == 1
    assert first.get() == 5.0
    assert here.now == pytest.approx(5)
    assert second.get() == 5.0
    assert container not in here.containers()


def test_a_container_that_thaws_in_time_goes_on(here: World) -> None:
    call = programs.ten.spawn(3.0)
    here.advance(1)
    (container,) = here.containers("ten")
    here.freeze(container)
    here.advance(5)
    with pytest.raises(TimeoutError):
        call.get(timeout=0)
    here.thaw(container)
    assert call.get(timeout=0.1) == 3.0
    assert here.containers("ten") == [container]


def test_inputs_of_a_container_that_stays_frozen_run_elsewhere(here: World) -> None:
    call = programs.ten.spawn(3.0)
    here.advance(1)
    (container,) = here.containers("ten")
    here.freeze(container)
    assert call.get() == 3.0
    assert here.now < 120
    assert container not in here.containers()


@pytest.mark.parametrize("after", [0, 1, 3, 4, 5, 20])
def test_a_connection_may_break_at_any_byte(here: World, after: int) -> None:
    call = programs.ten.spawn(3.0)
    here.advance(1)
    (container,) = here.containers("ten")
    here.cut(container, after=after)
    assert call.get() == 3.0
    assert container not in here.containers()


def test_an_outcome_that_comes_twice_is_taken_once(here: World) -> None:
    calls = [programs.ten.spawn(3.0), programs.ten.spawn(4.0)]
    here.advance(1)
    (container,) = here.containers("ten")
    here.repeat(container)
    assert [call.get() for call in calls] == [3.0, 4.0]
    assert programs.ten.remote(1.0) == 1.0


def test_a_slow_network_delays_and_breaks_nothing(here: World) -> None:
    here.delay(0.5)
    began = here.now
    assert programs.square.remote(3) == 9
    assert here.now - began == pytest.approx(
        2.5
    )  # hello, configuration, ready; then the input there and its outcome back
    began = here.now
    assert programs.square.remote(4) == 16
    assert here.now - began == pytest.approx(1.0)


@pytest.mark.parametrize("role", ["executor", "control"])
def test_a_cancellation_that_overtakes_its_input_or_comes_late_does_no_harm(here: World, role: str) -> None:
    assert programs.ten.remote(0.1) == 0.1
    here.delay(2.0, role)  # type: ignore[arg-type]
    gone, stays = programs.ten.spawn(5.0), programs.ten.spawn(6.0)
    gone.cancel()
    with pytest.raises(RemoteError):
        gone.get()
    assert stays.get() == 6.0
    here.advance(10)
    assert [it.running for it in here.containers("ten")] in ([], [0])


faults = st.lists(
    st.tuples(
        st.sampled_from(["kill", "freeze", "thaw", "cut", "repeat", "delay", "cancel", "wait"]),
        st.integers(0, 5),
        st.sampled_from([0.0, 0.1, 1.0, 3.0]),
    ),
    max_size=12,
)


@settings(max_examples=40, deadline=None)
@given(faults)
def test_whatever_happens_every_input_ends_once_and_rightly(happening: list[tuple[str, int, float]]) -> None:
    with world() as here, app.run():
        calls = [programs.ten.spawn(float(n % 4)) for n in range(12)]
        cancelled = set()
        for kind, pick, seconds in happening:
            here.advance(seconds)
            living = here.containers("ten")
            container = living[pick % len(living)] if living else None
            if kind == "delay":
                here.delay(seconds)
            elif kind == "cancel":
                calls[pick].cancel()
                cancelled.add(pick)
            elif (
                container is not None
                and container.state == "ready"
                and kind in ("kill", "freeze", "thaw", "cut", "repeat")
            ):
                getattr(here, kind)(container)
            here._server._driver.engine.check()
        for n, call in enumerate(calls):
            try:
                assert call.get() == n % 4
            except ContainerDied:
                assert sum(kind in ("kill", "freeze", "cut") for kind, _, _ in happening) >= 2
            except RemoteError:
                assert n in cancelled


# --- what cannot work says so -----------------------------------------------------------------------------------------


def test_waiting_for_what_nobody_does_is_an_error_and_no_hang() -> None:
    with world() as here, pytest.raises(DeadlockError, match="nobody is going to do"):
        here.run(asyncio.Event().wait())


def test_a_blocking_call_in_async_test_code_is_refused(here: World) -> None:
    async def blocks() -> None:
        programs.square.remote(1)

    with pytest.warns(motet.exception.AsyncUsageWarning), pytest.raises(DeadlockError, match=r"use `\.aio`"):
        here.run(blocks())


def test_a_world_within_a_world_is_refused(here: World) -> None:
    with pytest.raises(RuntimeError, match="inside another world"), world():
        pass


def test_after_a_world_everything_is_as_before() -> None:
    sleep = time.sleep
    with world(), app.run():
        assert time.sleep is not sleep
        programs.square.remote(1)
    assert time.sleep is sleep
    assert app.running is None
    with pytest.raises(motet.exception.ExecutionError, match="not running"):
        programs.square.remote(1)
