"""Shared state: what dicts hold, kept in transactions that are carried out one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec

MAX_PAGE = 1000
"""Entries that are listed together at most."""
MAX_PAGE_BYTES = 16 * 1024 * 1024


class StateObject(msgspec.Struct, frozen=True):
    """A dict: its number here, whose it is (0: everybody's), when it was made, by the wall clock, and
    what it holds."""

    number: int
    state_id: str
    principal: int
    made_at: float
    entries: int
    size: int


class StateRows(Protocol):
    """What is kept, within a transaction."""

    def find(self, state_id: str) -> StateObject | None:
        """The object of this id."""
        ...

    def make(self, state_id: str, principal: int, at: float) -> StateObject:
        """Make one that is not there yet."""
        ...

    def remove(self, found: StateObject) -> None:
        """Remove one, with all that it holds."""
        ...

    def listed(self, prefix: str) -> list[StateObject]:
        """Those whose ids begin so, by id."""
        ...

    def count(self, prefix: str) -> int:
        """How many `listed` would list."""
        ...

    def sizes(self) -> dict[int, int]:
        """How many bytes are kept for each principal."""
        ...

    def get(self, number: int, key: bytes) -> bytes | None:
        """The value of a key."""
        ...

    def has(self, number: int, key: bytes) -> bool:
        """Whether a key has a value."""
        ...

    def put(self, number: int, entries: Sequence[tuple[bytes, bytes]], skip_if_exists: bool) -> tuple[int, int]:
        """Set values; how many, and how many bytes more are kept now."""
        ...

    def pop(self, number: int, key: bytes) -> bytes | None:
        """Remove a key; its value."""
        ...

    def page(
        self, number: int, after: bytes, with_keys: bool, with_values: bool
    ) -> tuple[list[tuple[bytes, bytes]], bytes]:
        """Some entries whose keys have hashes after this one, and the hash of the last if others may follow. What is not
        wanted of them is empty."""
        ...

    def clear(self, number: int) -> None:
        """Remove all entries."""
        ...


class StateStore(Protocol):
    """One thread uses it at a time. Other processes of the same machine may use the same one."""

    def turn(self) -> AbstractContextManager[StateRows]:
        """A transaction: all of it would survive a crash of the machine when the block ends, or nothing of it is kept. Nobody
        else changes anything meanwhile. Raises `ServiceError`; what the block raises is raised."""
        ...

    def close(self) -> None:
        """No more is asked. Idempotent."""
        ...
