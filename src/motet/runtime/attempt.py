"""Running one attempt: arguments in, outcome out, whatever the user's code does in between."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Generator
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

import motet
from motet.client.gate import Gate
from motet.context.current_input import CurrentInput, current
from motet.errors import InputCancellation, InvalidError, RemoteError, RequestSizeError, SerializationError
from motet.model.outcome import AttemptEnd, Delivery, OutcomeKind
from motet.runtime import forked_child
from motet.runtime.hints import add_hints
from motet.runtime.sender import Sender
from motet.runtime.streams import StreamWindow, send_items, send_items_async
from motet.wire import failure, payload

_MOTET_DIRECTORY = os.path.dirname(motet.__file__)
_NONE = payload.dumps(None, "None")


Cancelled = Callable[[int], bool]
"""Whether Motet has cancelled the attempt of this number. Code may raise `CancelledError` without that."""


def run_sync(call: Callable[..., Any], delivery: Delivery, gate: Gate, cancelled: Cancelled) -> AttemptEnd:
    """Run a sync function on this thread. Never raises, also when it is cancelled."""
    running = CurrentInput(delivery.call_id, delivery.index)
    token = current.set(running)
    try:
        args, kwargs = payload.loads(delivery.payload, "the arguments")
        try:
            gate.open()
            value = call(*args, **kwargs)
        finally:
            gate.shut()
        return succeeded(delivery, value)
    except BaseException as error:
        # Also a cancellation that came in the moment between the user's code and the shutting of the gate.
        gate.raised(error)
        return failed(delivery, error, cancelled(delivery.attempt))
    finally:
        current.reset(token)
        end_output(running)


async def run_async(call: Callable[..., Any], delivery: Delivery, cancelled: Cancelled) -> AttemptEnd:
    """Run an async function in this task. Never raises, also when it is cancelled."""
    running = CurrentInput(delivery.call_id, delivery.index)
    current.set(running)
    try:
        args, kwargs = payload.loads(delivery.payload, "the arguments")
        return succeeded(delivery, await call(*args, **kwargs))
    except BaseException as error:
        return failed(delivery, error, cancelled(delivery.attempt))
    finally:
        end_output(running)


def stream_sync(
    call: Callable[..., Any],
    delivery: Delivery,
    window: StreamWindow,
    sender: Sender,
    gate: Gate,
    cancelled: Cancelled,
) -> AttemptEnd:
    """Run a sync generator on this thread, sending its items. Never raises, also when it is cancelled."""
    running = CurrentInput(delivery.call_id, delivery.index)
    token = current.set(running)
    generator: Generator[Any, Any, Any] | None = None
    try:
        args, kwargs = payload.loads(delivery.payload, "the arguments")
        try:
            gate.open()
            generator = call(*args, **kwargs)
        finally:
            gate.shut()
        send_items(generator, delivery.attempt, window, sender, gate)
        return AttemptEnd(delivery.attempt, OutcomeKind.SUCCESS, _NONE)
    except BaseException as error:
        gate.raised(error)
        return failed(delivery, error, cancelled(delivery.attempt))
    finally:
        if generator is not None:
            with contextlib.suppress(BaseException):
                generator.close()
        current.reset(token)
        end_output(running)


async def stream_async(
    call: Callable[..., Any], delivery: Delivery, window: StreamWindow, sender: Sender, cancelled: Cancelled
) -> AttemptEnd:
    """Run an async generator in this task, sending its items. Never raises, also when it is cancelled."""
    running = CurrentInput(delivery.call_id, delivery.index)
    current.set(running)
    try:
        args, kwargs = payload.loads(delivery.payload, "the arguments")
        await send_items_async(call(*args, **kwargs), delivery.attempt, window, sender)
        return AttemptEnd(delivery.attempt, OutcomeKind.SUCCESS, _NONE)
    except BaseException as error:
        return failed(delivery, error, cancelled(delivery.attempt))
    finally:
        end_output(running)


def end_output(running: CurrentInput) -> None:
    """What an input has written is complete, and is to be on its way before its outcome."""
    if running.output is not None:
        running.output.end()


def succeeded(delivery: Delivery, value: Any) -> AttemptEnd:
    """The outcome of an attempt that returned `value`; a failure if that cannot be sent."""
    forked_child.leave()
    try:
        _refuse_unfinished(value)
        data = payload.dumps(value, "the result")
    except (InvalidError, RequestSizeError, SerializationError) as error:
        # Ours, not the user's code's: the message says all, the traceback is of no use.
        _show(f"{type(error).__name__}: {error}")
        return AttemptEnd(delivery.attempt, OutcomeKind.FAILURE, failure.of(error))
    return AttemptEnd(delivery.attempt, OutcomeKind.SUCCESS, data)


def _refuse_unfinished(value: Any) -> None:
    if isinstance(value, (GeneratorType, AsyncGeneratorType, CoroutineType)):
        if not isinstance(value, AsyncGeneratorType):
            value.close()
        if isinstance(value, CoroutineType):
            raise InvalidError(
                f"Sync function returned a coroutine, of {value.__qualname__}. Is that async, below a decorator that is not? "
                "Make the decorator's wrapper `async def` and await the function in it."
            )
        raise InvalidError(
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
            told = failure.of(RemoteError("Input was cancelled"))
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
