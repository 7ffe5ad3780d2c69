"""Calling functions on real containers: one input, many inputs, calls whose results are kept, and nested calls."""

from __future__ import annotations

import asyncio
import builtins
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

import motet
from tests.e2e.conftest import Gate, assert_nothing_left, wait_until
from tests.e2e.programs import calling
from tests.e2e.programs.calling import Account, app


@pytest.fixture(scope="module", autouse=True)
def running(either: None) -> Iterator[None]:
    with app.run():
        yield
    assert_nothing_left()


# --- one input --------------------------------------------------------------------------------------------------------


def test_remote_returns_what_the_function_returns_sync_or_async() -> None:
    assert calling.square.remote(7) == 49
    assert calling.square.remote(x=7, plus=1) == 50
    assert calling.add.remote(1, y=2) == 3


def test_results_may_be_asked_for_in_what_other_languages_read() -> None:
    for encoding in ("json", "cbor"):
        square = calling.square.with_result_encoding(encoding)
        assert square.remote(7) == 49
        assert list(square.map(range(3))) == [0, 1, 4]
        assert square.spawn(3).get() == 9
        assert list(calling.count.with_result_encoding(encoding).remote_gen(3)) == [0, 1, 2]
    with pytest.raises(motet.exception.InvalidError, match="is 'pickle', 'json' or 'cbor', not 'xml'"):
        calling.square.with_result_encoding("xml")  # type: ignore[arg-type]


def test_remote_can_be_awaited() -> None:
    async def main() -> tuple[int, list[int]]:
        return await calling.square.remote.aio(3), await asyncio.gather(*(calling.add.remote.aio(i) for i in range(20)))

    assert asyncio.run(main()) == (9, list(range(20)))


def test_keywords_of_any_name_are_the_functions_own() -> None:
    values = {"self": 1, "args": 2, "kwargs": 3, "method": 4, "instance": 5, "call": 6, "value": 7}

    async def main() -> list[Any]:
        streamed = [item async for item in calling.items_of.remote_gen.aio(**values)]
        return [await calling.keywords.remote.aio(**values), dict(streamed)]

    assert calling.keywords.remote(**values) == values
    assert asyncio.run(main()) == [values, values]
    assert calling.keywords.spawn(**values).get() == values
    assert list(calling.keywords.starmap([()], kwargs=values)) == [values]
    assert calling.keywords.local(**values) == values
    assert dict(calling.items_of.remote_gen(**values)) == dict(calling.items_of.local(**values)) == values


def test_local_runs_here_and_gives_a_coroutine_for_an_async_function() -> None:
    assert calling.square.local(3) == 9
    assert asyncio.run(calling.add.local(1, 2)) == 3
    assert list(calling.count.local(3)) == [0, 1, 2]


def test_remote_gen_streams_items_of_sync_and_async_generators() -> None:
    async def main() -> list[int]:
        return [x async for x in calling.count.remote_gen.aio(3)]

    assert list(calling.count.remote_gen(1000)) == list(range(1000))
    assert list(calling.count_async.remote_gen(1000)) == list(range(1000))
    assert list(calling.count.remote_gen(0)) == []
    assert asyncio.run(main()) == [0, 1, 2]


def test_the_wrong_way_to_call_is_refused_and_the_right_one_named() -> None:
    with pytest.raises(motet.exception.InvalidError, match="remote_gen"):
        calling.count.remote(3)
    with pytest.raises(motet.exception.InvalidError, match=r"\.remote\(\.\.\.\)"):
        list(calling.square.remote_gen(3))
    with pytest.raises(motet.exception.InvalidError, match="generator"):
        calling.count.spawn(3)
    with pytest.raises(motet.exception.InvalidError, match="generator"):
        list(calling.count.map([3]))
    with pytest.raises(TypeError):
        calling.square(3)  # type: ignore[operator]


