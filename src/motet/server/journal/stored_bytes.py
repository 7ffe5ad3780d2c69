"""Bytes of large arguments and results that are kept for each principal: counted as they come and go, and anew by sweeps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping


class StoredBytes:
    """Of one server. Until its first sweep it knows of what has come since it began."""

    def __init__(self) -> None:
        self._of: Counter[int] = Counter()

    def of(self, principal: int) -> int:
        """Those of a principal."""
        return max(0, self._of[principal])

    def add(self, principal: int, size: int) -> None:
        """So many more, or fewer."""
        self._of[principal] += size

    def count(self, found: Mapping[int, int]) -> None:
        """All there are, as a sweep has found."""
        self._of = Counter(found)
