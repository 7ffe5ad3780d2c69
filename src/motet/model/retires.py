"""Whether a function goes when nobody uses it."""

from __future__ import annotations

from typing import Literal

Retires = Literal["never", "when empty", "when idle"]
"""A variant that somebody holds goes when it is idle and has no containers; one that requests made goes with those it has."""
