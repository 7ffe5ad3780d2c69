"""Blobs in memory: for tests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator

from motet.errors import NotFoundError, ServiceError
from motet.store.blobs import BlobFound


class MemoryBlobs:
    """See `BlobStore`. `problem`: why nothing can be read or written now."""

    def __init__(self, now: Callable[[], float] = lambda: 0.0) -> None:
        self.problem = ""
        self._now = now
        self._lock = threading.Lock()
        self._blobs: dict[str, tuple[bytes, float]] = {}

    def put(self, name: str, data: bytes) -> None:
        """See `BlobStore`."""
        self._check()
        with self._lock:
            self._blobs.setdefault(name, (bytes(data), self._now()))

    def get(self, name: str) -> bytes:
        """See `BlobStore`."""
        self._check()
        with self._lock:
            found = self._blobs.get(name)
        if found is None:
            raise NotFoundError(f"there is no blob {name}")
        return found[0]

    def delete(self, names: Iterable[str]) -> int:
        """See `BlobStore`."""
        self.erase(names)
        return 0

    def erase(self, names: Iterable[str]) -> None:
        """See `BlobStore`."""
        self._check()
        with self._lock:
            for name in names:
                self._blobs.pop(name, None)

    def find(self, below: str = "") -> Iterator[BlobFound]:
        """See `BlobStore`."""
        self._check()
        with self._lock:
            found = sorted(self._blobs.items())
        for name, (data, written_at) in found:
            if not below or name.startswith(f"{below}/"):
                yield BlobFound(name, len(data), written_at)

    def _check(self) -> None:
        if self.problem:
            raise ServiceError(f"blobs cannot be reached: {self.problem}")

    def close(self) -> None:
        """See `BlobStore`."""
