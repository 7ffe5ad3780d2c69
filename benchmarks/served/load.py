"""A closed loop: so many calls in flight, each followed by the next as soon as it is answered."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import Any

Call = Callable[[int], Awaitable[Any]]


async def closed_loop(call: Call, *, in_flight: int, seconds: float) -> dict[str, float]:
    """Calls per second, and percentiles of their latency in seconds, once each place has had its first answer.

    `call` takes a number and must answer with twice that. Raises `ValueError` if it does not.
    """
    latencies: list[float] = []
    warm = 0
    measuring_from = float("inf")
    over = asyncio.Event()

    async def one_after_the_other(place: int) -> None:
        nonlocal warm, measuring_from
        number = place
        while not over.is_set():
            began = time.perf_counter()
            answer = await call(number)
            ended = time.perf_counter()
            if answer != 2 * number:
                raise ValueError(f"the call with {number} was answered with {answer!r}")
            if number == place:
                warm += 1
                if warm == in_flight:
                    measuring_from = ended
            if ended >= measuring_from + seconds:
                over.set()
            elif ended > measuring_from:
                latencies.append(ended - began)
            number += in_flight

    async with asyncio.TaskGroup() as places:
        for place in range(in_flight):
            places.create_task(one_after_the_other(place))
    return {"rate": len(latencies) / seconds, "p50": percentile(latencies, 50), "p95": percentile(latencies, 95)}


def percentile(values: list[float], percent: float) -> float:
    """The smallest of the values that at least so many percent of them do not exceed. Raises `ValueError` for none."""
    if not values:
        raise ValueError("there are no values: measure for longer")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
