"""Tasks of asyncio: which there are, in which context, and how a loop says that it was stopped."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
from collections.abc import Sized
from typing import Any


def all_tasks() -> Sized | None:
    """What holds all tasks of all loops, also ended ones for a while; None where nothing does."""
    found: Sized | None = getattr(asyncio.tasks, "_all_tasks", None)
    if found is None and sys.version_info < (3, 14):  # where it has no more than some of them
        found = getattr(asyncio.tasks, "_scheduled_tasks", None)
    return found


def context_of(task: asyncio.Task[Any]) -> contextvars.Context | None:
    """The context that a task runs in; None if that cannot be known."""
    if sys.version_info >= (3, 12):
        return task.get_context()
    # Tasks of Python 3.11 do not tell, but the collector knows what they refer to: their own context first.
    return next((it for it in gc.get_referents(task) if isinstance(it, contextvars.Context)), None)


def event_loop_policy() -> asyncio.AbstractEventLoopPolicy:
    """The policy that the program has; without a warning where asking for it is deprecated."""
    get = getattr(asyncio.events, "_get_event_loop_policy", None) or asyncio.get_event_loop_policy
    return get()


def stopped_before_done(error: BaseException) -> bool:
    """Whether `run_until_complete` says by this that somebody stopped its loop."""
    return isinstance(error, RuntimeError) and "loop stopped before" in str(error)
