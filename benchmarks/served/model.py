"""A model whose step has a fixed cost and a cost per item. It sleeps, as one does that waits for its accelerator."""

from __future__ import annotations

import time
from collections.abc import Sequence

FIXED, PER_ITEM = 0.020, 0.0005
"""Seconds."""


def cost(items: int) -> float:
    """Seconds that a step with so many items takes."""
    return FIXED + PER_ITEM * items


def step(numbers: Sequence[int]) -> list[int]:
    """Twice each number."""
    time.sleep(cost(len(numbers)))
    return [2 * number for number in numbers]
