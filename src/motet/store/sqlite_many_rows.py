"""Many rows written in few steps.

CPython releases its lock for each step of a statement, and takes it again. So a thread that writes row by row wakes those that
wait for the lock at every row, and waits for them: beside a busy event loop a commit takes twice as long as with these.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any

SIZES = (64, 8, 1)
"""How many rows a statement has: as many statements as it takes, and each is prepared once for a connection."""


class ManyRows:
    """A statement for any number of rows. `statement` makes it of `(?, ?), (?, ?), ...`, which are `columns` wide."""

    def __init__(self, columns: int, statement: Callable[[str], str]) -> None:
        row = f"({', '.join('?' * columns)})"
        self._statements = [(size, statement(", ".join([row] * size))) for size in SIZES]

    def write(self, connection: sqlite3.Connection, rows: Iterable[tuple[Any, ...]]) -> None:
        """All of these, in this order."""
        left = list(rows)
        at = 0
        for size, statement in self._statements:
            while len(left) - at >= size:
                connection.execute(statement, tuple(chain.from_iterable(left[at : at + size])))
                at += size
