"""Interrupting one thread among many: a cancellation raised in the user code that it runs, also out of a blocking call."""

from __future__ import annotations

import _thread
import builtins
import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import FrameType

from motet.client import gate as gates
from motet.client.gate import Gate, here
from motet.client.waiter import Waiter
from motet.errors import InputCancellation
from motet.runtime.cancellation.held_back import HeldBack
from motet.runtime.cancellation.landing import Landing, landing_at, landing_on_this_thread, place_of_harm
from motet.runtime.cancellation.signalled_thread import (
    CANCEL_SIGNAL,
    SignalledThread,
    introduce_thread,
)
from motet.runtime.cpython.interruption import set_asynchronous

_WAITS = (0.002, 0.006, 0.012)
"""Seconds after each signal. It is sent again: the first may have come in the instant before a blocking call."""
_STEPPING = (0.001, 0.003, 0.008)
"""Seconds for which a thread that was met where nothing may be raised looks again at each of its steps. In between it is
signalled again: by one of its steps it may have got into a wait."""
_HELD_BACK = (0.001, 0.05)
"""The first and the longest pause, in seconds, until that is tried again; and until shields and gates are looked at."""
_UNHEARD = (0.05, 5.0)
"""The same where the thread did not answer, as on a machine too busy to run it, or in C code."""
_TEST_WAITS = (0.002, 0.01, 0.05, 0.2, 0.5)


class _Signal(int):
    again = property(_thread.interrupt_main)
    """Reading it simulates the signal. Unlike a call that is no step: its handler runs after the one that reads it."""


_AGAIN = _Signal(CANCEL_SIGNAL)


