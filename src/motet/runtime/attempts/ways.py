"""The ways to run an attempt's code: as a function or a generator, on this thread or in this task."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from motet.model.function import MethodSpec
from motet.model.outcome import AttemptEnd, OutcomeKind
from motet.runtime.attempts.arguments import read_arguments
from motet.runtime.attempts.attempt import RunningAttempt
from motet.runtime.attempts.batch import run_batch, run_batch_async
from motet.runtime.attempts.outcomes import NONE, succeeded
from motet.runtime.attempts.streams import StreamWindow, send_items, send_items_async
from motet.wire.encoding import wanted_by

Way = Callable[[RunningAttempt], Any]
"""Runs an attempt and returns its end; to be awaited if its method is async. Never raises, also when it is cancelled."""


def way_of(method: MethodSpec, *, batched: bool) -> Way:
    """How attempts at this method run; for a web method, see `web.app`."""
    if batched:
        return run_batch_async if method.is_async else run_batch
    if method.is_generator:
        return stream_async if method.is_async else stream_sync
    return run_async if method.is_async else run_sync


def run_sync(attempt: RunningAttempt) -> AttemptEnd:
    """A sync function, on this thread."""
    gate = attempt.gate
    assert gate is not None
    with attempt:
        args, kwargs = read_arguments(attempt.delivery.payload, attempt.call)
        try:
            gate.open()
            value = attempt.call(*args, **kwargs)
        finally:
            gate.shut()
        attempt.end = succeeded(attempt.delivery, value)
    return attempt.end


async def run_async(attempt: RunningAttempt) -> AttemptEnd:
    """An async function, in this task."""
    with attempt:
        args, kwargs = read_arguments(attempt.delivery.payload, attempt.call)
        attempt.end = succeeded(attempt.delivery, await attempt.call(*args, **kwargs))
    return attempt.end


def stream_sync(attempt: RunningAttempt) -> AttemptEnd:
    """A sync generator, on this thread: its items are sent as they come."""
    gate, window = attempt.gate, attempt.window
    assert gate is not None
    assert isinstance(window, StreamWindow)
    with attempt:
        args, kwargs = read_arguments(attempt.delivery.payload, attempt.call)
        try:
            gate.open()
            generator = attempt.call(*args, **kwargs)
        finally:
            gate.shut()
        try:
            encoding = wanted_by(attempt.delivery.payload)
            send_items(generator, attempt.delivery.attempt, window, attempt.sender, gate, encoding)
        finally:
            with contextlib.suppress(BaseException):
                generator.close()
        attempt.end = AttemptEnd(attempt.delivery.attempt, OutcomeKind.SUCCESS, NONE)
    return attempt.end


async def stream_async(attempt: RunningAttempt) -> AttemptEnd:
    """An async generator, in this task: its items are sent as they come."""
    window = attempt.window
    assert isinstance(window, StreamWindow)
    with attempt:
        args, kwargs = read_arguments(attempt.delivery.payload, attempt.call)
        generator, encoding = attempt.call(*args, **kwargs), wanted_by(attempt.delivery.payload)
        await send_items_async(generator, attempt.delivery.attempt, window, attempt.sender, encoding)
        attempt.end = AttemptEnd(attempt.delivery.attempt, OutcomeKind.SUCCESS, NONE)
    return attempt.end