def test_an_exception_is_raised_as_itself_with_the_remote_traceback_as_its_cause() -> None:
    with pytest.raises(ZeroDivisionError, match="division by zero") as caught:
        calling.divide.remote(1, 0)
    cause = caught.value.__cause__
    assert isinstance(cause, motet.exception.RemoteTraceback)
    assert "return a / b" in str(cause)
    assert "motet/runtime" not in str(cause)


def test_arguments_that_do_not_fit_raise_the_type_error_python_would_raise() -> None:
    with pytest.raises(TypeError, match=r"square\(\) missing 1 required positional argument"):
        calling.square.remote()  # type: ignore[call-arg]


def test_a_blocking_call_inside_a_running_loop_works_and_warns_at_the_callers_line() -> None:
    async def main() -> list[Any]:
        return [
            calling.square.remote(2),
            list(calling.square.map([2])),
            list(calling.square.starmap([(2,)])),
            list(calling.count.remote_gen(2)),
            calling.square.for_each([2]),
            calling.square.spawn(2).get(),
        ]

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        results = asyncio.run(main())
    assert results == [4, [4], [4], [0, 1], None, 4]
    usage = [it for it in caught if it.category is motet.exception.AsyncUsageWarning]
    assert [str(it.message).split("(")[0] for it in usage] == [
        f"`{name}" for name in ("remote", "map", "starmap", "remote_gen", "for_each", "spawn", "get")
    ]
    assert {it.filename for it in usage} == {__file__}


# --- spawned calls ----------------------------------------------------------------------------------------------------


def test_a_spawned_call_gives_its_result_to_whoever_asks_any_number_of_times() -> None:
    call = calling.square.spawn(9)
    assert call.object_id.startswith("fc-")
    assert [call.get(), call.get(timeout=0), motet.FunctionCall.from_id(call.object_id).get()] == [81, 81, 81]
    assert call.num_inputs() == 1


def test_get_with_timeout_raises_timeout_error_until_the_result_is_there(gate: Gate) -> None:
    call = calling.hold.spawn(gate.path, "a")
    with pytest.raises(builtins.TimeoutError, match=call.object_id):
        call.get(timeout=0)
    with pytest.raises(builtins.TimeoutError, match=r"0\.05 s"):
        call.get(timeout=0.05)
    gate.open()
    assert call.get(timeout=60) == "a"


def test_a_spawned_call_raises_what_the_function_raised_each_time_it_is_asked() -> None:
    call = calling.divide.spawn(1, 0)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            call.get()


def test_spawned_calls_work_in_async_code() -> None:
    async def main() -> tuple[Any, ...]:
        call = await calling.square.spawn.aio(3)
        many = await calling.square.experimental_spawn_map.aio(range(5))
        gathered = await motet.FunctionCall.gather.aio(call, many)
        return await call.get.aio(), [x async for x in many.iter.aio()], await many.num_inputs.aio(), gathered

    assert asyncio.run(main()) == (9, [0, 1, 4, 9, 16], 5, [9, 0])


def test_asking_for_a_call_that_is_not_known_or_is_no_call_says_so() -> None:
    with pytest.raises(motet.exception.NotFoundError, match="fc-unknown"):
        motet.FunctionCall.from_id("fc-unknown").get()
    with pytest.raises(motet.exception.InvalidError, match="in-1"):
        motet.FunctionCall.from_id("in-1")
    with pytest.raises(motet.exception.NotFoundError, match="no input 1"):
        calling.square.spawn(3).get(index=1)


def test_gather_gives_results_in_order_and_none_for_no_calls() -> None:
    calls = [calling.square.spawn(i) for i in range(5)]
    assert motet.FunctionCall.gather(*calls) == [0, 1, 4, 9, 16]
    assert motet.FunctionCall.gather() == []


