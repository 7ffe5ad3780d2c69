"""Failures: an exception on its way between processes, as itself where it can be, as text in any case."""

from __future__ import annotations

import contextlib
import importlib
import pickle
import traceback
from types import TracebackType

from motet import errors
from motet.wire import payload
from motet.wire.report import MAX_TEXT, Failure, message, of, own_error, read, summary, type_name

__all__ = ["Failure", "describe", "of", "read", "rebuild", "summary"]

MAX_EXCEPTION_BYTES = 2 * 1024 * 1024


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
    return Failure(type_name(type(error)), message(error), text, pickled)


def rebuild(data: bytes | memoryview) -> BaseException:
    """The exception to raise for an encoded failure, with the remote traceback as its cause."""
    failure = read(data)
    error = _rebuild(failure)
    if failure.traceback:
        error.__cause__ = errors.RemoteTraceback(failure.traceback)
    return error


def _rebuild(failure: Failure) -> BaseException:
    text = f"{failure.type_name}: {failure.message}" if failure.message else failure.type_name
    if failure.exception is None:
        if (error := own_error(failure)) is not None:
            return error
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
        text = f"{type_name(type(error))} (its traceback could not be formatted)"
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT // 2] + "\n[...]\n" + text[-MAX_TEXT // 2 :]


def _visible(tb: TracebackType | None, hidden: str) -> TracebackType | None:
    while hidden and tb is not None and tb.tb_next is not None and _is_plumbing(tb.tb_frame.f_code.co_filename, hidden):
        tb = tb.tb_next
    return tb


def _is_plumbing(file: str, hidden: str) -> bool:
    """What leads to the user's code, and says nothing of it: Motet, and the import system."""
    return file.startswith((hidden, "<frozen importlib")) or file == importlib.__file__
