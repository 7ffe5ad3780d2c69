"""When a canary is rolled back by itself: rules that compare what is seen of two versions. No clock: moments come in."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from typing import Self

from motet.errors import InvalidError
from motet.model.deployment import VersionStats

WINDOW = 300.0
"""Seconds that what was seen counts for."""
MOST = 2_000
"""Inputs of a version that count at most: the latest."""
ENOUGH = 20
"""Inputs that a version must have ended before it is judged."""

_RULE = re.compile(r"(error-rate)=(\d+(?:\.\d+)?)%|(p50|p95)=(\d+(?:\.\d+)?)x")


@dataclass(frozen=True, slots=True)
class RollbackRules:
    """What a canary may be at most: `error_rate` of 1, and so many times as slow as the version beside it. None: anything."""

    error_rate: float | None = None
    p50: float | None = None
    p95: float | None = None

    @classmethod
    def read(cls, text: str) -> Self:
        """From "error-rate=2%,p95=2x"; "" is no rule. Raises `InvalidError`."""
        limits: dict[str, float] = {}
        for part in filter(None, (each.strip() for each in text.split(","))):
            found = _RULE.fullmatch(part)
            if found is None:
                raise InvalidError(
                    f"{part!r} is no rule for a rollback; rules are error-rate=2% (of the inputs of the canary) and p50=2x, "
                    "p95=2x (as slow as the version beside it), with commas between them"
                )
            if found[1]:
                limits["error_rate"] = float(found[2]) / 100
            else:
                limits[found[3]] = float(found[4])
        return cls(**limits)

    def __bool__(self) -> bool:
        return any(limit is not None for limit in (self.error_rate, self.p50, self.p95))


class VersionScore:
    """What is seen of one version: how its latest inputs ended, and how long they took."""

    def __init__(self) -> None:
        self._ended: deque[tuple[float, bool, float]] = deque(maxlen=MOST)
        self.total = 0

    def add(self, now: float, failed: bool, seconds: float) -> None:
        """An input has ended."""
        self._ended.append((now, failed, seconds))
        self.total += 1

    def stats(self, now: float, name: str = "", version: int = 0, share: float = 0.0) -> VersionStats:
        """What counts now."""
        while self._ended and self._ended[0][0] < now - WINDOW:
            self._ended.popleft()
        count = len(self._ended)
        failed = sum(failed for _, failed, _ in self._ended)
        times = sorted(seconds for _, failed, seconds in self._ended if not failed)
        return VersionStats(
            name=name,
            version=version,
            share=share,
            inputs=count,
            failed=failed,
            error_rate=failed / count if count else 0.0,
            p50=_quantile(times, 0.5),
            p95=_quantile(times, 0.95),
        )


def verdict(rules: RollbackRules, canary: VersionStats, other: VersionStats) -> str:
    """Why a canary is to be rolled back now; empty: it is not."""
    if canary.inputs < ENOUGH:
        return ""
    if rules.error_rate is not None and canary.error_rate > rules.error_rate:
        return (
            f"error-rate={rules.error_rate:.4g} was agreed, and {canary.failed} of its last {canary.inputs} inputs failed "
            f"({canary.error_rate:.1%})"
        )
    if other.inputs < ENOUGH:  # nothing to compare it with
        return ""
    for name, limit, mine, theirs in (
        ("p50", rules.p50, canary.p50, other.p50),
        ("p95", rules.p95, canary.p95, other.p95),
    ):
        if limit is not None and theirs > 0 and mine > limit * theirs:
            return (
                f"{name}={limit:g}x was agreed, and its {name} is {mine * 1000:.0f} ms, beside {theirs * 1000:.0f} ms of "
                f"v{other.version}"
            )
    return ""


def _quantile(values: list[float], quantile: float) -> float:
    return values[min(len(values) - 1, int(len(values) * quantile))] if values else 0.0
