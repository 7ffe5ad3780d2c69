"""A thread beside the inputs of a container, which notices when one of them keeps the others from running."""

from __future__ import annotations

import _thread
import asyncio
import sys
import threading
from collections.abc import Callable, Mapping
from time import monotonic, sleep, thread_time

from motet.errors import InvalidError
from motet.runtime.stalls.stalls import Sample, Sight, Stall, Stalls, Warnings, late
from motet.runtime.stalls.stuck import Stuck
from motet.runtime.stalls.whereabouts import ThreadClocks, sight_on_loop, sight_on_thread

VARIABLE = "MOTET_BLOCKED_AFTER"
BLOCKED_AFTER = 0.25
"""Seconds. Callers notice a delay of that length, and code that was meant to wait politely never takes as long."""

_TICKS = 5
"""Looks per threshold: as many more wake-ups as a stall can be measured more exactly."""
_SHORTEST_TICK = 0.02
_DOZE_AFTER = 1.0
"""Seconds without inputs after which it sleeps until the next one."""
_CLOCKS_SHARE = 0.01
"""The part of its time in which it reads all threads' clocks at most; with a thousand threads that is not each time."""


def blocked_after(env: Mapping[str, str]) -> float:
    """The threshold in seconds, from the environment; 0 means: no watchdog. Raises `InvalidError`."""
    text = env.get(VARIABLE, "")
    try:
        seconds = float(text) if text else BLOCKED_AFTER
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise InvalidError(
            f"{VARIABLE} is {text!r}; it must be a number of seconds after which code that blocks a container is "
            f"reported, such as {BLOCKED_AFTER}, or 0 for no reports."
        )
    return seconds


Tell = Callable[[Stall, float, str | None], None]
"""Is told of a stall, of the moment at which it was over (or was still going on), and of the warning to give, if any."""


def _print_warning(stall: Stall, now: float, warning: str | None) -> None:
    if warning is not None:
        print(warning, file=sys.stderr, flush=True)


class Watchdog:
    """Warns of an input that blocks the container's event loop or holds the GIL for `threshold` seconds: on stderr, or as
    `tell` does it.

    `held` says how many inputs there are. While there are some, it wakes several times per threshold, asks the loop to
    answer, and looks who keeps it if it does not, or kept itself from waking; `stuck` is told of each look. Without any, it
    sleeps: then `asleep` is true, and whoever brings an input calls `wake`. Made on the loop's thread.
    """

    def __init__(
        self,
        function: str,
        loop: asyncio.AbstractEventLoop | None,
        held: Callable[[], int],
        threshold: float,
        tell: Tell = _print_warning,
        stuck: Stuck | None = None,
    ) -> None:
        self.asleep = True
        self._tell = tell
        self._stuck = stuck
        self._warnings = Warnings(function)
        self._loop = loop
        self._loop_ident = threading.get_ident()
        self._loop_native = threading.get_native_id()
        self._held = held
        self._threshold = threshold
        self._tick = max(threshold / _TICKS, _SHORTEST_TICK)
        self._stalls = Stalls(threshold, self._tick)
        self._clocks = ThreadClocks()
        self._clocks_due = 0.0
        self._noted = False
        """The clocks show what was since the sample before; with very many threads they are not read each time."""
        self._woken = threading.Event()
        self._asked = False
        self._answered_at: float | None = None
        # Not a `Thread`: one that is started within an input's code would be taken for the input's.
        _thread.start_new_thread(self._run, ())

    def wake(self) -> None:
        """There are inputs again. From any thread."""
        # At once: deliveries from here on need not wake it.
        self.asleep = False
        self._woken.set()

    def say_repeats(self) -> None:
        """Print how often each place stalled, if more than once: the container ends."""
        for line in self._warnings.repeats():
            print(line, file=sys.stderr, flush=True)

    def _run(self) -> None:
        threading.current_thread().name = "motet-watchdog"
        self._native = threading.get_native_id()
        while True:
            self._doze()
            self._watch()

    def _doze(self) -> None:
        self._woken.clear()
        self.asleep = True
        if not self._held():  # else one came just now, and whoever brought it may have seen it awake
            self._woken.wait()
        self.asleep = False

    def _watch(self) -> None:
        """Take samples for as long as there are inputs, and a little longer."""
        self._stalls.forget()
        # An answer from before the pause says nothing of now.
        self._asked = False
        self._ask()
        self._note_clocks(monotonic())
        busy_at = before = monotonic()
        _, starved = self._clocks.read(self._native)
        _, loop_starved = self._clocks.read(self._loop_native)
        while before - busy_at < _DOZE_AFTER:
            sleep(self._tick)
            now = monotonic()
            waits = self._clocks.read(self._native)[1], self._clocks.read(self._loop_native)[1]
            held = self._held()
            sample = self._sample(now, before, held, max(0.0, waits[0] - starved), max(0.0, waits[1] - loop_starved))
            for stall in self._stalls.take(sample):
                self._tell(stall, now, self._warnings.first(stall))
            if self._stuck is not None:
                self._stuck.take(sample, self._tick)
            if held:
                busy_at = now
            before, (starved, loop_starved) = now, waits
            self._ask()
            self._note_clocks(now)

    def _sample(self, now: float, before: float, held: int, starved: float, loop_starved: float) -> Sample:
        slept = now - before
        at_work = at = None
        if held and late(slept, starved, self._tick) >= self._threshold:
            at_work = self._clocks.busiest()
            if at_work is not None:
                at = self._sight(at_work.ident)
        answered: float | None = 0.0
        on_loop = None
        if self._loop is not None and self._asked:
            answered_at = self._answered_at
            if answered_at is not None:
                answered = max(0.0, answered_at - before)
                self._asked = False
            # A loop that does not run is paused: the main thread is at work of its own.
            elif held and self._loop.is_running():
                answered = None
                on_loop = sight_on_loop(self._loop, self._loop_ident)
        others_starved = 0.0
        if held and self._noted and (self._stalls.has_begun or answered is None or answered >= self._tick / 5):
            longest, together = self._clocks.waits()
            # Threads that take turns with the GIL wait for a CPU one after the other, each with the GIL.
            others_starved = max(longest, min(slept, together))
        return Sample(
            slept=slept,
            starved=starved,
            answered=answered,
            on_loop=on_loop,
            loop_starved=loop_starved,
            others_starved=others_starved,
            busiest=at,
            busiest_ran=at_work.ran if at_work is not None else 0.0,
            busiest_starved=at_work.starved if at_work is not None else 0.0,
            others_ran=at_work.others_ran if at_work is not None else 0.0,
            held=held,
        )

    def _sight(self, thread: int) -> Sight | None:
        if thread == self._loop_ident and self._loop is not None and self._loop.is_running():
            return sight_on_loop(self._loop, thread)
        return sight_on_thread(thread) if thread != threading.get_ident() else None

    def _ask(self) -> None:
        if self._loop is not None and not self._asked:
            self._answered_at, self._asked = None, True
            try:
                self._loop.call_soon_threadsafe(self._answer)
            except RuntimeError:  # it has been closed
                self._loop = None

    def _answer(self) -> None:
        self._answered_at = monotonic()

    def _note_clocks(self, now: float) -> None:
        self._noted = now >= self._clocks_due
        if self._noted:
            began = thread_time()  # not by the clock on the wall: on a busy machine that says nothing of what it cost
            self._clocks.note()
            self._clocks_due = now + (thread_time() - began) / _CLOCKS_SHARE
