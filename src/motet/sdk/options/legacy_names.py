"""Old keyword names: they work, and say what they are called now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from motet.context.notices import warn_user
from motet.errors import DeprecationError, InvalidError
from motet.model.scaling import Concurrency
from motet.sdk.options.checks import is_int, type_name
from motet.sdk.options.scaling import legacy_concurrency_from

RENAMED = {
    "concurrency_limit": "max_containers",
    "keep_warm": "min_containers",
    "container_idle_timeout": "scaledown_window",
}


def renamed(options: Mapping[str, Any]) -> dict[str, Any]:
    """`options` under today's names. Warns for each old one; `InvalidError` if the new one is given as well."""
    result = dict(options)
    for old, new in RENAMED.items():
        if (value := result.pop(old, None)) is None:
            continue
        if result.get(new) is not None:
            raise InvalidError(f"`{old}` is the old name of `{new}`; both were given. Keep `{new}`.")
        warn_user(DeprecationError(f"The '{old}' parameter has been renamed to '{new}'."))
        result[new] = value
    return result


def take_allow_concurrent_inputs(options: dict[str, Any]) -> Concurrency | None:
    """Removes `allow_concurrent_inputs` from `options` and gives what it means, with a warning; None if it is not there."""
    value = options.pop("allow_concurrent_inputs", None)
    if value is None:
        return None
    warn_user(
        DeprecationError(
            "The 'allow_concurrent_inputs' parameter is deprecated. Use the '@motet.concurrent' decorator instead."
        )
    )
    return legacy_concurrency_from(value)


def single_use_from_max_inputs(max_inputs: Any) -> bool:
    """What the keyword `max_inputs` of `@app.function` means: containers that take one input and end. Only 1 is allowed."""
    if max_inputs is None:
        return False
    if not is_int(max_inputs):
        raise InvalidError(f"`max_inputs` must be an int, not {type_name(max_inputs)}")
    if max_inputs < 1:
        raise InvalidError("`max_inputs` must be positive")
    if max_inputs != 1:
        raise InvalidError(
            "Only `max_inputs=1` is currently supported. To run many inputs at once in a container, use the "
            f"decorator `@motet.concurrent(max_inputs={max_inputs})`."
        )
    warn_user(DeprecationError("The 'max_inputs' parameter is deprecated. Use 'single_use_containers=True' instead."))
    return True