def test_gather_raises_the_first_failure_at_once_and_the_others_keep_running(gate: Gate) -> None:
    slow = calling.hold.spawn(gate.path, "slow")
    gate.wait_held(1)
    with pytest.raises(ZeroDivisionError):
        motet.FunctionCall.gather(slow, calling.divide.spawn(1, 0))
    assert not gate.left
    gate.open()
    assert slow.get() == "slow"


def test_spawn_map_starts_everything_and_hands_out_nothing(gate: Gate) -> None:
    assert calling.hold.spawn_map([gate.path] * 5, range(5)) is None  # type: ignore[func-returns-value]
    gate.wait_held(5)
    gate.open()


def test_experimental_spawn_map_is_one_call_with_many_inputs() -> None:
    call = calling.square.experimental_spawn_map(range(250), kwargs={"plus": 1})
    assert call.num_inputs() == 250
    assert list(call.iter()) == [i * i + 1 for i in range(250)]
    assert list(call.iter(start=2, end=4)) == [5, 10]
    assert call.get(index=3) == 10
    with pytest.raises(ValueError, match="out of range"):
        list(call.iter(start=0, end=251))


def test_iter_hands_out_results_while_later_ones_are_not_there_yet(gate: Gate) -> None:
    call = calling.hold_first.experimental_spawn_map([gate.path] * 3, [1, 0, 2])
    results = call.iter()
    assert next(results) == 1
    gate.open()
    assert list(results) == [0, 2]


def test_cancelling_a_spawned_call_ends_it_and_no_other(gate: Gate) -> None:
    cancelled, other = calling.hold.spawn(gate.path, "cancelled"), calling.hold.spawn(gate.path, "other")
    gate.wait_held(2)
    cancelled.cancel()
    with pytest.raises(motet.exception.RemoteError, match="cancelled"):
        cancelled.get(timeout=60)
    wait_until(lambda: gate.left == ["cancelled"])
    gate.open()
    assert other.get() == "other"


# --- the pool ---------------------------------------------------------------------------------------------------------


def test_current_stats_count_what_waits_runs_and_is_free(gate: Gate) -> None:
    held = calling.hold.with_concurrency(max_inputs=3)
    calls = [held.spawn(gate.path, i) for i in range(4)]
    gate.wait_held(3)
    stats = held.get_current_stats()
    assert (stats.backlog, stats.num_running_inputs, stats.num_total_runners) == (1, 3, 1)
    assert stats.input_headroom == 0
    gate.open()
    assert motet.FunctionCall.gather(*calls) == [0, 1, 2, 3]
    assert held.get_current_stats().input_headroom == 3


def test_update_autoscaler_returns_the_settings_and_keeps_what_is_not_given() -> None:
    settings = calling.pid.update_autoscaler(max_containers=5)
    assert (settings.max_containers, settings.min_containers) == (5, 0)
    settings = calling.pid.update_autoscaler(min_containers=1)
    assert (settings.max_containers, settings.min_containers) == (5, 1)
    with pytest.raises(motet.exception.InvalidError, match="cannot be greater"):
        calling.pid.update_autoscaler(min_containers=6)
    assert calling.pid.update_autoscaler(min_containers=0).min_containers == 0


def test_with_options_has_a_pool_of_its_own_which_the_same_options_share() -> None:
    plain = calling.pid.remote()
    one = calling.pid.with_options(max_containers=1)
    assert one.remote() != plain
    assert calling.pid.with_options(max_containers=1).remote() == one.remote()
    assert calling.pid.with_concurrency(max_inputs=2).remote() not in (plain, one.remote())
    assert calling.pid.with_options(max_containers=1).with_options(timeout=100).remote() != one.remote()


# --- classes ----------------------------------------------------------------------------------------------------------


