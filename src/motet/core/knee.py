"""Where the knee of a curve is: how many inputs at once are still worth it."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log

import msgspec

from motet.core.curve import CurvePoint

POWER, POWER_WITHIN_SLO = 1.0, 9.0
"""How much more a part of the throughput is worth than the same part of the time that inputs take: see `worth`."""
REACH = 4
"""Levels on either side of the best that the curve is smoothed over."""

MISFIT = 0.05
"""How much worse than the best the point at a parabola's peak may be, besides what is uncertain."""
ALONE, DISTINCT = 1.05, 1.1


class Knee(msgspec.Struct, frozen=True):
    """The best number of inputs, among those that were seen. `inner`: there are worse ones on both sides of it.

    `gain` is by how much it is better than the present one, and `doubt` the error of that; both in logarithms of `worth`.
    """

    inputs: float
    inner: bool
    gain: float
    doubt: float


def worth(throughput: float, inputs: float, power: float) -> float:
    """The logarithm of what is to be greatest.

    It is the power of Giessler et al. (1978) and Kleinrock (1979): throughput ** power / time, and time is
    inputs / throughput (Little). With a power of 1, another input is worth it while a part more inputs bring more than half
    that part more throughput: twice as many, 1.41 times as much. With 9, a tenth of that part: 1.07 times as much.
    """
    return log(throughput) - log(inputs) / (power + 1.0)


def find_knee(points: Sequence[CurvePoint], present: float, power: float) -> Knee | None:
    """The knee of these points, in ascending order of inputs; None if there are none.

    Single points are too uncertain to be compared, so a parabola over the logarithm of inputs is put through those around
    the best one. Where it does not fit, as at a cliff, the best one counts.
    """
    if not points:
        return None
    worths = [worth(point.throughput, point.inputs, power) for point in points]
    best = max(range(len(points)), key=worths.__getitem__)
    first, last = max(0, best - REACH), min(len(points), best + REACH + 1)
    near = points[first:last]
    doubt = min(point.error for point in near)
    fit = _parabola([log(point.inputs) for point in near], worths[first:last], [_weight(point) for point in near])
    if fit is not None:
        a, b = fit
        low, high = log(near[0].inputs), log(near[-1].inputs)
        peak = -b / (2 * a) if a < 0 else (high if b + a * (low + high) > 0 else low)
        at, here = min(max(peak, low), high), min(max(log(present), low), high)
        found = _nearest(points, exp(at))
        if worths[best] - worths[found] <= MISFIT + 2 * (points[best].error + points[found].error):
            return Knee(exp(at), _is_inner(exp(at), points), (at - here) * (b + a * (at + here)), doubt)
    at = points[best].inputs
    return Knee(at, _is_inner(at, points), worths[best] - worths[_nearest(points, present)], doubt)


def _is_inner(inputs: float, points: Sequence[CurvePoint]) -> bool:
    """One input is an end of every curve, and as good a knee as any."""
    return inputs <= ALONE or points[0].inputs * DISTINCT < inputs < points[-1].inputs / DISTINCT


def _nearest(points: Sequence[CurvePoint], inputs: float) -> int:
    return min(range(len(points)), key=lambda level: abs(log(points[level].inputs / inputs)))


def _weight(point: CurvePoint) -> float:
    return 1.0 / (point.error + 0.02) ** 2


def _parabola(xs: Sequence[float], ys: Sequence[float], weights: Sequence[float]) -> tuple[float, float] | None:
    """a and b of the a x² + b x + c that fits best; None if there are not enough different xs."""
    if len(xs) < 3:
        return None
    total = sum(weights)
    middle = sum(w * x for w, x in zip(weights, xs, strict=True)) / total
    height = sum(w * y for w, y in zip(weights, ys, strict=True)) / total
    s2 = s3 = s4 = t1 = t2 = 0.0
    for w, x, y in zip(weights, xs, ys, strict=True):
        u, v = x - middle, y - height
        s2 += w * u * u
        s3 += w * u**3
        s4 += w * u**4
        t1 += w * u * v
        t2 += w * u * u * v
    # With the origin at the means: y = a (u² - s2 / total) + b u.
    s22 = s4 - s2 * s2 / total
    determinant = s22 * s2 - s3 * s3
    if determinant <= 1e-9 * s22 * s2:
        return None
    a = (t2 * s2 - t1 * s3) / determinant
    b = (t1 * s22 - t2 * s3) / determinant
    return a, b - 2 * a * middle
