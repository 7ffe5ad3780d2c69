"""Where one client's requests and inputs are counted against what its principal may have."""

from __future__ import annotations

from motet.errors import ResourceExhaustedError
from motet.server.access.allowance import Allowance

AGAIN_WINDOW = 120.0
"""Seconds from a server's beginning in which clients of the one before it are back. What they say again is free of rates, and
has room of its own: later, "again" would be a way around both."""


class Turnstile:
    """Of one client. Without an allowance everything passes."""

    def __init__(self, allowance: Allowance | None) -> None:
        self._allowance = allowance
        self.is_open = allowance is None
        """Nothing need be asked. An attribute: each of many spawns would ask."""
        self._open: set[int] = set()

    def enter(self, request_id: int, *, accepted: bool = False) -> None:
        """It asks for something, and is answered; `accepted`: as a server before this one had let it. Raises
        `ResourceExhaustedError`."""
        if self._allowance is not None:
            if not accepted:
                self._allowance.request()
            if request_id not in self._open:
                self._open.add(request_id)
                self._allowance.requests += 1

    def leave(self, request_id: int) -> None:
        """It was answered, or wants no answer. Idempotent."""
        if self._allowance is not None and request_id in self._open:
            self._open.discard(request_id)
            self._allowance.requests -= 1

    def over_inputs(self, inputs: int, *, accepted: bool = False) -> ResourceExhaustedError | None:
        """Why so many inputs are not taken now; None if they are, as those that a server before this one had `accepted`."""
        if self._allowance is not None and not accepted:
            try:
                self._allowance.inputs(inputs)
            except ResourceExhaustedError as error:
                return error
        return None

    def check_stored(self, more: int, beside: int = 0) -> None:
        """It wants so many bytes kept, `beside` those that somebody else counts. Raises `ResourceExhaustedError`."""
        if self._allowance is not None:
            self._allowance.check_stored(more, beside)

    def close(self) -> None:
        """It is gone."""
        for request_id in list(self._open):
            self.leave(request_id)
