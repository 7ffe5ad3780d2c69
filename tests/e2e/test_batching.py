"""Dynamic batching in real containers: lists in, lists out, and what one member's fate means for the others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import motet
from motet.errors import ContainerDied, FunctionTimeoutError, InvalidError, RemoteError
from tests.e2e.conftest import Gate, assert_nothing_left, wait_until
from tests.e2e.programs import batching
from tests.e2e.programs.batching import Model, app


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[None]:
    with app.run():
        yield
    assert_nothing_left()


def test_inputs_of_several_calls_with_mixed_arguments_share_one_call() -> None:
    calls = [
        batching.together.spawn(1, 10),
        batching.together.spawn(2, y=20),
        batching.together.spawn(y=30, x=3),
        batching.together.spawn(4, 40),
    ]
    results = [call.get(timeout=60) for call in calls]
    assert [result[0] for result in results] == [11, 22, 33, 44]
    assert [result[1] for result in results] == [[1, 2, 3, 4]] * 4
    assert {result[2] for result in results} == {f"in-{calls[0].object_id[3:]}-0"}


def test_a_map_makes_full_batches_and_a_partial_one_after_the_window() -> None:
    assert list(batching.sizes.map(range(250))) == [100] * 200 + [50] * 50


def test_a_single_input_gets_lists_too() -> None:
    assert batching.sizes.remote("alone") == 1


def test_with_concurrent_several_batches_run_at_once_in_one_container(gate: Gate) -> None:
    calls = [batching.gated.spawn(name, gate.path) for name in "abcd"]
    gate.wait_held(2)
    stats = batching.gated.get_current_stats()
    assert (stats.num_total_runners, stats.num_running_inputs, stats.backlog) == (1, 4, 0)
    gate.open()
    assert motet.FunctionCall.gather(*calls) == ["A", "B", "C", "D"]


@pytest.mark.parametrize("name", ["gated", "gated_async", "gated_alone"])
def test_a_cancelled_member_leaves_its_batch_mate_its_result(name: str, gate: Gate) -> None:
    function = getattr(batching, name)
    first, second = function.spawn("a", gate.path), function.spawn("b", gate.path)
    gate.wait_held(1)
    first.cancel()
    with pytest.raises(RemoteError, match="cancelled"):
        first.get(timeout=60)
    gate.open()
    assert second.get(timeout=60) == "B"


@pytest.mark.parametrize("name", ["gated_async", "gated_alone"])
def test_a_batch_whose_members_are_all_cancelled_is_cancelled_in_the_container(name: str, gate: Gate) -> None:
    function = getattr(batching, name)
    calls = [function.spawn(it, gate.path) for it in "ab"]
    gate.wait_held(1)
    for call in calls:
        call.cancel()
    wait_until(lambda: gate.left == ["a+b"], "the batch to leave the closed gate")
    gate.open()
    assert list(function.map(["x", "y"], [gate.path] * 2)) == ["X", "Y"]


@pytest.mark.parametrize(
    ("what", "error", "text"),
    [
        ("no list", InvalidError, "Output of batched function wrong must be a list."),
        ("too long", InvalidError, "Output of batched function wrong must be a list of equal length as its inputs."),
        ("raise", KeyError, "'in the batch'"),
    ],
)
def test_what_goes_wrong_goes_wrong_for_every_member_and_the_container_lives(what: str, error: Any, text: str) -> None:
    pid = batching.wrong.remote("pid")
    caught = list(batching.wrong.map([what, what], return_exceptions=True))
    assert [type(it) for it in caught] == [error, error]
    assert [str(it) for it in caught] == [text, text]
    assert batching.wrong.remote("pid") == pid


def test_a_call_with_wrong_arguments_fails_alone_in_its_batch() -> None:
    function: Any = batching.wrong
    good, bad = function.spawn("pid"), function.spawn("pid", 2)
    with pytest.raises(InvalidError, match="takes 1 positional arguments, but this invocation has 2"):
        bad.get(timeout=60)
    assert isinstance(good.get(timeout=60), int)


def test_members_of_a_failed_batch_are_retried(tmp_path: Path) -> None:
    assert list(batching.fails_first.map(["a", "b"], [str(tmp_path)] * 2)) == ["a", "b"]


def test_a_batch_times_out_for_every_member() -> None:
    caught = list(batching.slow.map([1, 2], return_exceptions=True))
    assert [type(it) for it in caught] == [FunctionTimeoutError] * 2


def test_the_member_that_kills_containers_is_found_and_its_batch_mates_get_their_results() -> None:
    caught = list(batching.some_kill.map(["good", "killer", "kind"], return_exceptions=True))
    assert (caught[0], type(caught[1]), caught[2]) == ("good", ContainerDied, "kind")


def test_a_learned_window_does_not_keep_anybody_waiting_for_long() -> None:
    for n in range(20):
        assert batching.learned.remote(n) == 2 * n
    assert list(batching.learned.map(range(500))) == [2 * n for n in range(500)]


def test_a_method_of_a_class_is_batched() -> None:
    assert list(Model(factor=5).scale.map([1, 2, 3])) == [5, 10, 15]
    assert list(Model.with_batching(max_batch_size=1, wait_ms=0)().scale.map([1, 2])) == [2, 4]  # type: ignore[attr-defined]


def test_with_batching_has_a_pool_of_its_own() -> None:
    assert batching.sizes.with_batching(max_batch_size=3, wait_ms=30_000).map(range(6)).__next__() == 3
