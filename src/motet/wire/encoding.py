"""How arguments and results are written: pickled, as JSON or as CBOR. A payload says so itself, in its first byte.

Pickles are as they are: they begin with a byte that no mark is. Of arguments in another encoding, or with a result that is to
be in another one, the first byte is the mark of the arguments and the second that of the result; of a result, and of an item
of a stream, the first byte is its mark. So a payload can be read wherever it comes from, and the server, which never reads
one, can tell what is in it.
"""

from __future__ import annotations

import enum

PICKLE_BYTE = 0x80
"""What pickles begin with, from protocol 2 on."""


class Encoding(enum.Enum):
    """What a payload is written in."""

    PICKLE = "pickle"
    JSON = "json"
    CBOR = "cbor"


_MARKS = {Encoding.PICKLE: b"P", Encoding.JSON: b"J", Encoding.CBOR: b"C"}
_BY_MARK = {mark[0]: encoding for encoding, mark in _MARKS.items()}


def marked_arguments(body: bytes, arguments: Encoding, result: Encoding) -> bytes:
    """The payload of an input: `body`, its arguments, are in one encoding, and its result is to be in another."""
    if arguments is result is Encoding.PICKLE:
        return body
    return b"".join((_MARKS[arguments], _MARKS[result], body))


def marked_result(body: bytes, encoding: Encoding) -> bytes:
    """The payload of a result or an item."""
    return body if encoding is Encoding.PICKLE else _MARKS[encoding] + body


def wanted_by(arguments: bytes | memoryview) -> Encoding:
    """What the result of an input with this payload is to be in."""
    if not arguments or arguments[0] == PICKLE_BYTE:
        return Encoding.PICKLE
    return _BY_MARK.get(arguments[1], Encoding.PICKLE) if len(arguments) > 1 else Encoding.PICKLE


def encoding_of(payload: bytes | memoryview) -> Encoding:
    """What a payload is in."""
    return _BY_MARK.get(payload[0], Encoding.PICKLE) if payload else Encoding.PICKLE


def body_of_arguments(payload: bytes | memoryview) -> memoryview:
    """The arguments in an input's payload, without marks."""
    data = memoryview(payload)
    return data[2:] if data and data[0] in _BY_MARK else data


def body_of_result(payload: bytes | memoryview) -> memoryview:
    """The result in a payload, without its mark."""
    data = memoryview(payload)
    return data[1:] if data and data[0] in _BY_MARK else data
