"""Keeping a home within its bounds: records of ended runs go, the oldest first, and nothing that anybody needs."""

from __future__ import annotations

from pathlib import Path

from motet.store.home import retirable, retire
from motet.store.home_usage import RECORDS, home_usage


def keep_within(home: Path, keep_for: float, keep_bytes: int, home_bytes: int | None, now: float) -> int:
    """Delete what is too old, what is too much of records, and what is too much of the whole home. How many bytes the home
    takes beyond `home_bytes` even so: what is left belongs to servers that run, or to versions."""
    retire(home, keep_for, keep_bytes, now)
    if home_bytes is None or (over := _over(home, home_bytes)) <= 0:
        return 0
    retire(home, keep_for, _room(home, over), now)
    return max(0, _over(home, home_bytes))


def removable(
    home: Path, keep_for: float, keep_bytes: int, home_bytes: int | None, now: float
) -> list[tuple[Path, int]]:
    """What `keep_within` would delete, with its sizes."""
    found = dict(retirable(home, keep_for, keep_bytes, now))
    if home_bytes is not None and (over := _over(home, home_bytes) - sum(found.values())) > 0:
        found |= dict(retirable(home, keep_for, _room(home, over + sum(found.values())), now))
    return list(found.items())


def _over(home: Path, home_bytes: int) -> int:
    return home_usage(home).total - home_bytes


def _room(home: Path, over: int) -> int:
    """What is left for records if so much is to go."""
    return max(0, home_usage(home).parts[RECORDS] - over)
