"""Values of keywords, checked: each function gets a keyword and its value, and gives the value of the field.

All raise `InvalidError` that names the keyword, what it was, and what it may be.
"""

from __future__ import annotations

import math
import re
from typing import Any, Literal

from motet.errors import InvalidError
from motet.model.function import DeliveryPolicy, SyncCancellation
from motet.model.gpu import GpuRequest
from motet.model.image import ImageSpec
from motet.model.isolation import LEAST_CPU, LEAST_MEMORY_MIB, Isolation
from motet.model.scaling import MAX_INPUTS_LIMIT, MAX_SCALEDOWN_WINDOW, MIN_SCALEDOWN_WINDOW, Concurrency
from motet.sdk.options.checks import is_int, is_number, type_name
from motet.sdk.options.image import Image
from motet.sdk.options.secret import checked_env, merged_env

MAX_TIMEOUT = 86400.0
MAX_WAITING_INPUTS = 10_000_000
MAX_LABEL = 63
HTTP_METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE")


def later(_: str, value: Any) -> Any:
    """What can be checked only when more is known."""
    return value


# --- how a pool scales ------------------------------------------------------------------------------------------------


def count(name: str, value: Any) -> int:
    if not is_int(value):
        raise InvalidError(f"`{name}` must be an int, not {type_name(value)}")
    if value < 0:
        raise InvalidError(f"`{name}` must not be negative, got {value}")
    return int(value)


def limit(name: str, value: Any) -> int | None:
    """A number of containers, of which 0 means "no limit of its own", as it does in Modal."""
    return count(name, value) or None


