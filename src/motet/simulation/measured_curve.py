"""What it costs inputs to share a container, as it was measured."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from motet.errors import InvalidError


@dataclass(frozen=True, slots=True)
class MeasuredCurve:
    """How many times as long inputs take when so many run at once: `slowdowns[i]` for `inputs[i]` of them, which ascend from 1.

    Between these it is interpolated. Beyond the last, inputs are served no faster in all than they were there.
    """

    inputs: tuple[int, ...]
    slowdowns: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.inputs or self.inputs[0] != 1 or list(self.inputs) != sorted(set(self.inputs)):
            raise InvalidError(f"a measured curve ascends from 1 input, got {self.inputs}")
        if len(self.slowdowns) != len(self.inputs) or min(self.slowdowns) < 1:
            raise InvalidError(
                f"a measured curve has a slowdown of 1 or more for each of its inputs, got {self.slowdowns}"
            )

    @classmethod
    def of(cls, latencies: Sequence[tuple[int, float]]) -> MeasuredCurve:
        """The curve through mean latencies by the number of inputs at once, from 1 up. More inputs never make it quicker:
        where they seem to, that is chance, and neighbours are averaged (isotonic regression)."""
        alone = latencies[0][1]
        slowdowns = ascending([latency / alone if alone else 1.0 for _, latency in latencies])
        return cls(tuple(inputs for inputs, _ in latencies), tuple(max(1.0, it / slowdowns[0]) for it in slowdowns))

    def speeds(self, max_inputs: int) -> list[float]:
        """By the number of inputs that run: how fast each goes; 1 is alone."""
        return [1.0 / self._slowdown(max(1, inputs)) for inputs in range(max_inputs + 1)]

    def batch(self, durations: Sequence[float]) -> float:
        """How long inputs of these durations take in one batch: as the longest would beside so many."""
        return max(durations) * self._slowdown(len(durations))

    def _slowdown(self, inputs: int) -> float:
        at = bisect_left(self.inputs, inputs)
        if at == len(self.inputs):
            return self.slowdowns[-1] * inputs / self.inputs[-1]
        if self.inputs[at] == inputs:
            return self.slowdowns[at]
        low, high = self.inputs[at - 1], self.inputs[at]
        part = (inputs - low) / (high - low)
        return self.slowdowns[at - 1] * (1 - part) + self.slowdowns[at] * part


def ascending(values: Sequence[float]) -> list[float]:
    """The ascending values that are nearest to these, by the squares of differences (pool adjacent violators).

    >>> ascending([1.0, 3.0, 2.0, 4.0])
    [1.0, 2.5, 2.5, 4.0]
    """
    blocks: list[tuple[float, int]] = []
    for value in values:
        mean, count = value, 1
        while blocks and blocks[-1][0] > mean:
            before, size = blocks.pop()
            mean, count = (before * size + mean * count) / (size + count), count + size
        blocks.append((mean, count))
    return [mean for mean, count in blocks for _ in range(count)]