class Interrupter:
    """Raises `InputCancellation` in the thread of a gate, if user code runs there.

    1. A signal is sent to that thread. Blocking calls end early for one (PEP 475), to run its Python handler, and the
       handler raises what is pending at the gate of the thread it runs on. CPython runs handlers on the main thread
       alone, so for any other thread it is made to take that one for the main thread, until the handler has run.
    2. Where that cannot be, or brings no answer soon, an asynchronous exception: it is there as soon as the thread
       gets to its next bytecode, which a blocking call can put off for ever.

    In neither way is it raised where it would break what the thread's neighbours use (`landing.py`): a handler that finds
    itself there looks again at each of the thread's steps, for a moment, and then it is tried again after pauses.

    For 1. a private field is written, so it is tried on a thread of our own first, once; and it is not done while the
    user's code has another handler for the signal.
    """

    def __init__(self, find: Callable[[], SignalledThread | None] = SignalledThread.found) -> None:
        self._find = find
        self._main = threading.main_thread().ident
        self._lock = threading.Lock()
        self._target: Gate | None = None
        self._heard: Waiter[None] = Waiter()
        self._over: Waiter[None] = Waiter()
        self._steps_until = 0.0
        self._signalled: SignalledThread | None = None
        self._tried = False
        self._told = False
        self._held_back = HeldBack(self._try)

    def install(self) -> None:
        """Take the signal, unless the user's code has. On the main thread, before the first input."""
        gates.may_land = lambda frame: landing_at(frame) is Landing.HERE
        gates.place_of_harm = place_of_harm
        gates.on_new_thread = introduce_thread
        introduce_thread()
        handler = signal.getsignal(CANCEL_SIGNAL)
        if handler is signal.SIG_DFL or getattr(handler, "__func__", None) is Interrupter._on_signal:
            signal.signal(CANCEL_SIGNAL, self._on_signal)
        else:
            self._tell_of_other_handler()

    def interrupt(self, gate: Gate) -> None:
        """Cancel the attempt of this gate: where its thread is now, or else as soon as it is in user code. Once per gate.

        Thread-safe. Returns when that is done, or after a thirtieth of a second (the first time, a second) all the same;
        then it is tried again, until the attempt has left its gate.
        """
        gate.ask()
        if (pause := self._try(gate, 0.0)) is not None:
            self._held_back.add(gate, pause)

    def wake_main(self) -> None:
        """Have a blocking call of the main thread run handlers, of which there may be more to run than the signal's own."""
        if self._is_installed and self._main is not None:
            signal.pthread_kill(self._main, CANCEL_SIGNAL)

    @property
    def _is_installed(self) -> bool:
        return signal.getsignal(CANCEL_SIGNAL) == self._on_signal

    @property
    def reaches_blocking_calls(self) -> bool:
        """Whether other threads than the main one can be interrupted while they block. The first time it is tried out."""
        if not self._tried:
            # Before it is: what cannot be tried out is not to be tried each time, for it takes a second.
            self._tried = True
            self._signalled = self._find()
            if self._signalled is not None and not self._works(self._signalled):
                self._signalled = None
        return self._signalled is not None

    def _try(self, gate: Gate, pause: float) -> float | None:
        """Returns the seconds until it is to be tried again, if at all."""
        heard = True
        with self._lock:
            if gate.is_due:
                heard = self._interrupt(gate)
        if not gate.pending:
            return None
        first, last = _HELD_BACK if heard else _UNHEARD
        return min(max(first, 2 * pause), last)

    def _interrupt(self, gate: Gate) -> bool:
        """False: the thread did not answer."""
        is_ours = self._is_installed
        if is_ours and gate.thread == self._main:
            return self._send(gate, _WAITS)
        if is_ours and self.reaches_blocking_calls and self._signalled is not None:
            with self._signalled.moved_to(gate.thread):
                return self._send(gate, _WAITS, arming=True)
        if not is_ours:
            self._tell_of_other_handler()
        return self._arm(gate)

    def _send(self, gate: Gate, waits: Sequence[float], *, arming: bool = False) -> bool:
        """Until the handler has run there. `arming`: an asynchronous exception goes along with the last signal."""
        heard, over = self._heard, self._over = Waiter[None](), Waiter[None]()
        # Before the signal, whose handler looks at them.
        self._steps_until, self._target = time.monotonic() + sum(waits), gate
        try:
            for turn, seconds in enumerate(waits):
                if arming and turn == len(waits) - 1:
                    self._arm(gate)
                signal.pthread_kill(gate.thread, CANCEL_SIGNAL)
                heard.timeout = seconds
                with contextlib.suppress(builtins.TimeoutError):
                    heard.wait()
                    self._see_out(gate, over)
                    return True
                if not gate.pending:
                    return True
            return False
        finally:
            # A signal that comes after this is late: its handler minds the gate alone.
            self._target = None

    def _see_out(self, gate: Gate, over: Waiter[None]) -> None:
        """Wait until the thread's handler has raised, or has given up for now."""
        for seconds in _STEPPING:
            over.timeout = seconds
            with contextlib.suppress(builtins.TimeoutError):
                over.wait()
                return
            if not gate.pending:
                return
            signal.pthread_kill(gate.thread, CANCEL_SIGNAL)

    def _arm(self, gate: Gate) -> bool:
        """Unless the thread is where nothing may be raised. One that computes may get there before it is hit: then the
        attempt's end tells."""
        if self._may_be_hit(gate):
            gate.arm(set_asynchronous)
            if not self._may_be_hit(gate):
                gate.disarm()
        return False

    def _may_be_hit(self, gate: Gate) -> bool:
        return landing_at(sys._current_frames().get(gate.thread)) is Landing.HERE

    # --- on the thread that is interrupted ----------------------------------------------------------------------------

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        gate = here.gate
        if gate is None or self._is_at_work(frame):
            return
        is_target = gate is self._target
        if is_target:
            self._heard.set(None)
        landing = Landing.LATER
        if gate.is_due:
            gate.disarm()
            landing = landing_on_this_thread(frame)
            if landing is Landing.SOON and is_target and time.monotonic() < self._steps_until:
                _AGAIN.again  # noqa: B018
                return
        if is_target:
            if self._signalled is not None:
                self._signalled.restore()
            self._over.set(None)
        if landing is Landing.HERE:
            gate.land()

    def _is_at_work(self, frame: FrameType | None) -> bool:
        """The signal came again within the handler, which is enough."""
        while frame is not None and frame.f_globals.get("__name__", "").startswith("motet."):
            if frame.f_code is Interrupter._on_signal.__code__:
                return True
            frame = frame.f_back
        return False

    def _tell_of_other_handler(self) -> None:
        if not self._told:
            self._told = True
            print(
                f"motet: this container's code has a handler of its own for signal {CANCEL_SIGNAL:d}, with which Motet "
                "interrupts cancelled sync inputs. It is kept: such inputs end only when what they wait for does. "
                "Use another signal, such as SIGUSR1.",
                file=sys.stderr,
                flush=True,
            )

    def _works(self, signalled: SignalledThread) -> bool:
        sleeper = _Sleeper()
        sleeper.start()
        gate = sleeper.asleep.wait()
        with signalled.moved_to(gate.thread):
            gate.ask()
            self._send(gate, _TEST_WAITS)
        sleeper.over.set(None)
        sleeper.join()
        return sleeper.interrupted


class _Sleeper(threading.Thread):
    """Sleeps for a second, unless interrupted."""

    def __init__(self) -> None:
        super().__init__(name="motet-sleeper", daemon=True)
        self.asleep: Waiter[Gate] = Waiter()
        self.over: Waiter[None] = Waiter()
        self.interrupted = False

    def run(self) -> None:
        gate = Gate()
        gate.enter()
        try:
            gate.open()
            self.asleep.set(gate)
            time.sleep(1)
        except InputCancellation:
            self.interrupted = True
        finally:
            gate.shut()
            gate.leave()
        # Signals may only be sent to a thread that there is.
        self.over.wait()
