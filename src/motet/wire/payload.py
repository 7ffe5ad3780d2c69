"""Payloads: a user's arguments and results as bytes. Plain pickle where it works, cloudpickle where it does not."""

from __future__ import annotations

import io
import pickle
from typing import Any

import cloudpickle

from motet.errors import DeserializationError, RequestSizeError, SerializationError
from motet.model.limits import MAX_PAYLOAD_BYTES

PROTOCOL = 5

NO_ARGUMENTS = pickle.dumps(((), {}), PROTOCOL)


def dumps(value: Any, what: str, *, main_by_value: bool = False) -> bytes:
    """`value` as bytes; `what` names it in errors ("the arguments of f").

    `main_by_value`: classes and functions of `__main__` travel by value, because the other side cannot import them
    (notebooks, the interpreter prompt). Raises `SerializationError` or `RequestSizeError`.
    """
    try:
        data = _by_value(value) if main_by_value else _by_reference_first(value)
    except RecursionError as error:
        raise SerializationError(f"could not pickle {what}: it is nested too deeply") from error
    except Exception as error:
        raise SerializationError(f"could not pickle {what}: {type(error).__name__}: {error}") from error
    if len(data) > MAX_PAYLOAD_BYTES:
        raise RequestSizeError(
            f"{what}: {len(data) / 2**20:.1f} MiB when pickled, and a payload may be {MAX_PAYLOAD_BYTES // 2**20} MiB at "
            "most. Pass a path or a URL to the data instead."
        )
    return data


def loads(data: bytes | memoryview, what: str) -> Any:
    """The value that `dumps` was given. Raises `DeserializationError`, naming `what`."""
    try:
        return pickle.loads(data)
    except Exception as error:
        raise DeserializationError(f"could not unpickle {what} here: {type(error).__name__}: {error}") from error


def _by_reference_first(value: Any) -> bytes:
    try:
        return pickle.dumps(value, PROTOCOL)
    except (pickle.PicklingError, AttributeError, TypeError):
        return _by_value(value)


def _by_value(value: Any) -> bytes:
    buffer = io.BytesIO()
    cloudpickle.Pickler(buffer, protocol=PROTOCOL).dump(value)
    return buffer.getvalue()