def test_methods_run_on_one_object_per_container_and_a_pool_per_parameter_set() -> None:
    ada, bob = Account(owner="ada", start=10), Account(owner="bob")
    assert ada.deposit.remote(5) == 15
    assert bob.deposit.remote(1) == 1
    assert ada.deposit_twice.remote(1) == 17
    owner, balance, pid = ada.describe.remote()
    assert (owner, balance) == ("ada", 17)
    assert bob.describe.remote()[2] != pid
    assert Account(owner="ada", start=10).describe.remote() == ("ada", 17, pid)
    assert list(ada.history.remote_gen(3)) == [17, 18, 19]
    assert ada.deposit.spawn(3).get() == 20
    assert ada.owner == "ada"


def test_local_methods_run_on_an_entered_object_here() -> None:
    local = Account(start=5)
    assert local.deposit.local(1) == 6
    assert local.deposit.local(1) == 7
    assert asyncio.run(local.describe.local())[:2] == ("nobody", 7)


def test_an_instances_pool_can_be_updated_but_not_through_a_method() -> None:
    assert Account().update_autoscaler(max_containers=2).max_containers == 2
    with pytest.raises(motet.exception.InvalidError, match="class instance"):
        Account().deposit.update_autoscaler(max_containers=2)


def test_wrong_parameters_are_refused_before_anything_runs() -> None:
    with pytest.raises(TypeError):
        Account(owner=3)
    with pytest.raises(TypeError):
        Account(nonsense="x")


# --- nested calls -----------------------------------------------------------------------------------------------------


def test_functions_call_functions_from_sync_code() -> None:
    assert calling.nested_sync.remote(4) == (16, [0, 1, 4, 9], [0, 1, 2, 3])


def test_functions_call_functions_from_async_code_also_of_included_apps() -> None:
    assert calling.nested_async.remote(4) == (8, [0, 1, 4, 9], [0, 1, 2, 3], 16)
    assert calling.twice.remote(4) == 8


def test_a_nested_failure_comes_through_as_itself_with_both_tracebacks() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        calling.nested_failure.remote()
    text = str(caught.value.__cause__)
    assert "return a / b" in text
    assert "divide.remote(1, 0)" in text


def test_handles_that_a_function_returns_know_their_running_app() -> None:
    function, model, thing, method, call, returned_app, queue = calling.handles.remote()
    assert returned_app is app
    assert queue.get() == "from there"
    assert function.remote(3) == 9
    assert function.local(3) == 9
    assert model(owner="handle", start=1).deposit.remote(1) == 2
    assert thing.deposit.remote(1) > 5
    assert method.remote(1) > 6
    assert call.get() == 16
    assert function.with_options(max_containers=1).remote(4) == 16


def test_handles_of_functions_and_calls_can_be_passed_to_containers() -> None:
    assert calling.collect.remote(calling.square.spawn(6)) == 36
    assert calling.call_given.remote(calling.square, 5) == 25
    assert calling.call_given.remote(Account(start=1).deposit, 5) == 6


# --- apps -------------------------------------------------------------------------------------------------------------


def test_an_app_cannot_be_started_inside_its_own_run() -> None:
    with pytest.raises(motet.exception.InvalidError, match="already running"), app.run():
        pass
    assert calling.square.remote(2) == 4


def test_a_function_of_an_app_that_does_not_run_says_how_to_run_it() -> None:
    other = motet.App("other")
    function = other.function(serialized=True)(lambda: 1)
    with pytest.raises(motet.exception.ExecutionError, match=r"app\.run\(\)"):
        function.remote()


def test_two_apps_run_at_once_and_end_on_their_own() -> None:
    other = motet.App("other")
    function = other.function(serialized=True)(lambda x: x + 1)
    with other.run():
        assert (function.remote(1), calling.square.remote(3)) == (2, 9)
    assert calling.square.remote(4) == 16
    with other.run():
        assert function.remote(2) == 3


def test_an_app_runs_in_async_code() -> None:
    other = motet.App("other")
    function = other.function(serialized=True)(lambda x: x + 1)

    async def main() -> int:
        async with other.run():
            return await function.remote.aio(1)

    assert asyncio.run(main()) == 2
