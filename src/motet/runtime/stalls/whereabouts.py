"""What the threads of this process are at, seen from another thread: their code, their input, and their time on a CPU."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import NamedTuple

import motet
from motet.context.current_input import CurrentInput, current
from motet.model.ids import input_id
from motet.runtime.attempts.attempt import RunningAttempt
from motet.runtime.cpython.tasks import context_of
from motet.runtime.cpython.threads import runs_for
from motet.runtime.stalls.stalls import Place, Sight

_every_thread = threading.enumerate  # containers hide some from their code
_MOTET = os.path.dirname(motet.__file__) + os.sep
_LIBRARY = os.path.dirname(os.__file__) + os.sep
_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")


# --- code and input ---------------------------------------------------------------------------------------------------


def sight_on_loop(loop: asyncio.AbstractEventLoop, thread: int) -> Sight | None:
    """What keeps a loop that runs on the thread of that ident; None if it is nothing of the user's."""
    task = asyncio.current_task(loop)
    frame = sys._current_frames().get(thread)
    if frame is None:
        return None
    place = _users_place(frame)
    if task is None:
        # A callback. Each is taken for the same work as another one of the same function.
        return Sight(None, place, hash((place.file, place.function))) if place is not None else None
    return Sight(_input_of_context(context_of(task)), place or _place(frame), id(task))


def sight_on_thread(thread: int) -> Sight | None:
    """What the thread of that ident is at; None if that is nothing of the user's, or it has ended."""
    frame = sys._current_frames().get(thread)
    if frame is None:
        return None
    place, running = _users_place(frame), _input_on_stack(frame)
    if place is None and running is None:
        return None
    # Of the user's, though not their code: such as unpickling the arguments.
    return Sight(running, place or _place(frame), thread)


def _stack(frame: FrameType | None) -> Iterator[FrameType]:
    """From the innermost call outwards."""
    while frame is not None:
        yield frame
        frame = frame.f_back


def _place(frame: FrameType) -> Place:
    code = frame.f_code
    return Place(code.co_filename, code.co_qualname, frame.f_lineno)


def _users_place(frame: FrameType) -> Place | None:
    for each in _stack(frame):
        file = each.f_code.co_filename
        if not (file.startswith((_MOTET, _LIBRARY, "<frozen ")) or any(it in file for it in _INSTALLED)):
            return _place(each)
    return None


def _input_of_context(context: object) -> str | None:
    running = context.get(current) if isinstance(context, contextvars.Context) else None
    return input_id(running.call_id, running.index) if isinstance(running, CurrentInput) else None


def _input_on_stack(frame: FrameType) -> str | None:
    """Threads do not tell their context either. Frames of ours, and of what starts threads for users, have it at hand."""
    for each in _stack(frame):
        code = each.f_code
        if code.co_filename.startswith(_MOTET):
            attempt = each.f_locals.get("attempt")
            if isinstance(attempt, RunningAttempt):
                return input_id(attempt.delivery.call_id, attempt.delivery.index)
        elif (run := runs_for(each)) is not None:
            # A context's `run`: of an executor's work as it is, of a thread's as the function of a partial one.
            return _input_of_context(getattr(getattr(run, "func", run), "__self__", None))
    return None


# --- time on a CPU ----------------------------------------------------------------------------------------------------


class Busiest(NamedTuple):
    """A thread, by its ident: how long it ran and waited for a CPU, and how long Python's other threads ran."""

    ident: int
    ran: float
    starved: float
    others_ran: float


class ThreadClocks:
    """Seconds that threads, by their native ids, ran and were kept waiting for a CPU, as the kernel counts them."""

    def __init__(self) -> None:
        self._noted: dict[int, tuple[float, float]] = {}
        self._has_waits = os.path.exists(f"/proc/self/task/{threading.get_native_id()}/schedstat")
        self._tick = os.sysconf("SC_CLK_TCK")

    def read(self, native_id: int) -> tuple[float, float]:
        """How long a thread has run, and has waited for a CPU (0 where the kernel does not say); zeros if it has ended."""
        with contextlib.suppress(OSError, ValueError):
            if self._has_waits:
                with open(f"/proc/self/task/{native_id}/schedstat", "rb") as file:
                    ran, waited, _ = file.read().split()
                return int(ran) / 1e9, int(waited) / 1e9
            with open(f"/proc/self/task/{native_id}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
            return (int(fields[11]) + int(fields[12])) / self._tick, 0.0
        return 0.0, 0.0

    def note(self) -> None:
        """Remember what each thread's clocks show, for `busiest`."""
        with contextlib.suppress(OSError):  # no file can be opened: the user's code has too many
            self._noted = self._all()

    def busiest(self) -> Busiest | None:
        """The one of Python's threads that has run most since `note`; None if that is not known."""
        with contextlib.suppress(OSError):
            by_now, found, all_ran = self._all(), Busiest(0, 0.0, 0.0, 0.0), 0.0
            for thread in _every_thread():
                if thread.native_id in by_now:
                    (ran, waited), before = by_now[thread.native_id], self._noted.get(thread.native_id, (0.0, 0.0))
                    all_ran += ran - before[0]
                    if ran - before[0] > found.ran:
                        found = Busiest(thread.ident or 0, ran - before[0], waited - before[1], 0.0)
            return found._replace(others_ran=all_ran - found.ran)
        return None

    def waits(self) -> tuple[float, float]:
        """How long the one of Python's threads waited for a CPU since `note` that waited longest, and all together; zeros if
        that is not known."""
        if not self._has_waits:
            return 0.0, 0.0
        threads = (thread.native_id for thread in _every_thread() if thread.native_id in self._noted)
        waits = [max(0.0, self.read(it)[1] - self._noted[it][1]) for it in threads if it is not None]
        return max(waits, default=0.0), sum(waits)

    def _all(self) -> dict[int, tuple[float, float]]:
        return {native_id: self.read(native_id) for native_id in map(int, os.listdir("/proc/self/task"))}
