"""A real function at rising concurrency: what was measured, and what that says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from motet.simulation.measured_curve import MeasuredCurve
from motet.simulation.timeline import percentile

BUSY = 0.8
"""From so many cores in use on, the processor is what an input waits for."""
DISTURBED = 0.1
"""From so much waiting for a processor on, in parts of the time, other work of the machine has falsified the numbers."""
NO_GAIN = 1.1
"""A throughput that grew by less than this factor has not grown."""
MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """So many inputs at once in one container: their latencies in seconds, ascending, and what the container used.

    `peak_bytes`: the most memory it has had until then, shared pages counted in; `cores`: processor time per second;
    `waited`: the same for time in which it could have run, had other work of the machine let it. None: not known.
    """

    inputs: int
    latencies: tuple[float, ...]
    peak_bytes: int | None = None
    cores: float | None = None
    waited: float | None = None

    @property
    def wanted_cores(self) -> float | None:
        """The cores that it would have used on an idle machine, about."""
        return None if self.cores is None else self.cores + (self.waited or 0.0)

    @property
    def mean(self) -> float:
        """Of the latencies."""
        return math.fsum(self.latencies) / len(self.latencies)

    @property
    def p50(self) -> float:
        """The median latency."""
        return percentile(self.latencies, 0.5) or 0.0

    @property
    def p95(self) -> float:
        """The latency that 19 of 20 inputs do not exceed."""
        return percentile(self.latencies, 0.95) or 0.0

    @property
    def throughput(self) -> float:
        """Inputs per second. Those who send the next input when one has ended wait all the time, so it is the inputs at once
        divided by the mean latency (Little's law)."""
        return self.inputs / self.mean if self.mean else math.inf

    @property
    def power(self) -> float:
        """Throughput divided by latency."""
        return self.throughput / self.mean if self.mean else math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """Steps from 1 input up; `cold_start`: seconds from the wish for a container to its first input.

    `trouble` is what ended it early ("at 32 at once: TimeoutError: ..."), or empty. `is_async`: what kind of function it was.
    """

    steps: tuple[Step, ...]
    cold_start: float
    is_async: bool = False
    trouble: str = ""

    @property
    def knee(self) -> Step:
        """Where throughput divided by latency, the power of Kleinrock (1979), is greatest: up to there more inputs at once
        bring more than they cost, beyond it they cost more."""
        return max(self.steps, key=lambda step: (step.power, -step.inputs))

    @property
    def curve(self) -> MeasuredCurve:
        """For simulations."""
        return MeasuredCurve.of([(step.inputs, step.mean) for step in self.steps])

    @property
    def memory(self) -> tuple[float, float] | None:
        """Bytes of a container without inputs, and of each input: the line of least squares through the peaks."""
        known = [(step.inputs, step.peak_bytes) for step in self.steps if step.peak_bytes is not None]
        if len(known) < 2:
            return None
        mean_inputs = sum(inputs for inputs, _ in known) / len(known)
        mean_bytes = sum(size for _, size in known) / len(known)
        spread = sum((inputs - mean_inputs) ** 2 for inputs, _ in known)
        slope = max(0.0, sum((inputs - mean_inputs) * (size - mean_bytes) for inputs, size in known) / spread)
        return mean_bytes - slope * mean_inputs, slope

    @property
    def helps(self) -> bool:
        """Whether more than one input at once is worth it."""
        return len(self.steps) > 1 and self.knee.inputs > 1

    def nearest(self, inputs: int) -> Step:
        """The step with so many inputs, or else the last one with fewer."""
        return max((step for step in self.steps if step.inputs <= inputs), key=lambda step: step.inputs)

    def disturbance(self) -> str:
        """That other work of the machine has falsified the measurement, if it has, or nothing."""
        worst = self.steps[0].waited or 0.0
        if worst < DISTURBED:
            return ""
        return (
            f"Other work kept the processors from the function for {worst:.0%} of the time, even with one input at once: "
            "measure again on an idle machine."
        )

    def verdict(self) -> str:
        """In a sentence or two: whether concurrency helps, up to where, and what is in the way."""
        if len(self.steps) == 1:
            return "Only one input at once was measured, so nothing is known about more."
        knee, last = self.knee, self.steps[-1]
        alone = self.steps[0]
        if not self.helps:
            return _no_help(self)
        gain = knee.throughput / alone.throughput
        text = (
            f"Concurrency helps up to {knee.inputs} inputs at once: throughput is {_times(gain)} that of one, "
            f"p95 {_times(_ratio(knee.p95, alone.p95))}."
        )
        if knee is last:
            return text if self.trouble else f"{text} More were not tried."
        busy = (
            f" (the container uses {last.cores:.2g} cores)"
            if last.wanted_cores is not None and last.wanted_cores >= BUSY
            else ""
        )
        more = _times(last.throughput / knee.throughput)
        return f"{text} At {last.inputs}, throughput is {more} that, p95 {_times(_ratio(last.p95, knee.p95))}{busy}."


def is_exhausted(steps: Sequence[Step]) -> bool:
    """Whether still more inputs at once would tell nothing new: four times as many have brought no more throughput."""
    if len(steps) < 3:
        return False
    before = next((step for step in reversed(steps) if step.inputs * 4 <= steps[-1].inputs), None)
    return before is not None and steps[-1].throughput < before.throughput * NO_GAIN


def _no_help(measurement: Measurement) -> str:
    alone, last = measurement.steps[0], measurement.steps[-1]
    slower, more = _ratio(last.p95, alone.p95), last.throughput / alone.throughput
    how = "p95 grows as fast as concurrency" if more < NO_GAIN else "p95 grows nearly as fast as concurrency"
    numbers = f"({last.inputs} at once: p95 {_times(slower)}, throughput {_times(more)})"
    cores = max((it for step in measurement.steps if (it := step.wanted_cores) is not None), default=None)
    if cores is None:
        return f"Concurrency does not help: {how} {numbers}; use max_inputs=1 or batching."
    if cores >= BUSY:
        return f"CPU-bound: {how} {numbers}; use max_inputs=1 or batching."
    culprit = (
        "something blocks the event loop (a call that should be awaited, or a `def` function)"
        if measurement.is_async
        else "something lets one in at a time (a lock, a connection that they share, a service behind it)"
    )
    return (
        f"One at a time: {how} {numbers}, though the container uses only {cores:.2g} cores: {culprit}. "
        "Remove that, or use max_inputs=1."
    )


def _ratio(value: float, of: float) -> float:
    return value / of if of else math.inf


def _times(factor: float) -> str:
    return f"{factor:.3g} times" if factor < 100 else f"{factor:,.0f} times"
