"""What keywords gave, as specifications: of a function, and of what is changed of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from motet.errors import InvalidError
from motet.model.function import FunctionVariant, Resources
from motet.model.scaling import AutoscalerSettings, AutoscalerUpdate, Batching, Concurrency
from motet.sdk.options.keyword import Given, read, refuse_unknown
from motet.sdk.options.keywords import AUTOSCALER, BATCHING, CONCURRENCY, VARIANT
from motet.sdk.options.retries import retry_policy_from

NO_RETRIES_OF_GENERATORS = "Generator Functions do not support retries."


def spec_fields(given: Given, function: str, *, decorated: Concurrency | None) -> dict[str, Any]:
    """The fields of a `FunctionSpec`. `decorated`: what `@motet.concurrent` said. Raises `InvalidError`."""
    fields = given.of()
    if decorated is not None:
        if "concurrency" in fields:
            raise InvalidError(
                "`allow_concurrent_inputs` and `@motet.concurrent` are both given. Keep `@motet.concurrent`."
            )
        fields["concurrency"] = decorated
    if "timeout" in fields:
        # As in Modal: one number is for both, until somebody gives two.
        fields.setdefault("startup_timeout", fields["timeout"])
    if "retries" in fields:
        fields["retries"] = retry_policy_from(fields["retries"], function)
    if fields.get("memory_snapshot") and (level := fields.get("isolation")) in ("bubblewrap", "oci"):
        raise InvalidError(
            f'{function}: enable_memory_snapshot=True has no effect with isolation="{level}": containers are forked from a '
            "process in which no code of theirs may run. Leave one of them out."
        )
    fields["autoscaler"] = AutoscalerSettings(**given.of("autoscaler"))
    fields["resources"] = Resources(**given.of("resources"))
    return fields


def variant_from(options: Mapping[str, Any], *, onto: Resources, is_generator: bool = False) -> FunctionVariant:
    """What `with_options` changes. `onto`: the resources so far, of which those not given stay. Raises as the decorator."""
    given = read("with_options", {name: it for name, it in options.items() if it is not None}, VARIANT)
    fields = given.of()
    if "retries" in fields:
        fields["retries"] = policy = retry_policy_from(fields["retries"], "")
        if is_generator and policy.max_retries:
            raise InvalidError(NO_RETRIES_OF_GENERATORS)
    # An empty one would be a variant, with a pool of its own, that differs in nothing.
    if not fields.get("env"):
        fields.pop("env", None)
    change, resources = autoscaler_update(given), given.of("resources")
    return FunctionVariant(
        **fields,
        autoscaler_changes=None if change == AutoscalerUpdate() else change,
        resources=replace(onto, **resources) if resources else None,
    )


def update_from(options: Mapping[str, Any]) -> AutoscalerUpdate:
    """What `update_autoscaler` changes. Raises `InvalidError`."""
    return autoscaler_update(read("update_autoscaler", options, AUTOSCALER))


def autoscaler_update(given: Given) -> AutoscalerUpdate:
    """A partial change; a `max_containers` of 0 leaves what is there. Raises `InvalidError` for what cannot be."""
    change = AutoscalerUpdate(**given.of("autoscaler"))
    if change.min_containers is not None and change.max_containers is not None:
        AutoscalerSettings(min_containers=change.min_containers, max_containers=change.max_containers)
    return change


def concurrency_from(options: Mapping[str, Any], where: str, shown: str) -> Concurrency:
    """Inputs at once as `where` was told; `shown` is how that is written. A target of None or 0 is the maximum.

    Raises `TypeError` for an unknown keyword and when `max_inputs` is missing, else `InvalidError`.
    """
    refuse_unknown(where, options, CONCURRENCY)  # first: a misspelled `max_inputs` is missing, too
    if options.get("max_inputs") is None:
        raise TypeError(f"`{shown}` missing required argument: `max_inputs`.")
    fields = read(where, options, CONCURRENCY).of()
    target = fields.get("target_inputs", 0)
    if target != "auto":
        if "slo_p95" in fields:
            raise InvalidError(
                f'The `slo_p95` argument goes only with target_inputs="auto", got {options.get("target_inputs")!r}.'
            )
        if target > fields["max_inputs"]:
            raise InvalidError("`target_inputs` parameter cannot be greater than `max_inputs`.")
        fields["target_inputs"] = target or fields["max_inputs"]
    return Concurrency(**fields)


def batching_from(options: Mapping[str, Any], where: str) -> Batching:
    """How inputs are batched, as `where` was told. Raises `TypeError` for what is missing, else `InvalidError`."""
    return Batching(**read(where, options, BATCHING).of())
