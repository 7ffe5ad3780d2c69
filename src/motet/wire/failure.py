"""Failures: an exception on its way between processes, as itself where it can be, as text in any case."""

from __future__ import annotations

import importlib
from types import TracebackType

from motet import errors
from motet.model.limits import MAX_PAYLOAD_BYTES
from motet.wire.by_value import MAIN_IN_CONTAINERS, NOTHING, ByValue
from motet.wire.exceptions import chain
from motet.wire.report import MAX_TEXT, Failure, message, own_error, read, sendable, summary, type_name

MAX_EXCEPTION_BYTES = MAX_PAYLOAD_BYTES - 2 * 1024 * 1024
"""With its texts it is a payload, too."""


def describe(error: BaseException, *, hidden: str = "", by_value: ByValue = NOTHING) -> Failure:
    """A failure to send for `error`. Never raises: what cannot be pickled is left behind, and travels as text.

    `hidden` is a path; leading frames of files below it (Motet's own) are left out of the traceback.
    """
    from motet.wire import exception_payload  # late, here as below: most calls end without an exception

    text = message(error)
    pickled = exception_payload.dumps(error, text, MAX_EXCEPTION_BYTES, by_value)
    return Failure(type_name(type(error)), text, _format(error, hidden), pickled)


def rebuild(data: bytes | memoryview) -> BaseException:
    """The exception to raise for an encoded failure, with the remote traceback as its cause, and its own cause as that of
    the remote traceback."""
    failure = read(data)
    error = _rebuild(failure)
    if failure.traceback:
        remote = errors.RemoteTraceback(failure.traceback)
        remote.__cause__ = error.__cause__
        chain(error, {"__cause__": remote})
    return error


def told(data: bytes | memoryview) -> errors.Error:
    """The error to raise for what a server that need not be trusted answers: one of Motet's own, known by its name, or a
    `RemoteError`, with its text. Nothing is unpickled."""
    error = own_error(read(data))
    return error if isinstance(error, errors.Error) else errors.RemoteError(summary(data))


def _rebuild(failure: Failure) -> BaseException:
    text = f"{failure.type_name}: {failure.message}" if failure.message else failure.type_name
    if failure.exception is None:
        if (error := own_error(failure)) is not None:
            return error
        return errors.RemoteError(f"{text} (the exception could not be pickled; its traceback is text)")
    from motet.wire import exception_payload

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
    import traceback

    try:
        tb = _visible(error.__traceback__, hidden)
        if hidden and isinstance(error, errors.Error | TimeoutError) and tb is not None and tb.tb_next is None:
            # Motet itself says what is wrong, for which no line of anybody's code is of use.
            tb = None if _is_plumbing(tb.tb_frame.f_code.co_filename, hidden) else tb
        lines = traceback.format_exception(type(error), error, tb)
        text = "".join(lines).replace(f"{MAIN_IN_CONTAINERS}.", "")
    except BaseException:
        text = f"{type_name(type(error))} (its traceback could not be formatted)"
    return sendable(text if len(text) <= MAX_TEXT else text[: MAX_TEXT // 2] + "\n[...]\n" + text[-MAX_TEXT // 2 :])


def _visible(tb: TracebackType | None, hidden: str) -> TracebackType | None:
    while hidden and tb is not None and tb.tb_next is not None and _is_plumbing(tb.tb_frame.f_code.co_filename, hidden):
        tb = tb.tb_next
    return tb


def _is_plumbing(file: str, hidden: str) -> bool:
    """What leads to the user's code, and says nothing of it: Motet, and the import system."""
    return file.startswith((hidden, "<frozen importlib")) or file == importlib.__file__
