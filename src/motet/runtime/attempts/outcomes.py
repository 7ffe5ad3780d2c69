"""What becomes of what user code returns or raises: the outcome of an attempt, and what is told in the logs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

import motet
from motet.errors import (
    InputCancellation,
    InvalidError,
    RemoteError,
    RequestSizeError,
    SerializationError,
    UnimplementedError,
)
from motet.model.outcome import AttemptEnd, Delivery, OutcomeKind
from motet.runtime.attempts.hints import add_hints
from motet.runtime.processes import forked_child
from motet.wire import failure, payload, report
from motet.wire.encoding import PICKLE_BYTE, wanted_by

_MOTET_DIRECTORY = os.path.dirname(motet.__file__)
NONE = payload.dumps(None, "None")
_UNFINISHED = (GeneratorType, AsyncGeneratorType, CoroutineType)


def succeeded(delivery: Delivery, value: Any) -> AttemptEnd:
    """The outcome of an attempt that returned `value`; a failure if that cannot be sent."""
    if forked_child.is_one:
        forked_child.leave()
    try:
        if isinstance(value, _UNFINISHED):
            raise _unfinished(value)
        asked = delivery.payload
        if asked and asked[0] == PICKLE_BYTE:  # the usual case, without a further call for each input
            data = payload.dumps(value, "the result")
        else:
            data = payload.dumps_in(wanted_by(asked), value, "the result")
    except (InvalidError, RequestSizeError, SerializationError, UnimplementedError) as error:
        # Ours, not the user's code's: the message says all, the traceback is of no use.
        _show(f"{type(error).__name__}: {error}")
        return AttemptEnd(delivery.attempt, OutcomeKind.FAILURE, report.of(error))
    return AttemptEnd(delivery.attempt, OutcomeKind.SUCCESS, data)


def _unfinished(
    value: GeneratorType[Any, Any, Any] | AsyncGeneratorType[Any, Any] | CoroutineType[Any, Any, Any],
) -> InvalidError:
    if not isinstance(value, AsyncGeneratorType):
        value.close()
    if isinstance(value, CoroutineType):
        return InvalidError(
            f"Sync function returned a coroutine, of {value.__qualname__}. Is that async, below a decorator that is not? "
            "Make the decorator's wrapper `async def` and await the function in it."
        )
    return InvalidError(
        f"Sync (non-generator) function return value of type {type(value)}. "
        "You might need to use @app.function(..., is_generator=True)."
    )


def failed(delivery: Delivery, error: BaseException, cancelled: bool = False) -> AttemptEnd:
    """The outcome of an attempt that raised. The traceback goes to stderr too, where logs show it.

    `cancelled`: Motet has cancelled it. Where it has not, a `CancelledError` is a failure like any other.
    """
    forked_child.leave(error)
    if isinstance(error, (InputCancellation, asyncio.CancelledError)):
        if cancelled:
            told = report.of(RemoteError("Input was cancelled"))
            return AttemptEnd(delivery.attempt, OutcomeKind.CANCELLED, told)
        error.add_note("Nobody cancelled this input: its own code did, or awaited something that was cancelled.")
    add_hints(error)
    described = failure.describe(error, hidden=_MOTET_DIRECTORY)
    _show(described.traceback.rstrip())
    return AttemptEnd(delivery.attempt, OutcomeKind.FAILURE, described.encoded())


def describe_start_failure(error: BaseException) -> bytes:
    """The failure that callers get when a container's code cannot be imported or entered; stderr gets its traceback.

    Also for exit hooks, of whose failures there is nobody to tell.
    """
    forked_child.leave(error)
    add_hints(error)
    described = failure.describe(error, hidden=_MOTET_DIRECTORY)
    _show(described.traceback.rstrip())
    return described.encoded()


def tell_of_stray(error: BaseException, where: str) -> None:
    """An exception of the user's code came up where no input runs, or nothing tells which: stderr gets its traceback."""
    described = failure.describe(error, hidden=_MOTET_DIRECTORY)
    _show(
        f"{described.traceback.rstrip()}\nmotet: this was raised in {where}. The container and its other inputs go on."
    )


def _show(text: str) -> None:
    """In the logs. What the user has put in the place of stderr must not keep a failure from being told."""
    with contextlib.suppress(BaseException):
        print(text, file=sys.stderr, flush=True)
