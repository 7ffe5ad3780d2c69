"""Payloads: a user's arguments and results as bytes. Plain pickle where it works, cloudpickle where it does not.

What callers in other languages send and get is in another encoding (`encoding.py`), and has no code in it (`plain.py`).
"""

from __future__ import annotations

import contextlib
import io
import pickle
from typing import Any

from motet.errors import DeserializationError, RequestSizeError, SerializationError, VersionError
from motet.model.limits import MAX_PAYLOAD_BYTES
from motet.wire import plain
from motet.wire.by_value import NOTHING, PROTOCOL, ByValue
from motet.wire.encoding import PICKLE_BYTE, Encoding, body_of_result, encoding_of, marked_result

GUARDED = '. Is it defined only under a condition, such as `if __name__ == "__main__"`, or in a container only?'

NO_ARGUMENTS = pickle.dumps(((), {}), PROTOCOL)


def dumps(value: Any, what: str, by_value: ByValue = NOTHING) -> bytes:
    """`value` as bytes; `what` names it in errors ("the arguments of f").

    `by_value`: classes and functions that the other side cannot import. Raises `SerializationError` or `RequestSizeError`, and
    `VersionError` for what the other side could not load.
    """
    try:
        try:
            data = pickle.dumps(value, PROTOCOL)
        except (pickle.PicklingError, AttributeError, TypeError):
            data = _dumps_by_value(value, by_value)
        else:
            # Looking for the names of modules costs next to nothing; a pickler of our own would ask for every object.
            if by_value is not NOTHING and by_value.may_be_in(data):
                data = _dumps_by_value(value, by_value)
    except VersionError as error:
        raise VersionError(f"could not send {what}: {error}") from None
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
    """The value that `dumps` was given, or a result in any encoding. Raises `DeserializationError`, naming `what`."""
    if data and data[0] != PICKLE_BYTE and (encoding := encoding_of(data)) is not Encoding.PICKLE:
        return plain.loads(body_of_result(data), encoding, what)
    try:
        return pickle.loads(data)
    except Exception as error:
        if isinstance(error, TypeError | AttributeError):
            with contextlib.suppress(Exception):
                from motet.wire.lenient_unpickler import LenientUnpickler  # late: for a second try

                return LenientUnpickler(data).load()
        hint = GUARDED if isinstance(error, AttributeError) and "_main__" in str(error) else ""
        raise DeserializationError(f"could not unpickle {what} here: {type(error).__name__}: {error}{hint}") from error


def dumps_in(encoding: Encoding, value: Any, what: str) -> bytes:
    """A result, or an item, in the encoding that its caller asked for. Raises as `dumps` and `plain.dumps` do."""
    if encoding is Encoding.PICKLE:
        return dumps(value, what)
    return marked_result(plain.dumps(value, encoding, what), encoding)


def _dumps_by_value(value: Any, by_value: ByValue) -> bytes:
    from motet.wire.pickler import Pickler  # late: it loads cloudpickle, which most calls do without

    buffer = io.BytesIO()
    Pickler(buffer, by_value).dump(value)
    return buffer.getvalue()