def window(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidError(f"`{name}` must be a number of seconds, not {type_name(value)}")
    if not is_number(value) or not MIN_SCALEDOWN_WINDOW <= value <= MAX_SCALEDOWN_WINDOW:
        raise InvalidError(
            f"`{name}` must be between {MIN_SCALEDOWN_WINDOW:.0f} and {MAX_SCALEDOWN_WINDOW:.0f} (inclusive)"
        )
    return float(value)


# --- how many inputs a container takes --------------------------------------------------------------------------------


def max_inputs(name: str, value: Any) -> int:
    if not is_int(value):
        raise InvalidError(f"The `{name}` argument must be an integer, got {value!r} ({type_name(value)}).")
    if not 1 <= value <= MAX_INPUTS_LIMIT:
        raise InvalidError(f"The `{name}` argument must be between 1 and {MAX_INPUTS_LIMIT}, got {value}.")
    return int(value)


def target_inputs(name: str, value: Any) -> int | Literal["auto"]:
    """Those that the autoscaler provides for; 0: as many as there may be."""
    if value == "auto":
        return "auto"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidError(f"The `{name}` argument must be a number, not {type_name(value)}.")
    if not math.isfinite(value):
        raise InvalidError(f"The `{name}` argument must be finite, not {value}.")
    if value != int(value):
        raise InvalidError(
            f"The `{name}` argument must be an integer; fractional values are only supported for Servers."
        )
    if value < 0:
        raise InvalidError(f"The `{name}` argument must be non-negative.")
    return int(value)


def slo(name: str, value: Any) -> float:
    if not is_number(value) or value <= 0:
        raise InvalidError(f"The `{name}` argument must be a number of seconds above 0, got {value!r}.")
    return float(value)


def concurrent_inputs(name: str, value: Any) -> Concurrency:
    """What `allow_concurrent_inputs=n` means: `max_inputs=n` and no target."""
    most = max_inputs(name, value)
    return Concurrency(max_inputs=most, target_inputs=most)


def single_use(name: str, value: Any) -> bool:
    """What `max_inputs` of `@app.function` means: containers that take one input and end. Only 1 is allowed."""
    if not is_int(value):
        raise InvalidError(f"`{name}` must be an int, not {type_name(value)}")
    if value < 1:
        raise InvalidError(f"`{name}` must be positive")
    if value != 1:
        raise InvalidError(
            f"Only `{name}=1` is currently supported. To run many inputs at once in a container, use the "
            f"decorator `@motet.concurrent(max_inputs={value})`."
        )
    return True


def batch_size(name: str, value: Any) -> int:
    """Inputs in a batch. Its range is `Batching`'s to check."""
    if not is_int(value):
        raise InvalidError(f"{name} must be a positive integer.")
    return int(value)


def wait_ms(name: str, value: Any) -> int | Literal["auto"]:
    """Milliseconds that a batch waits. Their range is `Batching`'s to check."""
    if value == "auto":
        return "auto"
    if not is_int(value):
        raise InvalidError(f"{name} must be a non-negative integer.")
    return int(value)


# --- time and patience ------------------------------------------------------------------------------------------------


def timeout(name: str, value: Any) -> float:
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


def seconds(name: str, value: Any) -> float:
    if not is_number(value) or not 0 < value <= MAX_TIMEOUT:
        raise InvalidError(
            f"`{name}` must be a number of seconds, more than 0 and at most {MAX_TIMEOUT:.0f}, got {value!r}"
        )
    return float(value)


def waiting_inputs(name: str, value: Any) -> int:
    if not is_int(value) or not 1 <= value <= MAX_WAITING_INPUTS:
        raise InvalidError(f"`{name}` must be an int between 1 and {MAX_WAITING_INPUTS}, got {value!r}")
    return int(value)


def sync_cancellation(name: str, value: Any) -> SyncCancellation:
    match value:
        case "input" | "container":
            return value  # type: ignore[no-any-return]
    raise InvalidError(
        f'`{name}` must be "input" (only the cancelled input ends) or "container" '
        f"(its container ends, too, and the other inputs run elsewhere), got {value!r}"
    )


def delivery(name: str, value: Any) -> DeliveryPolicy:
    match value:
        case "at_least_once" | "at_most_once":
            return value  # type: ignore[no-any-return]
    raise InvalidError(
        f'`{name}` must be "at_least_once" (an input whose container dies runs again) or "at_most_once" '
        f"(it fails with MayHaveRun), got {value!r}"
    )


# --- what a container asks of its host --------------------------------------------------------------------------------


def cpu(name: str, value: Any) -> float | tuple[float, float]:
    request, most = _request_and_limit(name, value)
    for each in (request, most):
        if not is_number(each) or each <= 0:
            raise InvalidError(
                f"`{name}` must be a positive number of cores or a tuple (request, limit), got {value!r}"
            )
    _check_order(name, request, most)
    if isinstance(value, tuple) and most < LEAST_CPU:
        raise InvalidError(
            f"`{name}` limit ({most:g}) is below {LEAST_CPU:g} cores, with which Python does not start in time"
        )
    return (float(request), float(most)) if isinstance(value, tuple) else float(value)


def memory(name: str, value: Any) -> int | tuple[int, int]:
    request, most = _request_and_limit(name, value)
    for each in (request, most):
        if not is_int(each) or each <= 0:
            raise InvalidError(f"`{name}` must be a positive int (MiB) or a tuple (request, limit), got {value!r}")
    _check_order(name, request, most)
    if isinstance(value, tuple) and most < LEAST_MEMORY_MIB:
        raise InvalidError(
            f"`{name}` limit ({most} MiB) is below {LEAST_MEMORY_MIB} MiB, which a container takes before it runs any code"
        )
    return (request, most) if isinstance(value, tuple) else request


def disk(name: str, value: Any) -> int:
    if not is_int(value) or value <= 0:
        raise InvalidError(f"`{name}` must be a positive int (MiB), got {value!r}")
    return int(value)


def _request_and_limit(name: str, value: Any) -> tuple[Any, Any]:
    if not isinstance(value, tuple):
        return value, value
    if len(value) != 2:
        raise InvalidError(f"`{name}` takes one number or a tuple (request, limit), got {value!r}")
    return value


def _check_order(name: str, request: float, most: float) -> None:
    if request > most:
        raise InvalidError(f"`{name}` request ({request}) cannot be greater than its limit ({most})")


def gpu(name: str, value: Any) -> tuple[GpuRequest, ...]:
    """Kinds, in order of preference."""
    kinds = [value] if isinstance(value, str) else value
    if not isinstance(kinds, list | tuple) or not all(isinstance(kind, str) for kind in kinds):
        raise InvalidError(
            f'`{name}` must be a str or a list of str, such as "H100" or ["H100", "A100:2"], got {value!r}'
        )
    return tuple(GpuRequest.parse(kind) for kind in kinds)


def isolation(name: str, value: Any) -> Isolation:
    match value:
        case "process" | "bubblewrap" | "oci":
            return value  # type: ignore[no-any-return]
    raise InvalidError(
        f'`{name}` must be "process" (containers are processes of the server\'s user), "bubblewrap" (with walls around them, '
        f'made by bwrap) or "oci" (in a container engine), got {value!r}'
    )


def image(name: str, value: Any) -> ImageSpec:
    if not isinstance(value, Image):
        raise InvalidError(f"`{name}=` has to be a `motet.Image` object, not {type_name(value)}")
    return value.spec


# --- what its containers have -----------------------------------------------------------------------------------------


def env(name: str, value: Any) -> dict[str, str]:
    return checked_env(f"`{name}`", value)


def secrets(name: str, value: Any) -> dict[str, str]:
    """The environment variables of secrets, later ones winning."""
    return merged_env(value)


def name(keyword: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidError(f"Invalid value for `{keyword}`: Must be string, and not empty; got {value!r}.")
    return value


# --- how requests reach it --------------------------------------------------------------------------------------------


def label(name: str, value: Any) -> str:
    if (
        not isinstance(value, str)
        or len(value) > MAX_LABEL
        or not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", value)
    ):
        raise InvalidError(
            f"`{name}` becomes a part of a host name: up to {MAX_LABEL} lower-case letters, digits and dashes; got {value!r}"
        )
    return value


def host_names(name: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not all(isinstance(it, str) and it for it in value):
        raise InvalidError(f"`{name}` has to be a list of host names, got {value!r}")
    return tuple(value)


def http_method(name: str, value: Any) -> str:
    """A method of HTTP, in whatever case."""
    if not isinstance(value, str) or value.upper() not in HTTP_METHODS:
        raise InvalidError(f"`{name}` must be one of {', '.join(HTTP_METHODS)}; got {value!r}")
    return value.upper()


def server_startup(name: str, value: Any) -> float:
    if not is_number(value) or value <= 0:
        raise InvalidError(f"The `{name}` argument of `@web_server` must be positive.")
    return float(value)
