"""Values as JSON and CBOR: what callers in other languages send and get. Nothing here runs code that comes with the bytes.

Both hold the same values: None, bools, numbers, text, lists (tuples, sets), dicts, dataclasses, enumerations, moments, UUIDs
and decimals (as text), models of pydantic and arrays of NumPy. Byte strings are bytes in CBOR, and base64 in JSON. NaN and
infinities, which JSON has not, are null there.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Set
from typing import Any

import msgspec

from motet.errors import DeserializationError, RequestSizeError, SerializationError, UnimplementedError
from motet.model.limits import MAX_PAYLOAD_BYTES
from motet.wire.encoding import Encoding
from motet.wire.report import type_name

NAMES = {Encoding.JSON: "JSON", Encoding.CBOR: "CBOR"}

MAX_LOOKED_AT = 100_000
"""Parts of a value that are searched for the one that cannot be encoded."""

Arguments = tuple[list[Any], dict[str, Any]]


class _Named(msgspec.Struct, forbid_unknown_fields=True):
    args: list[Any] = []
    kwargs: dict[str, Any] = {}


def dumps(value: Any, encoding: Encoding, what: str) -> bytes:
    """`value` as bytes; `what` names it in errors ("the result"). Raises `SerializationError`, which names what cannot be
    encoded and where it is, `RequestSizeError`, and `UnimplementedError` where the package for CBOR is missing."""
    try:
        data = _encode_json(value) if encoding is Encoding.JSON else _encode_cbor(value)
    except UnimplementedError:
        raise
    except RecursionError:
        raise SerializationError(f"{what} is nested too deeply for {NAMES[encoding]}, or contains itself") from None
    except Exception as error:
        raise SerializationError(
            f"{what} {_fault(value, error)}, which {NAMES[encoding]} has not. Return numbers, text, lists, dicts with "
            "text as keys, dataclasses or moments; or call the function from Python, where results are pickled."
        ) from None
    if len(data) > MAX_PAYLOAD_BYTES:
        raise RequestSizeError(
            f"{what}: {len(data) / 2**20:.1f} MiB as {NAMES[encoding]}, and a payload may be {MAX_PAYLOAD_BYTES // 2**20} MiB "
            "at most. Return a path or a URL to the data instead."
        )
    return data


def loads(data: bytes | memoryview, encoding: Encoding, what: str) -> Any:
    """The value in these bytes. Raises `DeserializationError`, naming `what`."""
    try:
        return msgspec.json.decode(data) if encoding is Encoding.JSON else _cbor().loads(data)
    except UnimplementedError:
        raise
    except RecursionError:
        raise DeserializationError(f"{what} cannot be read as {NAMES[encoding]}: nested too deeply") from None
    except Exception as error:
        raise DeserializationError(f"{what} cannot be read as {NAMES[encoding]}: {error}") from None


def loads_arguments(data: bytes | memoryview, encoding: Encoding) -> Arguments:
    """Positional and keyword arguments in these bytes, an object with `args` and `kwargs`. Raises `DeserializationError`."""
    value = loads(data, encoding, "the arguments") if data else {}
    try:
        named = msgspec.convert(value, _Named)
    except msgspec.ValidationError as error:
        raise DeserializationError(f"{HOW_TO_GIVE_ARGUMENTS}; {error}") from None
    return named.args, named.kwargs


HOW_TO_GIVE_ARGUMENTS = 'the arguments must be given as {"args": [...], "kwargs": {...}}, each of which may be left out'

check_json_arguments: Callable[[bytes], Any] = msgspec.json.Decoder(_Named).decode
"""Raises `msgspec.DecodeError` for what is no JSON, or no arguments."""


def plain_value(value: Any) -> Any:
    """What stands for a value that neither encoding knows. Raises `TypeError` if nothing does."""
    kind = type(value)
    if (dump := getattr(kind, "model_dump", None)) is not None:  # pydantic
        return dump(value, mode="json")
    if kind.__module__.partition(".")[0] == "numpy" and (to_list := getattr(kind, "tolist", None)) is not None:
        return to_list(value)
    raise TypeError(f"objects of type {type_name(kind)} have no plain form")


_encode_json = msgspec.json.Encoder(enc_hook=plain_value).encode


def _encode_cbor(value: Any) -> bytes:
    cbor = _cbor()
    plain = msgspec.to_builtins(value, builtin_types=(bytes, bytearray, memoryview), enc_hook=plain_value)
    encoded: bytes = cbor.dumps(plain)
    return encoded


@functools.cache
def _cbor() -> Any:
    # Late: only who asks for CBOR needs it.
    try:
        import cbor2
    except ImportError as error:
        raise UnimplementedError(
            f"CBOR needs a package that is missing here: pip install 'motet[api]' ({error})"
        ) from None
    return cbor2


# --- what is wrong with a value ---------------------------------------------------------------------------------------


def _fault(value: Any, error: Exception) -> str:
    """What of a value cannot be encoded, and where that is."""
    for path, part in itertools.islice(_parts(value, ""), MAX_LOOKED_AT):
        where = f" at {path}" if path else ""
        if isinstance(part, Mapping) and (key := next((it for it in part if not _may_be_key(it)), _NONE)) is not _NONE:
            return f"has{where} a dict with a key of type {type_name(type(key))}"
        if isinstance(part, str) and not part.isascii():
            try:
                part.encode()
            except UnicodeEncodeError:
                return f"has{where} text with a lone surrogate"
        elif not _is_known(part):
            return (
                f"has{where} a value of type {type_name(type(part))}" if path else f"is of type {type_name(type(part))}"
            )
    return f"cannot be encoded ({type(error).__name__}: {error})"


_NONE = object()


def _parts(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    import dataclasses  # late, here as below: it takes long, and is for errors alone

    stack = [(path, value)]
    while stack:
        where, part = stack.pop()
        yield where, part
        if isinstance(part, Mapping):
            inner = [(f"{where}[{key!r:.40}]", it) for key, it in part.items()]
        elif isinstance(part, list | tuple | Set):
            inner = [(f"{where}[{place}]", it) for place, it in enumerate(part)]
        elif dataclasses.is_dataclass(part) and not isinstance(part, type):
            inner = [(f"{where}.{field.name}", getattr(part, field.name, None)) for field in dataclasses.fields(part)]
        elif isinstance(part, msgspec.Struct):
            inner = [(f"{where}.{name}", getattr(part, name)) for name in part.__struct_fields__]
        else:
            continue
        stack += reversed(inner)


def _may_be_key(key: Any) -> bool:
    return isinstance(key, str | int | float) or not _fails({key: None})


def _is_known(part: Any) -> bool:
    import dataclasses

    if isinstance(part, Mapping | list | tuple | Set | msgspec.Struct) or dataclasses.is_dataclass(part):
        return not isinstance(part, type)  # what is in it has a turn of its own
    return not _fails(part)


def _fails(part: Any) -> bool:
    try:
        _encode_json(part)
    except Exception:
        return True
    return False
