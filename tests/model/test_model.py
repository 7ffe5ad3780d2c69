"""The nouns: what they refuse, and what they compute."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motet.errors import InvalidError
from motet.model import ids
from motet.model.function import FunctionSpec, FunctionVariant, ImportedDefinition
from motet.model.parameters import ParameterSpec
from motet.model.retries import RetryPolicy
from motet.model.scaling import AutoscalerSettings, AutoscalerUpdate, Concurrency

# --- ids --------------------------------------------------------------------------------------------------------------


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**ids.ENTROPY_BITS - 1))
def test_a_suffix_has_26_characters_of_an_alphabet_without_look_alikes(at_ms: int, entropy: int) -> None:
    assert re.fullmatch("[0-9a-hjkmnp-tv-z]{26}", ids.id_suffix(at_ms, entropy))


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**48 - 1), st.integers(0, 2**80 - 1), st.integers(0, 2**80 - 1))
def test_suffixes_sort_by_time(one: int, other: int, entropy: int, other_entropy: int) -> None:
    if one != other:
        assert (ids.id_suffix(one, entropy) < ids.id_suffix(other, other_entropy)) == (one < other)


@given(st.sets(st.integers(0, 2**40)))
def test_numbered_suffixes_are_unique(numbers: set[int]) -> None:
    assert len({ids.numbered_suffix("base", number) for number in numbers}) == len(numbers)


@given(st.text("0123456789abcdefghjkmnpqrstvwxyz-", min_size=1), st.integers(0, 10**9))
def test_an_input_id_names_its_call_and_index(suffix: str, index: int) -> None:
    assert ids.split_input_id(ids.input_id(f"fc-{suffix}", index)) == (f"fc-{suffix}", index)


@pytest.mark.parametrize("text", ["", "in-", "in-01hq", "fc-01hq-1", "in-01hq-x", "in-01hq--1 ", f"in-01hq-{10**18}"])
def test_what_is_no_input_id_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="not an input id; they look like 'in-"):
        ids.split_input_id(text)


# --- scaling ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("numbers", [(0, 0), (1, 0), (1, 2), (1001, 1), (-1, -1)])
def test_concurrency_out_of_bounds_is_refused_with_its_values(numbers: tuple[int, int]) -> None:
    most, target = numbers
    with pytest.raises(InvalidError, match=f"target_inputs={target}, max_inputs={most}"):
        Concurrency(max_inputs=most, target_inputs=target)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AutoscalerSettings(min_containers=-1), "must not be negative"),
        (lambda: AutoscalerSettings(buffer_containers=-1), "must not be negative"),
        (lambda: AutoscalerSettings(max_containers=0), "`max_containers` must be at least 1 or None, got 0"),
        (
            lambda: AutoscalerSettings(min_containers=5, max_containers=2),
            r"`min_containers` \(5\) cannot be greater than `max_containers` \(2\)",
        ),
        (lambda: AutoscalerSettings(scaledown_window=0), "`scaledown_window` must be > 0"),
    ],
)
def test_impossible_bounds_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(InvalidError, match=message):
        make()


def test_an_update_keeps_what_it_does_not_name() -> None:
    settings = AutoscalerSettings(min_containers=1, max_containers=4, buffer_containers=2, scaledown_window=30.0)
    changed = settings.updated(AutoscalerUpdate(min_containers=0))
    assert changed == msgspec.structs.replace(settings, min_containers=0)


@pytest.mark.parametrize("window", [0.0, 1.0, 3601.0, float("nan"), float("inf")])
def test_an_update_has_no_scaledown_window_that_a_function_may_not_be_declared_with(window: float) -> None:
    with pytest.raises(InvalidError, match="`scaledown_window` must be between 2 and 3600"):
        AutoscalerUpdate(scaledown_window=window)


def test_an_update_is_judged_as_a_whole() -> None:
    with pytest.raises(InvalidError, match="cannot be greater"):
        AutoscalerSettings(max_containers=4).updated(AutoscalerUpdate(min_containers=5))


# --- retries ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_retries": -1}, "Invalid retries number: -1"),
        ({"backoff_coefficient": 0.5}, "Invalid backoff_coefficient argument: 0.5"),
        ({"backoff_coefficient": 11.0}, "Invalid backoff_coefficient argument: 11.0"),
        ({"initial_delay": 61.0}, "Invalid initial_delay argument: 61.0"),
        ({"initial_delay": -1.0}, "Invalid initial_delay argument: -1.0"),
        ({"max_delay": 0.5}, "Invalid max_delay argument: 0.5"),
        ({"max_delay": 61.0}, "Invalid max_delay argument: 61.0"),
    ],
)
def test_impossible_retry_policies_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(InvalidError, match=message):
        RetryPolicy(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("policy", "delays"),
    [
        (RetryPolicy(max_retries=3), [1.0, 1.0, 1.0]),
        (RetryPolicy(max_retries=3, initial_delay=2.0, backoff_coefficient=3.0), [2.0, 6.0, 18.0]),
        (RetryPolicy(max_retries=3, initial_delay=10.0, backoff_coefficient=4.0, max_delay=50.0), [10.0, 40.0, 50.0]),
        (RetryPolicy(max_retries=2, initial_delay=0.0), [0.0, 0.0]),
    ],
)
def test_waits_before_retries(policy: RetryPolicy, delays: list[float]) -> None:
    assert [policy.delay_before(retry) for retry in range(1, len(delays) + 1)] == delays


# --- functions and their variants -------------------------------------------------------------------------------------

SPEC = FunctionSpec(
    name="f",
    app_name="app",
    definition=ImportedDefinition(module="m", qualname="f"),
    autoscaler=AutoscalerSettings(max_containers=4),
    env={"A": "1", "B": "1"},
)


def test_a_variant_changes_what_it_names_and_nothing_else() -> None:
    varied = SPEC.varied(
        FunctionVariant(
            concurrency=Concurrency(max_inputs=9, target_inputs=5),
            autoscaler_changes=AutoscalerUpdate(buffer_containers=1),
            env={"B": "2"},
        )
    )
    assert varied == msgspec.structs.replace(
        SPEC,
        concurrency=Concurrency(max_inputs=9, target_inputs=5),
        autoscaler=AutoscalerSettings(max_containers=4, buffer_containers=1),
        env={"A": "1", "B": "2"},
    )


def test_an_empty_variant_changes_nothing() -> None:
    assert SPEC.varied(FunctionVariant()) == SPEC


def test_of_two_variants_the_later_wins_field_by_field() -> None:
    first = FunctionVariant(timeout=5.0, autoscaler_changes=AutoscalerUpdate(min_containers=1, buffer_containers=1))
    later = FunctionVariant(timeout=9.0, autoscaler_changes=AutoscalerUpdate(buffer_containers=2))
    assert first.merged(later) == FunctionVariant(
        timeout=9.0, autoscaler_changes=AutoscalerUpdate(min_containers=1, buffer_containers=2)
    )
    assert first.merged(FunctionVariant()) == first
    assert FunctionVariant().merged(first) == first


def test_variants_with_equal_changes_are_equal() -> None:
    assert FunctionVariant(timeout=5.0) == FunctionVariant().merged(FunctionVariant(timeout=5.0))


@pytest.mark.parametrize(
    ("parameters", "given", "has_pool"),
    [
        ((), None, True),
        ((ParameterSpec(name="x", type_name="int"),), None, False),
        ((ParameterSpec(name="x", type_name="int"),), b"pickled", True),
    ],
)
def test_only_instances_of_a_parametrised_class_have_a_pool(
    parameters: tuple[ParameterSpec, ...], given: bytes | None, has_pool: bool
) -> None:
    assert msgspec.structs.replace(SPEC, parameters=parameters, parameters_given=given).has_pool is has_pool
