"""Blobs: bytes under a name, each written once and never changed, in a directory or in object storage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol


class BlobFound(NamedTuple):
    """A blob that is there: its name, its bytes, and when it was written, by the clock of whoever keeps it."""

    name: str
    size: int
    written_at: float


class BlobStore(Protocol):
    """Keeps blobs. Names are parts of letters, digits and `.-_`, with slashes between them; no part begins with a dot.

    Thread-safe; every method waits for a disk or a network, for a bounded time. All raise `ServiceError` where that is the
    matter, with what to do.
    """

    def put(self, name: str, data: bytes) -> None:
        """Keep it. When this returns, it would survive a crash of the process, and of the machine; until then it is there as a
        whole or not at all. Nothing else is ever kept under the same name, so that a second time changes nothing."""
        ...

    def get(self, name: str) -> bytes:
        """All of it. Raises `NotFoundError`."""
        ...

    def delete(self, names: Iterable[str]) -> int:
        """Have these go, as far as they may now: while a copy of the whole is made, none does. How many may not, so that it is
        to be asked again. One that is not there is gone."""
        ...

    def erase(self, names: Iterable[str]) -> None:
        """Have these go now, whatever else happens."""
        ...

    def find(self, below: str = "") -> Iterator[BlobFound]:
        """Those whose name begins with this and a slash; without it, all. What comes or goes meanwhile may be there or not."""
        ...

    def close(self) -> None:
        """No more is asked. Idempotent."""
        ...
