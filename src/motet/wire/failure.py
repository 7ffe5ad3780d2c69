"""Failures: an exception on its way between processes, as itself where it can be, as text in any case."""

from __future__ import annotations

import contextlib
import importlib
import pickle
import traceback
from types import TracebackType

import msgspec

from motet import errors
from motet.wire import payload

MAX_TEXT = 64 * 1024
MAX_EXCEPTION_BYTES = 2 * 1024 * 1024


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


def describe(error: BaseException, *, hidden: str = "", main_by_value: bool = False) -> Failure:
    """A failure to send for `error`. Never raises: what cannot be pickled travels as text.

    `hidden` is a path; leading frames of files below it (Motet's own) are left out of the traceback.
    """
    text = _format(error, hidden)
    pickled: bytes | None = None
    with contextlib.suppress(Exception):
        data = payload.dumps(error, "the exception", main_by_value=main_by_value)
        # Exceptions with a required constructor argument pickle well and fail to unpickle: find out here, not there.
        pickle.loads(data)
        if len(data) <= MAX_EXCEPTION_BYTES:
            pickled = data
    return Failure(_type_name(error), _message(error), text, pickled)


def of(error: BaseException) -> bytes:
    """The encoded failure of an exception that was never raised: one that Motet itself reports."""
    return Failure(_type_name(error), _message(error), exception=pickle.dumps(error, payload.PROTOCOL)).encoded()


def read(data: bytes | memoryview) -> Failure:
    """What an encoded failure says. Nothing is unpickled."""
    return _decode(data)


def summary(data: bytes | memoryview) -> str:
    """An encoded failure on one line: the type of the exception and its message. Nothing is unpickled."""
    failure = _decode(data)
    return f"{failure.type_name}: {failure.message}" if failure.message else failure.type_name


def rebuild(data: bytes | memoryview) -> BaseException:
    """The exception to raise for an encoded failure, with the remote traceback as its cause."""
    failure = _decode(data)
    error = _rebuild(failure)
    if failure.traceback:
        error.__cause__ = errors.RemoteTraceback(failure.traceback)
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
        error = pickle.loads(failure.exception)
    except Exception as problem:
        return errors.ExecutionError(
            f"Could not deserialize remote exception due to local error: {type(problem).__name__}: {problem}. "
            f"It was {text}"
        )
    if not isinstance(error, BaseException):
        return errors.ExecutionError(f"the remote exception unpickled to {type(error).__name__}; it was {text}")
    if not isinstance(error, (Exception, errors.InputCancellation)):
        # SystemExit and KeyboardInterrupt raised as themselves would end the caller's program without a word.
        return errors.RemoteError(f"the function raised {text or type(error).__name__}")
    return error


def _format(error: BaseException, hidden: str) -> str:
    try:
        lines = traceback.format_exception(type(error), error, _visible(error.__traceback__, hidden))
        text = "".join(lines)
    except Exception:
        text = f"{_type_name(error)} (its traceback could not be formatted)"
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT // 2] + "\n[...]\n" + text[-MAX_TEXT // 2 :]


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
    if error_type.__module__ in ("builtins", "__main__", "__motet_main__"):
        return error_type.__qualname__
    return f"{error_type.__module__}.{error_type.__qualname__}"


def _message(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:
        return "(its text could not be had)"
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + " [...]"
