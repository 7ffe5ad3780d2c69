"""How many inputs a container takes, alone or in batches, and how many containers a pool may have."""

from __future__ import annotations

import math
from typing import Any, Literal

import msgspec

from motet.errors import InvalidError

MAX_INPUTS_LIMIT = 1000
MAX_BATCH_SIZE_LIMIT = 1000
MAX_BATCH_WAIT_MS = 600_000
DEFAULT_SCALEDOWN_WINDOW = 60.0
MIN_SCALEDOWN_WINDOW = 2.0
MAX_SCALEDOWN_WINDOW = 3600.0


class Concurrency(msgspec.Struct, frozen=True, kw_only=True):
    """Inputs that one container runs at once.

    `max_inputs` is the hard cap, `target_inputs` what the autoscaler provides for; between them a busy container bursts.
    "auto": the pool learns the target from how fast inputs go beside each other, with `slo_p95` the greatest that has 95 % of
    them run for that many seconds at most.
    """

    max_inputs: int = 1
    target_inputs: int | Literal["auto"] = 1
    slo_p95: float | None = None

    def __post_init__(self) -> None:
        if self.target_inputs == "auto":
            if not 1 <= self.max_inputs <= MAX_INPUTS_LIMIT:
                raise InvalidError(f"max_inputs must be between 1 and {MAX_INPUTS_LIMIT}, got {self.max_inputs}")
        elif not 1 <= self.target_inputs <= self.max_inputs <= MAX_INPUTS_LIMIT:
            raise InvalidError(
                f"concurrency needs 1 <= target_inputs <= max_inputs <= {MAX_INPUTS_LIMIT}, "
                f"got target_inputs={self.target_inputs}, max_inputs={self.max_inputs}"
            )
        if self.slo_p95 is not None:
            if self.target_inputs != "auto":
                raise InvalidError(
                    f'`slo_p95` goes only with target_inputs="auto", got target_inputs={self.target_inputs}'
                )
            if not 0 < self.slo_p95 < math.inf:
                raise InvalidError(f"`slo_p95` must be more than 0 seconds, and finite, got {self.slo_p95:g}")


class Batching(msgspec.Struct, frozen=True, kw_only=True):
    """Inputs run in batches: one slot and one call of the user's function for up to `max_batch_size` of them.

    A batch leaves when it is full, or `wait_ms` milliseconds after its first input came; "auto": after a time learned
    from how often inputs come and how long batches take.
    """

    max_batch_size: int
    wait_ms: int | Literal["auto"]

    def __post_init__(self) -> None:
        if self.max_batch_size < 1:
            raise InvalidError("max_batch_size must be a positive integer.")
        if self.max_batch_size > MAX_BATCH_SIZE_LIMIT:
            raise InvalidError(f"max_batch_size cannot be greater than {MAX_BATCH_SIZE_LIMIT}.")
        if self.wait_ms == "auto":
            return
        if self.wait_ms < 0:
            raise InvalidError("wait_ms must be a non-negative integer.")
        if self.wait_ms > MAX_BATCH_WAIT_MS:
            raise InvalidError(f"wait_ms cannot be greater than {MAX_BATCH_WAIT_MS}.")


class AutoscalerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds within which a pool scales.

    `min_containers` are kept at all times; `buffer_containers` idle ones on top of demand while the function is active;
    never more than `max_containers` (None: as many as the host allows); an idle container goes after
    `scaledown_window` seconds.
    """

    min_containers: int = 0
    max_containers: int | None = None
    buffer_containers: int = 0
    scaledown_window: float = DEFAULT_SCALEDOWN_WINDOW

    def __post_init__(self) -> None:
        if self.min_containers < 0 or self.buffer_containers < 0:
            raise InvalidError("`min_containers` and `buffer_containers` must not be negative")
        if self.max_containers is not None and self.max_containers < 1:
            raise InvalidError(f"`max_containers` must be at least 1 or None, got {self.max_containers}")
        if self.max_containers is not None and self.min_containers > self.max_containers:
            raise InvalidError(
                f"`min_containers` ({self.min_containers}) cannot be greater than `max_containers` ({self.max_containers})"
            )
        if self.scaledown_window <= 0:
            raise InvalidError("`scaledown_window` must be > 0")

    def updated(self, change: AutoscalerUpdate) -> AutoscalerSettings:
        """These settings with the given fields of `change` put in; the result is validated as a whole."""
        given = {name: value for name in change.__struct_fields__ if (value := getattr(change, name)) is not None}
        return self.changed(**given)

    def changed(self, **fields: Any) -> AutoscalerSettings:
        """These settings with other values of some fields, validated as a whole."""
        # Made anew: `msgspec.structs.replace` of older releases makes what nobody has checked.
        return AutoscalerSettings(**{**msgspec.structs.asdict(self), **fields})


class AutoscalerUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """A partial change of `AutoscalerSettings`; None leaves a field as it is."""

    min_containers: int | None = None
    max_containers: int | None = None
    buffer_containers: int | None = None
    scaledown_window: float | None = None

    def __post_init__(self) -> None:
        window = self.scaledown_window
        if window is not None and not MIN_SCALEDOWN_WINDOW <= window <= MAX_SCALEDOWN_WINDOW:
            raise InvalidError(
                f"`scaledown_window` must be between {MIN_SCALEDOWN_WINDOW:.0f} and {MAX_SCALEDOWN_WINDOW:.0f} (inclusive)"
            )
