"""How often, and after which wait, an input whose code failed runs again."""

from __future__ import annotations

import msgspec

from motet.errors import InvalidError


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`max_retries` new attempts after a failure; the wait before the n-th is
    `min(max_delay, initial_delay * backoff_coefficient ** (n - 1))` seconds."""

    max_retries: int = 0
    backoff_coefficient: float = 1.0
    initial_delay: float = 1.0
    max_delay: float = 60.0

    def __post_init__(self) -> None:
        if self.max_retries < 0:
            raise InvalidError(f"Invalid retries number: {self.max_retries}. Function retries must be non-negative.")
        if not 1.0 <= self.backoff_coefficient <= 10.0:
            raise InvalidError(
                f"Invalid backoff_coefficient argument: {self.backoff_coefficient}. "
                "Coefficient must be between 1.0 (fixed-interval backoff) and 10.0"
            )
        if not 0 <= self.initial_delay <= 60:
            raise InvalidError(f"Invalid initial_delay argument: {self.initial_delay}. Must be between 0-60 seconds.")
        if not 1 <= self.max_delay <= 60:
            raise InvalidError(f"Invalid max_delay argument: {self.max_delay}. Must be between 1-60 seconds.")

    def delay_before(self, retry: int) -> float:
        """Seconds to wait before retry number `retry` (the first is 1)."""
        return min(self.max_delay, self.initial_delay * self.backoff_coefficient ** (retry - 1))


NO_RETRIES = RetryPolicy()
