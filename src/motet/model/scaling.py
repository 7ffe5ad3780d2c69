"""How many inputs a container takes, and how many containers a pool may have."""

from __future__ import annotations

from dataclasses import dataclass, replace

from motet.errors import InvalidError

MAX_INPUTS_LIMIT = 1000
DEFAULT_SCALEDOWN_WINDOW = 60.0
MIN_SCALEDOWN_WINDOW = 2.0
MAX_SCALEDOWN_WINDOW = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Concurrency:
    """Inputs that one container runs at once.

    `max_inputs` is the hard cap, `target_inputs` what the autoscaler provides for; between them a busy container bursts.
    """

    max_inputs: int = 1
    target_inputs: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.target_inputs <= self.max_inputs <= MAX_INPUTS_LIMIT:
            raise InvalidError(
                f"concurrency needs 1 <= target_inputs <= max_inputs <= {MAX_INPUTS_LIMIT}, "
                f"got target_inputs={self.target_inputs}, max_inputs={self.max_inputs}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoscalerSettings:
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
        given = {name: value for name in change.__slots__ if (value := getattr(change, name)) is not None}
        return replace(self, **given)


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoscalerUpdate:
    """A partial change of `AutoscalerSettings`; None leaves a field as it is."""

    min_containers: int | None = None
    max_containers: int | None = None
    buffer_containers: int | None = None
    scaledown_window: float | None = None
