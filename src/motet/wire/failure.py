"""Failures: an exception on its way between processes, as itself where it can be, as text in any case."""

from __future__ import annotations

import importlib
import pickle
import traceback
from types import TracebackType

import msgspec

from motet import errors
from motet.wire import exception_payload, payload
from motet.wire.by_value import NOTHING, PROTOCOL, ByValue
from motet.wire.exceptions import chain

MAX_TEXT = 64 * 1024
MAX_EXCEPTION_BYTES = payload.MAX_PAYLOAD_BYTES - 2 * 1024 * 1024
"""With its texts it is a payload, too."""


class Failure(msgspec.Struct, array_like=True, frozen=True):
    """What is known of an exception: its qualified type, its text, its traceback as text, and itself, pickled."""

    type_name: str
    message: str
    traceback: str = ""
    exception: bytes | None = None

    def encoded(self) -> bytes:
        """As the payload of an outcome."""
        return _encode(self)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Failure).decode


def describe(error: BaseException, *, hidden: str = "", by_value: ByValue = NOTHING) -> Failure:
    """A failure to send for `error`. Never raises: what cannot be pickled is left behind, and travels as text.

    `hidden` is a path; leading frames of files below it (Motet's own) are left out of the traceback.
    """
    message = _message(error)
    pickled = exception_payload.dumps(error, message, MAX_EXCEPTION_BYTES, by_value)
    return Failure(_type_name(error), message, _format(error, hidden), pickled)


def of(error: BaseException) -> bytes:
    """The encoded failure of an exception that was never raised: one that Motet itself reports."""
    return Failure(_type_name(error), _message(error), exception=pickle.dumps(error, PROTOCOL)).encoded()


def read(data: bytes | memoryview) -> Failure:
    """What an encoded failure says. Nothing is unpickled."""
    return _decode(data)


def summary(data: bytes | memoryview) -> str:
    """An encoded failure on one line: the type of the exception and its message. Nothing is unpickled."""
    failure = _decode(data)
    return f"{failure.type_name}: {failure.message}" if failure.message else failure.type_name


def rebuild(data: bytes | memoryview) -> BaseException:
    """The exception to raise for an encoded failure, with the remote traceback as its cause, and its own cause as that of
    the remote traceback."""
    failure = _decode(data)
    error = _rebuild(failure)
    if failure.traceback:
        remote = errors.RemoteTraceback(failure.traceback)
        remote.__cause__ = error.__cause__
        chain(error, {"__cause__": remote})
    return error


def told(data: bytes | memoryview) -> errors.Error:
    """The error to raise for what a server that need not be trusted answers: one of Motet's own, known by its name, or a
    `RemoteError`, with its text. Nothing is unpickled."""
    failure = _decode(data)
    module, _, name = failure.type_name.rpartition(".")
    known = getattr(errors, name, None) if module == errors.__name__ else None
    if isinstance(known, type) and issubclass(known, errors.Error):
        return known(failure.message)
    return errors.RemoteError(summary(data))


def _rebuild(failure: Failure) -> BaseException:
    text = f"{failure.type_name}: {failure.message}" if failure.message else failure.type_name
    if failure.exception is None:
        return errors.RemoteError(f"{text} (the exception could not be pickled; its traceback is text)")
    try:
        error = exception_payload.loads(failure.exception)
    except Exception as problem:
        return errors.ExecutionError(
            f"Could not deserialize remote exception due to local error: {type(problem).__name__}: {problem}. "
            f"It was {text}"
        )
    if (
        isinstance(error, (KeyboardInterrupt, GeneratorExit))
        or failure.type_name == "asyncio.exceptions.CancelledError"
    ):
        # Raised as themselves they would tell the caller's program that somebody pressed Ctrl-C, closes a generator, or
        # cancels its task.
        return errors.RemoteError(f"the function raised {text or type(error).__name__}")
    return error


def _format(error: BaseException, hidden: str) -> str:
    try:
        tb = _visible(error.__traceback__, hidden)
        if hidden and isinstance(error, errors.Error | TimeoutError) and tb is not None and tb.tb_next is None:
            # Motet itself says what is wrong, for which no line of anybody's code is of use.
            tb = None if _is_plumbing(tb.tb_frame.f_code.co_filename, hidden) else tb
        lines = traceback.format_exception(type(error), error, tb)
        text = "".join(lines)
    except BaseException:
        text = f"{_type_name(error)} (its traceback could not be formatted)"
    return _sendable(text if len(text) <= MAX_TEXT else text[: MAX_TEXT // 2] + "\n[...]\n" + text[-MAX_TEXT // 2 :])


def _sendable(text: str) -> str:
    """Text without lone surrogates, which file names that are not UTF-8 have, and UTF-8 has not."""
    return text.encode(errors="backslashreplace").decode()


def _visible(tb: TracebackType | None, hidden: str) -> TracebackType | None:
    while hidden and tb is not None and tb.tb_next is not None and _is_plumbing(tb.tb_frame.f_code.co_filename, hidden):
        tb = tb.tb_next
    return tb


def _is_plumbing(file: str, hidden: str) -> bool:
    """What leads to the user's code, and says nothing of it: Motet, and the import system."""
    return file.startswith((hidden, "<frozen importlib")) or file == importlib.__file__


def _type_name(error: BaseException) -> str:
    return _name_of(type(error))


def _name_of(error_type: type[BaseException]) -> str:
    if error_type.__module__ in ("builtins", "__main__", "__mp_main__"):
        return _sendable(error_type.__qualname__)
    return _sendable(f"{error_type.__module__}.{error_type.__qualname__}")


def _message(error: BaseException) -> str:
    try:
        text = str(error)
    except BaseException:  # it is the user's code that makes it
        return "(its text could not be had)"
    return _sendable(text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + " [...]")
