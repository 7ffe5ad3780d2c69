"""The keywords that say what a container asks of its host: `cpu`, `memory`, `gpu`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from motet.errors import InvalidError
from motet.model.function import Resources
from motet.model.gpu import GpuRequest
from motet.sdk.options.checks import is_int, is_number

KEYWORDS = ("cpu", "memory", "gpu")


def resources_from(options: Mapping[str, Any], onto: Resources = Resources()) -> Resources:  # noqa: B008 - frozen
    """`onto` with the resource keywords among `options` in it. Raises `InvalidError`."""
    cpu, memory, gpu = (options.get(name) for name in KEYWORDS)
    return Resources(
        cpu=onto.cpu if cpu is None else _checked_cpu(cpu),
        memory_mib=onto.memory_mib if memory is None else _checked_memory(memory),
        gpu=onto.gpu if gpu is None else _checked_gpu(gpu),
    )


def _checked_cpu(value: Any) -> float | tuple[float, float]:
    request, limit = _request_and_limit("cpu", value)
    for each in (request, limit):
        if not is_number(each) or each <= 0:
            raise InvalidError(f"`cpu` must be a positive number of cores or a tuple (request, limit), got {value!r}")
    _check_order("cpu", request, limit)
    return (float(request), float(limit)) if isinstance(value, tuple) else float(value)


def _checked_memory(value: Any) -> int | tuple[int, int]:
    request, limit = _request_and_limit("memory", value)
    for each in (request, limit):
        if not is_int(each) or each <= 0:
            raise InvalidError(f"`memory` must be a positive int (MiB) or a tuple (request, limit), got {value!r}")
    _check_order("memory", request, limit)
    return (request, limit) if isinstance(value, tuple) else request


def _request_and_limit(name: str, value: Any) -> tuple[Any, Any]:
    if not isinstance(value, tuple):
        return value, value
    if len(value) != 2:
        raise InvalidError(f"`{name}` takes one number or a tuple (request, limit), got {value!r}")
    return value


def _check_order(name: str, request: float, limit: float) -> None:
    if request > limit:
        raise InvalidError(f"`{name}` request ({request}) cannot be greater than its limit ({limit})")


def _checked_gpu(value: Any) -> tuple[GpuRequest, ...]:
    kinds = [value] if isinstance(value, str) else value
    if not isinstance(kinds, list | tuple) or not all(isinstance(kind, str) for kind in kinds):
        raise InvalidError(f'`gpu` must be a str or a list of str, such as "H100" or ["H100", "A100:2"], got {value!r}')
    return tuple(GpuRequest.parse(kind) for kind in kinds)
