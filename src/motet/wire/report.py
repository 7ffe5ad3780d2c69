"""What is told of a failure: as text, and Motet's own errors by name. Nothing is pickled here: the server reads it, too."""

from __future__ import annotations

from typing import Any

import msgspec

from motet import errors

MAX_TEXT = 64 * 1024


class Failure(msgspec.Struct, array_like=True, frozen=True):
    """What is known of an exception: its qualified type, its text, its traceback as text, and itself, pickled.

    `attributes` are those of an error of Motet's own, which needs no pickle.
    """

    type_name: str
    message: str
    traceback: str = ""
    exception: bytes | None = None
    attributes: dict[str, Any] = {}

    def encoded(self) -> bytes:
        """As the payload of an outcome."""
        return _encode(self)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Failure).decode


def of(error: Exception) -> bytes:
    """The encoded failure of an error that was never raised: one that Motet itself reports."""
    plain = {name: value for name, value in vars(error).items() if isinstance(value, int | float | str | bool)}
    return Failure(type_name(type(error)), message(error), attributes=plain).encoded()


def own_error(failure: Failure) -> BaseException | None:
    """The error that `of` was given; None if it was the user's own exception."""
    module, _, name = failure.type_name.rpartition(".")
    if module != errors.__name__ or name not in errors.NAMES:
        return None
    error_type = getattr(errors, name)
    # Without its `__init__`, whose other arguments are among the attributes.
    error: BaseException = error_type.__new__(error_type, failure.message)
    vars(error).update(failure.attributes)
    return error


def read(data: bytes | memoryview) -> Failure:
    """What an encoded failure says. Nothing is unpickled."""
    return _decode(data)


def summary(data: bytes | memoryview) -> str:
    """An encoded failure on one line: the type of the exception and its message. Nothing is unpickled."""
    failure = _decode(data)
    return f"{failure.type_name}: {failure.message}" if failure.message else failure.type_name


def type_name(error_type: type) -> str:
    """The name of a type as failures have it: qualified, unless everybody knows where it is from."""
    if error_type.__module__ in ("builtins", "__main__", "__mp_main__"):
        return sendable(error_type.__qualname__)
    return sendable(f"{error_type.__module__}.{error_type.__qualname__}")


def message(error: BaseException) -> str:
    """The text of an exception, cut if it is long. Never raises."""
    try:
        text = str(error)
    except BaseException:  # it is the user's code that makes it
        return "(its text could not be had)"
    return sendable(text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + " [...]")


def sendable(text: str) -> str:
    """Text without lone surrogates, which file names that are not UTF-8 have, and UTF-8 has not."""
    return text.encode(errors="backslashreplace").decode()
