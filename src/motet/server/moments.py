"""Moments as people write them, on the command line and in addresses of the dashboard's pages."""

from __future__ import annotations

import re
from datetime import datetime

from motet.errors import InvalidError

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])")


def parse_moment(text: str, now: float, name: str = "since") -> float:
    """The wall-clock seconds that a text such as "5m" (ago) or "2026-01-31T12:00" means. Raises `InvalidError`."""
    if match := _AGO.fullmatch(text):
        return now - float(match[1]) * UNITS[match[2]]
    if re.fullmatch(r"\d{9,11}(\.\d+)?", text):
        return float(text)
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        raise InvalidError(
            f"{name}={text} is not a time: say how long ago (30s, 5m, 2h, 1d) or when (2026-01-31T12:00)"
        ) from None
