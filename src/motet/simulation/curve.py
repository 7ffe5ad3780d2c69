"""What it costs inputs to share a container: how fast each goes when so many run at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from motet.errors import InvalidError

IO, GIL, GPU_BATCH = "io", "gil", "gpu-batch"
DEFAULT_SHARE = {IO: 0.0, GIL: 1.0, GPU_BATCH: 0.9}


@dataclass(frozen=True, slots=True)
class Curve:
    """`io`: inputs wait for others than each other, and none slows another down.

    `gil`: each needs the container's only core for the `share` (0 to 1) of its time alone; once that is more than the
    core has, all go slower alike. `gpu-batch`: a step of one input takes this `share` of its time whatever runs beside it,
    and the rest once for each input.
    """

    name: str = IO
    share: float = 0.0

    def __post_init__(self) -> None:
        if self.name not in DEFAULT_SHARE:
            raise InvalidError(
                f"unknown curve {self.name!r}; it must be io, gil, gil:SHARE, gpu-batch or gpu-batch:SHARE"
            )
        if not 0 <= self.share <= 1:
            raise InvalidError(f"the share of a curve must be between 0 and 1, got {self.share:g}")

    @classmethod
    def parse(cls, text: str) -> Curve:
        """The curve that `text` names: `io`, `gil`, `gil:0.3`, `gpu-batch`, `gpu-batch:0.8`. Raises `InvalidError`."""
        name, colon, share = text.partition(":")
        if not colon:
            return cls(name, DEFAULT_SHARE.get(name, 0.0))
        try:
            return cls(name, float(share))
        except ValueError:
            raise InvalidError(f"the share of a curve must be between 0 and 1, got {share!r}") from None

    def speeds(self, max_inputs: int) -> list[float]:
        """By the number of inputs that run: how fast each goes; 1 is alone."""
        return [self._speed(max(1, inputs)) for inputs in range(max_inputs + 1)]

    def batch(self, durations: Sequence[float]) -> float:
        """How long inputs of these durations take in one batch. `io`: as long as the longest of them; `gil`: as long as the
        core is needed for all, if that is longer; `gpu-batch`: the fixed part once, and the rest of each."""
        longest = max(durations)
        if self.name == GIL:
            return max(longest, self.share * sum(durations))
        if self.name == GPU_BATCH:
            return self.share * longest + (1.0 - self.share) * sum(durations)
        return longest

    def _speed(self, inputs: int) -> float:
        if self.name == GIL:
            return 1.0 / max(1.0, inputs * self.share)
        if self.name == GPU_BATCH:
            return 1.0 / (self.share + (1.0 - self.share) * inputs)
        return 1.0
