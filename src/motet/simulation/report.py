"""What a simulation found out."""

from __future__ import annotations

from dataclasses import dataclass

from motet.simulation.timeline import LoadTimeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One policy on one scenario.

    `p50` to `mean`: the latency of the inputs that succeeded, in seconds from arrival to result (None if none did).
    `errors`: those that did not. `container_seconds`: what is paid for, each container from the wish for it to its end; time
    ends when all inputs have, and the pool is back at its minimum. `cold_starts`: containers started. `peak_inputs`: the most
    that ran at once in one container. `unfinished`: the errors that nothing was done for any more, until they were given up.
    Where the target was learned: what it was when the last input had come, how sure, and after how many seconds it first was
    within a quarter of that.
    """

    policy: str
    trace: str
    seed: int
    inputs: int
    errors: int
    p50: float | None
    p95: float | None
    p99: float | None
    mean: float | None
    container_seconds: float
    cold_starts: int
    peak_containers: int
    peak_inputs: int
    peak_waiting: int
    unfinished: int
    seconds: float
    timeline: LoadTimeline
    target_inputs: int | None = None
    target_confidence: float | None = None
    target_after: float | None = None

    def numbers(self) -> dict[str, str | int | float | None]:
        """All but the course over time, for JSON."""
        left_out = {"timeline"}
        if self.target_inputs is None:
            left_out |= {"target_inputs", "target_confidence", "target_after"}
        values = {name: getattr(self, name) for name in self.__slots__ if name not in left_out}
        return {name: round(value, 6) if isinstance(value, float) else value for name, value in values.items()}
