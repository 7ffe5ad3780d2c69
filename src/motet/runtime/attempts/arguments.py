"""An input's arguments, in whatever encoding they came."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from motet.errors import ArgumentError
from motet.wire import payload, plain
from motet.wire.encoding import PICKLE_BYTE, Encoding, body_of_arguments, encoding_of

Arguments = tuple[Sequence[Any], Mapping[str, Any]]
"""What one caller gave: positional and keyword arguments."""


def read_arguments(data: bytes, call: Callable[..., Any], *, batched: bool = False) -> Arguments:
    """What to call `call` with. Callers in other languages know of plain values only: they are made into what the annotations
    say. Raises `DeserializationError`, `ArgumentError`."""
    # Most are pickled, and whatever is done for each input is paid for by all.
    if data and data[0] == PICKLE_BYTE:
        return payload.loads(data, "the arguments")  # type: ignore[no-any-return]
    encoding = encoding_of(data)
    if encoding is Encoding.PICKLE:
        return payload.loads(body_of_arguments(data), "the arguments")  # type: ignore[no-any-return]
    from motet.wire.signature import signature_of  # late: most containers are called from Python alone

    args, kwargs = plain.loads_arguments(body_of_arguments(data), encoding)
    try:
        signature = signature_of(call, batched=batched)
    except (ValueError, TypeError) as error:
        raise ArgumentError(f"what parameters this function has cannot be known, and so not by JSON: {error}") from None
    return signature.fitted(args, kwargs, has_bytes=encoding is Encoding.CBOR)
