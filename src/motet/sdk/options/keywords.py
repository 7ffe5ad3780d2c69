"""Keywords of `@app.function`, `@app.cls` and `with_options` as the fields of a `FunctionSpec`: all checks of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict, Unpack

from motet.errors import InvalidError
from motet.model.function import DEFAULT_TIMEOUT, FunctionVariant, ImageSpec, Resources
from motet.model.hidden import hides_secrets
from motet.model.retries import RetryPolicy
from motet.model.scaling import AutoscalerSettings, AutoscalerUpdate, Concurrency
from motet.sdk.options import resources as resource_options
from motet.sdk.options.checks import check_bool, is_number, type_name
from motet.sdk.options.image import Image
from motet.sdk.options.legacy_names import renamed, single_use_from_max_inputs, take_allow_concurrent_inputs
from motet.sdk.options.resources import resources_from
from motet.sdk.options.retries import Retries, retry_policy_from
from motet.sdk.options.scaling import autoscaler_settings_from, autoscaler_update_from, concurrency_from
from motet.sdk.options.secret import Secret, merged_env
from motet.sdk.options.service import ServiceOptions, service_options_from
from motet.sdk.options.unavailable import refuse_unavailable, warn_without_effect

__all__ = [
    "ClassOptions",
    "FunctionOptions",
    "ReadOptions",
    "VariantOptions",
    "autoscaler_update_from",
    "concurrency_from",
    "read_options",
    "refuse_unknown",
    "variant_from_options",
]

MAX_TIMEOUT = 86400.0


class VariantOptions(TypedDict, total=False):
    """What `with_options` can change of a function or class. Leaving a keyword out, or None, changes nothing."""

    cpu: float | tuple[float, float] | None  # cores, or (request, limit)
    memory: int | tuple[int, int] | None  # MiB, or (request, limit)
    gpu: str | list[str] | None  # a kind such as "H100" or "A100:2"; a list is in order of preference
    env: Mapping[str, str | None] | None
    secrets: Sequence[Secret] | None
    volumes: Mapping[Any, Any] | None
    retries: int | Retries | None
    min_containers: int | None
    max_containers: int | None
    buffer_containers: int | None  # idle ones on top of demand while the function is active
    scaledown_window: float | None  # seconds a container may be idle, 2 to 3600
    timeout: float | None  # seconds per attempt, up to 24 hours
    cloud: str | None
    region: str | Sequence[str] | None
    routing_region: str | None
    # Deprecated names.
    allow_concurrent_inputs: int | None
    concurrency_limit: int | None
    keep_warm: int | None
    container_idle_timeout: float | None


class ClassOptions(VariantOptions, total=False):
    """The keywords of `@app.cls`."""

    image: Image | None
    serialized: bool  # the code travels by value (cloudpickle) instead of being imported in the container
    network_file_systems: Mapping[Any, Any] | None
    ephemeral_disk: int | None
    proxy: Any
    startup_timeout: float | None  # seconds for imports and enter hooks; `timeout` if not given
    nonpreemptible: bool
    enable_memory_snapshot: bool
    block_network: bool
    restrict_modal_access: bool
    single_use_containers: bool  # a container ends after one input
    queue_timeout: float | None  # seconds an input may wait for its first attempt; None: as long as it takes
    max_waiting_inputs: int | None  # None: 2,000, or 1,000,000 of spawned calls
    cancellation_grace: float | None  # seconds a cancelled input has to end before its container is given up; 10
    sync_cancellation: Literal["input", "container"] | None  # what cancelling a sync input among others ends
    i6pn: bool | None
    include_source: bool | None
    experimental_options: Mapping[str, Any] | None
    max_inputs: int | None  # deprecated: only 1, which is `single_use_containers=True`


class FunctionOptions(ClassOptions, total=False):
    """The keywords of `@app.function`."""

    name: str | None
    is_generator: bool | None  # None: looked up from the function
    schedule: Any


@hides_secrets
@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """Keywords after all checks that need no function. `legacy_concurrency` comes of `allow_concurrent_inputs`."""

    autoscaler: AutoscalerSettings
    timeout: float
    startup_timeout: float
    retries: object
    env: dict[str, str]
    resources: Resources
    image: ImageSpec
    single_use_containers: bool
    service: ServiceOptions
    serialized: bool
    legacy_concurrency: Concurrency | None

    def concurrency(self, decorated: Concurrency | None) -> Concurrency:
        """What holds, given what `@motet.concurrent` says (None: it is not there)."""
        if decorated is not None and self.legacy_concurrency is not None:
            raise InvalidError(
                "`allow_concurrent_inputs` and `@motet.concurrent` are both given. Keep `@motet.concurrent`."
            )
        return decorated or self.legacy_concurrency or Concurrency()

    def retry_policy(self, name: str, *, is_generator: bool = False) -> RetryPolicy:
        """The retries of function `name`. Raises `InvalidError`, also for a generator that asks for any."""
        policy = retry_policy_from(self.retries, name)
        if is_generator and policy.max_retries:
            raise InvalidError("Generator Functions do not support retries.")
        return policy


def refuse_unknown(where: str, options: Mapping[str, Any], known: frozenset[str]) -> None:
    """Raises the `TypeError` that Python would for a keyword `where` does not have."""
    for name in options:
        if name not in known:
            raise TypeError(f"{where}() got an unexpected keyword argument {name!r}")


def read_options(
    options: Mapping[str, Any], *, app_image: Image | None = None, app_secrets: Sequence[Secret] = ()
) -> ReadOptions:
    """The keywords of a decorator, checked; the app's image and secrets are the defaults. Raises `InvalidError`,
    or `UnimplementedError` for what this version cannot do."""
    given = renamed(options)
    legacy_concurrency = take_allow_concurrent_inputs(given)
    refuse_unavailable(given)
    warn_without_effect(given)
    image = _image_spec(given.get("image"), app_image)
    timeout = _checked_timeout("timeout", given.get("timeout", DEFAULT_TIMEOUT))
    startup_timeout = given.get("startup_timeout")
    single_use = single_use_from_max_inputs(given.get("max_inputs"))
    return ReadOptions(
        autoscaler=autoscaler_settings_from(given),
        timeout=timeout,
        startup_timeout=timeout if startup_timeout is None else _checked_timeout("startup_timeout", startup_timeout),
        retries=given.get("retries"),
        env=merged_env(app_secrets, None) | merged_env(given.get("secrets") or (), given.get("env")),
        resources=resources_from(given),
        image=image,
        single_use_containers=check_bool("single_use_containers", given.get("single_use_containers", False))
        or single_use,
        service=service_options_from(given, MAX_TIMEOUT),
        serialized=check_bool("serialized", given.get("serialized", False)),
        legacy_concurrency=legacy_concurrency,
    )


def variant_from_options(
    *,
    onto: Resources = Resources(),  # noqa: B008 - frozen
    is_generator: bool = False,
    **options: Unpack[VariantOptions],
) -> FunctionVariant:
    """What `with_options` changes. `onto`: the resources so far, of which those not given stay. Raises as the decorator."""
    refuse_unknown("with_options", options, VariantOptions.__optional_keys__)
    given = renamed(options)
    concurrency = take_allow_concurrent_inputs(given)
    refuse_unavailable(given)
    warn_without_effect(given)
    env = merged_env(given.get("secrets") or (), given.get("env"))
    timeout, retries = given.get("timeout"), given.get("retries")
    policy = None if retries is None else retry_policy_from(retries, "")
    if is_generator and policy is not None and policy.max_retries:
        raise InvalidError("Generator Functions do not support retries.")
    return FunctionVariant(
        concurrency=concurrency,
        autoscaler_changes=_autoscaler_changes(given),
        timeout=None if timeout is None else _checked_timeout("timeout", timeout),
        retries=policy,
        env=env or None,
        resources=resources_from(given, onto) if any(given.get(it) for it in resource_options.KEYWORDS) else None,
    )


def _autoscaler_changes(given: Mapping[str, Any]) -> AutoscalerUpdate | None:
    names = ("min_containers", "max_containers", "buffer_containers", "scaledown_window")
    update = autoscaler_update_from(*(given.get(name) for name in names))
    return None if update == AutoscalerUpdate() else update


def _image_spec(image: Any, app_image: Image | None) -> ImageSpec:
    chosen = app_image if image is None else image
    if chosen is None:
        return ImageSpec()
    if not isinstance(chosen, Image):
        raise InvalidError(f"`image=` has to be a `motet.Image` object, not {type_name(chosen)}")
    return chosen.spec


def _checked_timeout(name: str, value: Any) -> float:
    if value is None:
        raise InvalidError(
            f"The `{name}` parameter cannot be set to None: give the seconds an attempt may take, up to {MAX_TIMEOUT:.0f}."
        )
    if not is_number(value):
        raise InvalidError(f"The `{name}` parameter must be a number of seconds, got {value!r}.")
    if not 0 < value <= MAX_TIMEOUT:
        raise InvalidError(
            f"The `{name}` parameter must be greater than 0 and at most {MAX_TIMEOUT:.0f} seconds, got {value}."
        )
    return float(value)
