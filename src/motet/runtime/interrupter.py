"""Interrupting one thread among many: a cancellation raised in the user code that it runs, also out of a blocking call."""

from __future__ import annotations

import builtins
import signal
import threading
import time
from collections.abc import Callable, Sequence

from motet.client.gate import Gate, here
from motet.client.waiter import Waiter
from motet.errors import InputCancellation
from motet.runtime.signalled_thread import SignalledThread, set_asynchronous

CANCEL_SIGNAL = signal.SIGUSR1
_WAITS = (0.002, 0.006, 0.012)
"""Seconds after each signal. It is sent again: the first may have come in the instant before a blocking call."""
_FIRST_PAUSE, _LAST_PAUSE = 0.05, 5.0
"""Seconds until it is tried again where that brought nothing, as on a machine too busy to run the thread; then twice that."""
_TEST_WAITS = (0.002, 0.01, 0.05, 0.2, 0.5)


class Interrupter:
    """Raises `InputCancellation` in the thread of a gate, if user code runs there.

    1. A signal is sent to that thread. Blocking calls end early for one (PEP 475), to run its Python handler, and the
       handler raises what is pending at the gate of the thread it runs on. CPython runs handlers on the main thread
       alone, so for any other thread it is made to take that one for the main thread, until the handler has run.
    2. Where that cannot be, or brings no answer at once, an asynchronous exception: it is there as soon as the thread
       gets to its next bytecode, which a blocking call can put off for ever. (From Python 3.13 on a signal does not reach a
       thread that runs bytecode, so this does.)

    For 1. a private field is written, so it is tried on a thread of our own first, once; and it is not done while the
    user's code has another handler for the signal.
    """

    def __init__(self, find: Callable[[], SignalledThread | None] = SignalledThread.found) -> None:
        self._find = find
        self._main = threading.main_thread().ident
        self._lock = threading.Lock()
        self._target: Gate | None = None
        self._answer: Waiter[None] = Waiter()
        self._signalled: SignalledThread | None = None
        self._tried = False

    def install(self) -> None:
        """Take the signal. On the main thread, before the first input."""
        signal.signal(CANCEL_SIGNAL, self._on_signal)

    def interrupt(self, gate: Gate) -> None:
        """Cancel the attempt of this gate: where its thread is now, or else as soon as it is in user code. Once per gate.

        Thread-safe. Returns when that is done, or after a fiftieth of a second (the first time, a second) all the same;
        then it is tried again, less and less often.
        """
        gate.ask()
        self._tell(gate, _FIRST_PAUSE)

    @property
    def reaches_blocking_calls(self) -> bool:
        """Whether other threads than the main one can be interrupted while they block. The first time it is tried out."""
        if not self._tried:
            self._tried = True
            self._signalled = self._find()
            if self._signalled is not None and not self._works(self._signalled):
                self._signalled = None
        return self._signalled is not None

    def _tell(self, gate: Gate, pause: float) -> None:
        with self._lock:
            if gate.is_due:
                self._interrupt(gate)
        if gate.is_due and pause < _LAST_PAUSE:
            again = threading.Timer(pause, self._tell, (gate, 2 * pause))
            again.daemon = True
            again.start()

    def _interrupt(self, gate: Gate) -> None:
        is_ours = signal.getsignal(CANCEL_SIGNAL) == self._on_signal
        if is_ours and gate.thread == self._main:
            self._send(gate, _WAITS)
        elif is_ours and self.reaches_blocking_calls and self._signalled is not None:
            with self._signalled.moved_to(gate.thread):
                self._send(gate, _WAITS, arming=True)
        else:
            gate.arm(set_asynchronous)

    def _send(self, gate: Gate, waits: Sequence[float], *, arming: bool = False) -> None:
        """Until the handler has run there. `arming`: an asynchronous exception goes along from the second signal on."""
        answer: Waiter[None] = Waiter()
        self._answer, self._target = answer, gate
        try:
            for turn, seconds in enumerate(waits):
                if turn == 1 and arming:
                    gate.arm(set_asynchronous)
                signal.pthread_kill(gate.thread, CANCEL_SIGNAL)
                answer.timeout = seconds
                try:
                    answer.wait()
                    return
                except builtins.TimeoutError:
                    if not gate.pending:
                        return
        finally:
            self._target = None

    def _on_signal(self, signum: int, frame: object) -> None:
        gate = here.gate
        if gate is None:
            return
        if gate is self._target:
            if self._signalled is not None:
                self._signalled.restore()
            self._answer.set(None)
        gate.deliver()

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
        # Signals may only be sent to a thread that there is.
        self.over.wait()
