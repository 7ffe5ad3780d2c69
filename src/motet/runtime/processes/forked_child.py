"""A process that user code forks from a container is no container: it never gets on in Motet's code, but ends."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NoReturn

import motet
from motet.runtime.cpython.processes import how_it_left, is_multiprocessing_fork, runs_one_after_the_other

is_one = False
"""Whether this process is one."""

is_containers_fork = False
"""A template forks a container just now. That is none of these: it goes on where the template was."""

CANNOT_AWAIT = 70
_MOTET = os.path.dirname(motet.__file__) + os.sep
_USER_LOOP = os.path.join(_MOTET, "runtime", "loop", "user_loop.py")
_SYNC = ("run_sync", "stream_sync", "run_batch")
"""Functions of the runtime that say `leave` when user code comes back to them, and so know how it ended."""

_descriptors: set[int] = set()


@contextlib.contextmanager
def that_are_containers() -> Iterator[None]:
    """What is forked in this block is a container."""
    global is_containers_fork
    is_containers_fork = True
    try:
        yield
    finally:
        is_containers_fork = False


def has_none_of(descriptor: int) -> None:
    """This connection is the container's alone: forked processes must not read from it or write to it."""
    _descriptors.add(descriptor)


def is_closed(descriptor: int) -> None:
    """That connection is over, and its number may be given to a file of the user's."""
    _descriptors.discard(descriptor)


def begin(frame: FrameType | None) -> None:
    """This process has just been forked, by this frame."""
    global is_one
    is_one = True
    # Not closed: their numbers would be given to files of the user's.
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for descriptor in _descriptors:
        os.dup2(nothing, descriptor, inheritable=False)
    os.close(nothing)
    outermost = _outermost_on_loop(frame)
    if outermost is not None:
        sys.setprofile(_ends_with(outermost))


def leave(error: BaseException | None = None) -> None:
    """User code has come back, or has raised `error`: a forked process ends here, as a program of its own would."""
    if is_one:
        _end(_status(error))


def _status(error: BaseException | None) -> int:
    if error is None:
        return 0
    if isinstance(error, SystemExit):
        if error.code is None or isinstance(error.code, int):
            return error.code or 0
        print(error.code, file=sys.stderr)
    else:
        traceback.print_exception(error)
    return 1


def _end(status: int) -> NoReturn:
    try:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        logging.shutdown()
    finally:
        os._exit(status & 0xFF)


# --- in what runs on event loops and in pools of threads ---------------------------------------------------------------


def _outermost_on_loop(frame: FrameType | None) -> FrameType | None:
    """The outermost frame of what the event loop runs, if this is one of those. When it returns, or awaits, its process has
    come back to the loop, which belongs to the container, with all its other inputs. (A pool's thread would wait for ever.)"""
    outermost: FrameType | None = None
    while frame is not None:
        file = frame.f_code.co_filename
        if is_multiprocessing_fork(file) or (frame.f_code.co_name in _SYNC and file.startswith(_MOTET)):
            return None  # ends by itself, and never comes back
        if file == _USER_LOOP or runs_one_after_the_other(file):
            return outermost
        outermost = frame
        frame = frame.f_back
    return None


def _ends_with(outermost: FrameType) -> Callable[[FrameType, str, Any], None]:
    def profile(frame: FrameType, event: str, arg: Any) -> None:
        if event == "return" and frame is outermost:
            sys.setprofile(None)
            how = how_it_left(frame)
            if how == "returned":
                _end(0)
            if how == "awaits" or frame.f_code.co_filename.startswith(_MOTET):
                print(
                    "motet: a process that was forked in async code cannot await: the event loop is its container's. It ends. "
                    "Fork in sync code, or use asyncio.create_subprocess_exec or concurrent.futures.ProcessPoolExecutor.",
                    file=sys.stderr,
                )
                _end(CANNOT_AWAIT)
            _end(1)

    return profile
