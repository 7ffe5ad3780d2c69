"""The keywords that say how many inputs a container takes and how many containers there are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from motet.errors import InvalidError
from motet.model.scaling import (
    DEFAULT_SCALEDOWN_WINDOW,
    MAX_INPUTS_LIMIT,
    MAX_SCALEDOWN_WINDOW,
    MIN_SCALEDOWN_WINDOW,
    AutoscalerSettings,
    AutoscalerUpdate,
    Concurrency,
)
from motet.sdk.options.checks import is_int, is_number, type_name


def concurrency_from(
    max_inputs: Any, target_inputs: Any = None, slo_p95: Any = None, *, decorator: str = "@motet.concurrent()"
) -> Concurrency:
    """These keywords as a value. A target of None or 0 is unset: the target is then the maximum.

    Raises `TypeError` when `max_inputs` is missing (`decorator` names what it is missing from), else `InvalidError`.
    """
    if max_inputs is None:
        raise TypeError(f"`{decorator}` missing required argument: `max_inputs`.")
    most = _checked_max_inputs(max_inputs, "max_inputs")
    if target_inputs == "auto":
        return Concurrency(max_inputs=most, target_inputs="auto", slo_p95=_checked_slo(slo_p95))
    if slo_p95 is not None:
        raise InvalidError(f'The `slo_p95` argument goes only with target_inputs="auto", got {target_inputs!r}.')
    target = _checked_target_inputs(target_inputs)
    if target > most:
        raise InvalidError("`target_inputs` parameter cannot be greater than `max_inputs`.")
    return Concurrency(max_inputs=most, target_inputs=target or most)


def legacy_concurrency_from(allow_concurrent_inputs: Any) -> Concurrency:
    """What `allow_concurrent_inputs=n` means: `max_inputs=n` and no target."""
    most = _checked_max_inputs(allow_concurrent_inputs, "allow_concurrent_inputs")
    return Concurrency(max_inputs=most, target_inputs=most)


def _checked_max_inputs(value: Any, name: str) -> int:
    if not is_int(value):
        raise InvalidError(f"The `{name}` argument must be an integer, got {value!r} ({type_name(value)}).")
    if not 1 <= value <= MAX_INPUTS_LIMIT:
        raise InvalidError(f"The `{name}` argument must be between 1 and {MAX_INPUTS_LIMIT}, got {value}.")
    return int(value)


def _checked_slo(value: Any) -> float | None:
    if value is None:
        return None
    if not is_number(value) or value <= 0:
        raise InvalidError(f"The `slo_p95` argument must be a number of seconds above 0, got {value!r}.")
    return float(value)


def _checked_target_inputs(value: Any) -> int:
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidError(f"The `target_inputs` argument must be a number, not {type_name(value)}.")
    if not math.isfinite(value):
        raise InvalidError(f"The `target_inputs` argument must be finite, not {value}.")
    if value != int(value):
        raise InvalidError(
            "The `target_inputs` argument must be an integer; fractional values are only supported for Servers."
        )
    if value < 0:
        raise InvalidError("The `target_inputs` argument must be non-negative.")
    return int(value)


def autoscaler_settings_from(options: Mapping[str, Any]) -> AutoscalerSettings:
    """The autoscaler keywords among `options` as settings; absent ones have their defaults."""
    window = _checked_window(options.get("scaledown_window"))
    return AutoscalerSettings(
        min_containers=_checked_count("min_containers", options.get("min_containers")) or 0,
        # 0 means "no limit of its own", as it does in Modal.
        max_containers=_checked_count("max_containers", options.get("max_containers")) or None,
        buffer_containers=_checked_count("buffer_containers", options.get("buffer_containers")) or 0,
        scaledown_window=DEFAULT_SCALEDOWN_WINDOW if window is None else window,
    )


def autoscaler_update_from(
    min_containers: Any = None, max_containers: Any = None, buffer_containers: Any = None, scaledown_window: Any = None
) -> AutoscalerUpdate:
    """A partial change. None, and a `max_containers` of 0, leave what is there; `InvalidError` for what cannot be."""
    least = _checked_count("min_containers", min_containers)
    most = _checked_count("max_containers", max_containers) or None
    if least is not None and most is not None:
        AutoscalerSettings(min_containers=least, max_containers=most)
    return AutoscalerUpdate(
        min_containers=least,
        max_containers=most,
        buffer_containers=_checked_count("buffer_containers", buffer_containers),
        scaledown_window=_checked_window(scaledown_window),
    )


def _checked_count(name: str, value: Any) -> int | None:
    if value is None:
        return None
    if not is_int(value):
        raise InvalidError(f"`{name}` must be an int, not {type_name(value)}")
    if value < 0:
        raise InvalidError(f"`{name}` must not be negative, got {value}")
    return int(value)


def _checked_window(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidError(f"`scaledown_window` must be a number of seconds, not {type_name(value)}")
    if not is_number(value) or not MIN_SCALEDOWN_WINDOW <= value <= MAX_SCALEDOWN_WINDOW:
        raise InvalidError(
            f"`scaledown_window` must be between {MIN_SCALEDOWN_WINDOW:.0f} and {MAX_SCALEDOWN_WINDOW:.0f} (inclusive)"
        )
    return float(value)
