"""How long things take in a simulation: a mean, and how far single values are from it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from motet.errors import InvalidError

CONSTANT, EXPONENTIAL, LOGNORMAL, PARETO = "constant", "exponential", "lognormal", "pareto"
DEFAULT_SPREAD = {CONSTANT: 0.0, EXPONENTIAL: 1.0, LOGNORMAL: 1.0, PARETO: 2.0}
FORMS = "SECONDS, exponential:MEAN, lognormal:MEAN:VARIATION or pareto:MEAN:TAIL"


@dataclass(frozen=True, slots=True)
class Distribution:
    """Durations in seconds with this `mean`. `spread` is the coefficient of variation of a lognormal one (more than 0), or
    the tail index of a Pareto one (more than 1: the smaller, the heavier the tail); the others need none."""

    mean: float
    shape: str = CONSTANT
    spread: float = 0.0

    def __post_init__(self) -> None:
        if self.shape not in DEFAULT_SPREAD:
            raise InvalidError(f"unknown distribution {self.shape!r}; it must be {FORMS}")
        if not 0 <= self.mean < math.inf:
            raise InvalidError(f"a duration of {self.mean:g} s is not possible; it must be 0 or more, and finite")
        if self.shape == LOGNORMAL and not 0 < self.spread < math.inf:
            raise InvalidError(f"the variation of a lognormal duration must be more than 0, got {self.spread:g}")
        if self.shape == PARETO and not 1 < self.spread < math.inf:
            raise InvalidError(f"the tail index of a Pareto duration must be more than 1, got {self.spread:g}")

    @classmethod
    def parse(cls, text: str) -> Distribution:
        """The distribution that `text` names, in one of `FORMS`. Raises `InvalidError`.

        >>> Distribution.parse("0.4"), Distribution.parse("lognormal:2:0.5")
        (Distribution(mean=0.4, shape='constant', spread=0.0), Distribution(mean=2.0, shape='lognormal', spread=0.5))
        """
        parts = text.split(":")
        shape = CONSTANT if len(parts) == 1 else parts.pop(0)
        try:
            numbers = [float(part) for part in parts]
        except ValueError:
            numbers = []
        if not 1 <= len(numbers) <= 2 or (len(numbers) == 2 and shape not in (LOGNORMAL, PARETO)):
            raise InvalidError(f"{text!r} is not a duration; it must be {FORMS}")
        return cls(numbers[0], shape, numbers[1] if len(numbers) > 1 else DEFAULT_SPREAD.get(shape, 0.0))

    def drawn_by(self, dice: Random) -> Callable[[], float]:
        """A function that gives one duration after another."""
        mean, spread = self.mean, self.spread
        if self.shape == CONSTANT or not mean:
            return lambda: mean
        if self.shape == EXPONENTIAL:
            rate = 1 / mean
            return lambda: dice.expovariate(rate)
        if self.shape == LOGNORMAL:
            variance = math.log(1 + spread * spread)
            mu, sigma = math.log(mean) - variance / 2, math.sqrt(variance)
            return lambda: dice.lognormvariate(mu, sigma)
        least = mean * (spread - 1) / spread
        return lambda: least * dice.paretovariate(spread)
