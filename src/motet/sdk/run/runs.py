"""The runs that an app takes part in: its own, and those of apps that include it."""

from __future__ import annotations

import contextlib
from contextvars import ContextVar

from motet.client.running_app import RunningApp

_entered: ContextVar[tuple[RunningApp, ...]] = ContextVar("motet_entered_runs", default=())
"""Those whose block this thread or task is in, the innermost last."""


class Runs:
    """Which of its runs an app's functions are called in. Thread-safe."""

    __slots__ = ("_all",)

    def __init__(self) -> None:
        self._all: list[RunningApp] = []

    def begin(self, run: RunningApp) -> None:
        """The app takes part in this one."""
        self._all.append(run)

    def end(self, run: RunningApp) -> None:
        """It has ended. Idempotent."""
        with contextlib.suppress(ValueError):
            self._all.remove(run)

    @property
    def current(self) -> RunningApp | None:
        """That of the innermost block around this code, or else the one that began last. None: it does not run."""
        runs = self._all
        if len(runs) > 1:
            for entered in reversed(_entered.get()):
                for run in runs:
                    if run is entered:
                        return run
        try:
            return runs[-1]
        except IndexError:
            return None

    def __reduce__(self) -> tuple[type[Runs], tuple[()]]:
        return (Runs, ())


def enter(run: RunningApp) -> None:
    """This thread or task is in the block of this run from now on."""
    _entered.set((*_entered.get(), run))


def leave(run: RunningApp) -> None:
    """The opposite. Idempotent."""
    _entered.set(tuple(each for each in _entered.get() if each is not run))
