"""From a fresh fork of the template to a container: own session, streams, directory and environment, then its entry."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from io import TextIOWrapper
from typing import Any, NoReturn

from msgspec.structs import replace

from motet.client import family
from motet.runtime.cpython.threads import run_exit_functions
from motet.runtime.lifecycle import leaving
from motet.runtime.walls.app_user import become_app_user
from motet.runtime.walls.bubblewrap import TEMPORARY
from motet.runtime.walls.enclosure import Enclosure, join
from motet.wire.template import Fork, MakeSpare, decode_confided

Entry = Callable[[Fork], int]
"""Runs the container that was asked for, and returns its exit status. Given as a whole: its token hides in it from loggers."""

CRASHED = 70
NAME = ("motet-container",)
"""What a container finds as its arguments."""
_SACRIFICE = 500
"""Of 1000: what counts more than half of the machine's memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """Where containers of one template begin: at `entry`, with the open files and the signal handlers that user code has left
    there; it has `sys.stdout` and `sys.stderr` of its own if it has been imported (`is_prepared`)."""

    entry: Entry
    is_prepared: bool = False
    files: frozenset[int] = frozenset()
    handlers: tuple[tuple[signal.Signals, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Birth:
    """What the child of a fork needs to become a container: the request, the descriptors of its streams and of what is confided
    to it, the template's pid (0 where it cannot see that), where it begins, and the walls that it is within. `is_settled`: it
    was a spare, and has settled before."""

    fork: Fork
    stdout: int
    stderr: int
    confided: int
    template: int
    beginning: Beginning
    enclosure: Enclosure | None = None
    is_settled: bool = False


def settle(
    order: Fork | MakeSpare, template: int, beginning: Beginning, enclosure: Enclosure | None, keep: int | None = None
) -> None:
    """Be within the limits and walls that were ordered, in a session of its own. Of open files, stdin, stdout and stderr stay,
    those of user code, and `keep`. Raises `OSError`."""
    if enclosure is None:
        join(order.joins)
    _close_all_but({keep, *beginning.files})
    if enclosure is not None:
        enclosure.settle(order)
    elif order.walls.own_user is not None and not beginning.is_prepared:
        become_app_user(order.walls, order.directory)
    _become_own_session(template)


def live(birth: Birth) -> NoReturn:
    """Become the container, run its entry, and end the process with its status: `CRASHED` if an exception escapes."""

    def run() -> int:
        fork = _with_confided(birth)
        _take_streams(birth)
        if not birth.is_settled:
            settle(birth.fork, birth.template, birth.beginning, birth.enclosure)
        for number, handler in birth.beginning.handlers:
            signal.signal(number, handler)
        _take_surroundings(fork)
        _draw_anew()
        gc.enable()
        return birth.beginning.entry(fork)

    end_with(run)


def end_with(run: Callable[[], int]) -> NoReturn:
    """End this process, which is a container, with the status that `run` returns: `CRASHED` if an exception escapes."""
    code = CRASHED
    try:
        code = run()
    except SystemExit as request:
        code = request.code if isinstance(request.code, int) else int(request.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        _leave(code)


def _with_confided(birth: Birth) -> Fork:
    with open(birth.confided, "rb") as file:
        confided = decode_confided(file.read())
    directory = birth.fork.directory if birth.enclosure is None else TEMPORARY
    return replace(birth.fork, token=confided.token, env=confided.env, directory=directory)


def _take_streams(birth: Birth) -> None:
    """stdin is /dev/null since the template started. Lines are written at once."""
    for number, stream in enumerate((birth.stdout, birth.stderr), 1):
        os.dup2(stream, number)
        os.close(stream)
    if not birth.beginning.is_prepared:
        write_lines()


def _close_all_but(kept: set[int | None]) -> None:
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in kept:
            # The descriptor of the listing itself is in the list, and closed by now.
            with contextlib.suppress(OSError):
                os.close(int(name))


def write_lines() -> None:
    """What this process prints is written line by line."""
    sys.stdout = _line_writer(1)
    sys.stderr = _line_writer(2)


def _line_writer(descriptor: int) -> TextIOWrapper:
    return open(descriptor, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


def _become_own_session(template: int) -> None:
    os.setsid()
    _go_before_others_when_memory_runs_out()
    family.die_with_parent(signal.SIGKILL, template)
    # Daemons it starts become its own children, so that they are known to be the template's to kill once it is gone.
    family.adopt_orphans()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _go_before_others_when_memory_runs_out() -> None:
    """The kernel's killer is to take a container, which is started again, not the template or the server with all of them."""
    with contextlib.suppress(OSError, ValueError):
        path = "/proc/self/oom_score_adj"
        with open(path) as file:
            score = int(file.read())
        with open(path, "w") as file:
            file.write(str(min(1000, score + _SACRIFICE)))


def _take_surroundings(fork: Fork) -> None:
    os.environb.clear()
    os.environb.update(fork.env)
    if fork.walls.own_user is not None:
        os.environ.setdefault("HOME", fork.directory)
    time.tzset()
    os.chdir(fork.directory)
    sys.argv[:] = NAME


def _draw_anew() -> None:
    """Containers of one template are not to draw the same random numbers. (Python's own generator sees to that by itself.)"""
    if numpy_random := sys.modules.get("numpy.random"):
        numpy_random.seed()


def _leave(code: int) -> NoReturn:
    try:
        # os._exit skips these, but users expect them, and logging flushes in one. One joins all child processes: those of
        # pools end when they are told to, which Python does where it waits for threads.
        leaving.end_threads()
        run_exit_functions()
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        # Not sys.exit: a thread of the user's that never ends must not keep the container.
        os._exit(code & 0xFF)
