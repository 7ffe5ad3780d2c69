"""Whether a server is alive, and ready for what clients would ask of it."""

from __future__ import annotations

from collections.abc import Callable

STARTING, STANDBY, ENDING, FAILING = "starting", "standby", "ending", "failing"
"""Why a server is not ready: all that strangers are told."""
READY = "ready"

Check = Callable[[], str]
"""What is wrong with something; "" for nothing."""


class Health:
    """Asked by whoever watches over the server. `is_ending`, `is_broken`: whether it is."""

    def __init__(self, began: float, is_ending: Callable[[], bool], is_broken: Callable[[], bool]) -> None:
        self.began = began
        """When, on the wall clock."""
        self._is_ending = is_ending
        self._is_broken = is_broken
        self._checks: dict[str, tuple[Check, bool]] = {}
        self.has_started = False
        """Set when it takes what clients ask."""
        self.stands_by = False
        """Another server leads."""

    def watch(self, name: str, check: Check, *, is_needed: bool = True) -> None:
        """Look at something that the server has; while something is wrong with what `is_needed`, it is not ready."""
        self._checks[name] = check, is_needed

    @property
    def state(self) -> str:
        """`READY`, or why it is not."""
        if self._is_broken():
            return FAILING
        if self._is_ending():
            return ENDING
        if self.stands_by:
            return STANDBY
        if not self.has_started:
            return STARTING
        return FAILING if any(check() for check, is_needed in self._checks.values() if is_needed) else READY

    @property
    def closed(self) -> str:
        """Why nobody is let in now; "": they are."""
        if self._is_ending():
            return "this server is ending"
        return "" if self.has_started else "this server is starting: try again in a moment"

    def problems(self) -> list[str]:
        """What is wrong, for those who may know."""
        return [f"{name}: {problem}" for name, (check, _) in self._checks.items() if (problem := check())]
