"""Where a cancellation may get into the code of an input that runs on a thread: its gate, and shields in front of it."""

from __future__ import annotations

import sys
import threading
from _thread import get_ident
from collections.abc import Callable
from types import FrameType, TracebackType

from motet.client.forks import in_forked_child
from motet.errors import InputCancellation

MESSAGE = "Input was cancelled"

SetAsynchronous = Callable[[int, type[BaseException] | None], None]
"""Have the thread with this ident raise an exception of this type between two bytecodes; None takes that back."""

may_land: Callable[[FrameType], bool] | None = None
"""Whether a cancellation may be raised in this frame of the thread that asks; None: anywhere. Containers know."""
place_of_harm: Callable[[TracebackType | None], str | None] | None = None
"""Where an exception was raised, if a cancellation might not have been: it may have broken something there."""
on_new_thread: Callable[[], object] | None = None
"""Is called on each thread that attempts run on, once, before the first one."""


class Gate:
    """One attempt's. Open while user code runs, and shut while Motet's own does: nothing is raised into that.

    A cancellation is raised once, as asyncio's is, so that `finally` blocks run undisturbed. `ask` may come from any
    thread, once; all else is for the thread that the attempt runs on, and for signal handlers on it.
    """

    # On the class: a new gate is an empty object, and most gates are only opened and shut.
    thread = 0
    is_open = False
    pending = False
    """It was asked for and has not been raised yet."""
    harm: str | None = None
    """Where it was raised, if it may have broken something there that other attempts use."""
    _shields = 0
    _armed: SetAsynchronous | None = None

    def enter(self) -> None:
        """This thread runs the attempt from now on."""
        self.thread = get_ident()
        here.gate = self

    def open(self) -> None:
        """User code runs from now on. Raises what is pending."""
        self.is_open = True
        if self.pending:
            self.deliver()

    def shut(self) -> None:
        """User code does not run any more: nothing is raised from now on."""
        self.is_open = False
        if self._armed is not None:
            self._disarm()

    def leave(self) -> None:
        """The attempt has ended: nothing is pending any more."""
        self.pending = False

    def raised(self, error: BaseException) -> None:
        """The attempt ends with this exception: notes what it may have broken."""
        if isinstance(error, InputCancellation) and self.harm is None and place_of_harm is not None:
            self.harm = place_of_harm(error.__traceback__)

    def shield(self) -> None:
        """Hold a cancellation back until as many `unshield` have followed."""
        self._shields += 1
        if self._armed is not None:
            try:
                self._disarm()
            except BaseException:
                self._shields -= 1
                raise

    def unshield(self) -> None:
        """The counterpart of `shield`. Raises what is pending."""
        self._shields -= 1
        if self.pending:
            self.deliver()

    def deliver(self) -> None:
        """Raise `InputCancellation` here and now if one is pending, and nothing holds it back."""
        if self.is_due and (may_land is None or may_land(sys._getframe(1))):
            self.land()

    def land(self) -> None:
        """Raise what is pending here and now, wherever that is."""
        self.pending = False
        if self._armed is not None:
            self._disarm()
        raise InputCancellation(MESSAGE)

    # --- on any thread ----------------------------------------------------------------------------------------------

    def ask(self) -> None:
        """Cancel the attempt."""
        self.pending = True

    @property
    def is_due(self) -> bool:
        """Whether its thread runs user code and must be told of what is pending; otherwise it finds out by itself."""
        return self.pending and self.is_open and not self._shields

    def arm(self, set_asynchronous: SetAsynchronous) -> None:
        """Raise what is pending as an asynchronous exception; shutting and shielding take it back if it is not there yet."""
        with _arming:
            if self._armed is not None:
                return
            # Before looking: a gate that shuts at this moment then waits for the lock, and takes back what is set here.
            self._armed = set_asynchronous
            if self.is_due:
                set_asynchronous(self.thread, _Asynchronous)

    def disarm(self) -> None:
        """Take back what was armed, if it is not there yet."""
        if self._armed is not None:
            self._disarm()

    def _disarm(self) -> None:
        with _arming:
            armed, self._armed = self._armed, None
            if armed is not None:
                armed(self.thread, None)


class _ThreadGate(threading.local):
    gate: Gate | None = None
    """That of the attempt that this thread runs, or ran last."""

    def __init__(self) -> None:
        if on_new_thread is not None:
            on_new_thread()


here = _ThreadGate()
_arming = threading.Lock()
# Another thread of the parent's may have held it at the fork.
if hasattr(_arming, "_at_fork_reinit"):  # there is fork
    in_forked_child(_arming._at_fork_reinit)


class _Asynchronous(InputCancellation):
    """An interpreter raises a class, of which it makes the instance on the thread concerned: so the gate learns of it."""

    def __init__(self) -> None:
        super().__init__(MESSAGE)
        if here.gate is not None:
            here.gate.pending = False
            # Until Python 3.11 an instance is made only where it is caught; then the traceback must tell.
            if may_land is not None and sys.version_info >= (3, 12) and not may_land(sys._getframe(1)):
                here.gate.harm = f"{sys._getframe(1).f_code.co_qualname}"

    def __reduce__(self) -> tuple[type[InputCancellation], tuple[object, ...]]:
        return (InputCancellation, self.args)


_Asynchronous.__name__ = _Asynchronous.__qualname__ = InputCancellation.__name__
_Asynchronous.__module__ = InputCancellation.__module__


class shield_cancellation:  # noqa: N801 - a context manager
    """`with motet.shield_cancellation():` holds a cancellation of this input back until the end of the block.

    For the few lines of a sync function that must not be torn apart, such as two writes that belong together. At the end
    of the outermost block `InputCancellation` is raised. A blocking call in the block is not interrupted: keep it
    short, or the container will be given up after `cancellation_grace`. Holds for the thread that runs the input;
    without effect elsewhere. In async code nothing is cancelled between two awaits; for what awaits there is
    `asyncio.shield`. Thread-safe; may be nested and used again.
    """

    def __enter__(self) -> None:
        gate = here.gate
        if gate is not None:
            gate.shield()

    def __exit__(self, *exc: object) -> None:
        gate = here.gate
        if gate is not None:
            gate.unshield()
