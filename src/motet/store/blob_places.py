"""Where the blobs of a server lie: under its home, or where `MOTET_BLOBS` says, beside those of others."""

from __future__ import annotations

from collections.abc import Iterator

from motet.errors import NotFoundError, ServiceError
from motet.store.blob_reference import BlobName, StoredPayload, digest_of
from motet.store.blobs import BlobFound, BlobStore

HOME_AREA = "home"
THRESHOLD = 256 * 1024
"""Bytes: a payload of more is kept as a blob, unless it is configured otherwise."""


class BlobPlaces:
    """`home`: the directory in the server's home, which is its alone. `elsewhere`: what several may share, each with an `area`
    of its own; new blobs go there, if it is given. Without either, nothing is kept as a blob."""

    def __init__(
        self,
        home: BlobStore | None = None,
        elsewhere: BlobStore | None = None,
        area: str = "",
        *,
        had_others: bool = False,
    ) -> None:
        """`had_others`: blobs may lie where new ones went before, which this does not know."""
        self._home = home
        self._elsewhere = elsewhere
        self.area = HOME_AREA if elsewhere is None else area
        """Of new blobs."""
        self._writes = home if elsewhere is None else elsewhere
        self.had_others = had_others

    @property
    def is_any(self) -> bool:
        """New blobs can be kept."""
        return self._writes is not None

    def put(self, name: BlobName, data: bytes) -> StoredPayload:
        """Keep it, in this server's area. Raises `ServiceError`."""
        assert self._writes is not None
        self._writes.put(str(name), data)
        return StoredPayload.of(name, len(data))

    def probe(self) -> None:
        """Keep something as large as the smallest blobs, and let go of it: whether that is possible now. Raises
        `ServiceError`."""
        assert self._writes is not None
        name = f"{self.area}/probe"
        self._writes.put(name, bytes(THRESHOLD))
        self._writes.erase([name])

    def get(self, stored: StoredPayload) -> bytes:
        """What was kept. Raises `NotFoundError` if it is gone or damaged, and `ServiceError`."""
        name = stored.name
        if name is None:
            raise NotFoundError(f"what the journal has in place of a payload names none: {bytes(stored)!r:.200}")
        try:
            data = self._of(name.area).get(str(name))
        except NotFoundError as error:
            raise NotFoundError(f"{name.owner} is gone: {error}") from None
        if len(data) != stored.size or digest_of(data) != name.digest:
            raise NotFoundError(
                f"{name.owner} is damaged: {name} has {len(data)} bytes, which are not the {stored.size} that were written"
            )
        return data

    def delete(self, stored: StoredPayload) -> None:
        """Have it go, unless a backup is being made, or it lies in an area that is not this server's: who restored or copied a
        home lets go of what the original still needs. Raises `ServiceError`."""
        name = stored.name
        for area, store in self.own():
            if name is not None and name.area == area:
                store.delete([str(name)])

    def reaches(self, stored: StoredPayload) -> bool:
        """Whether its place is known here."""
        name = stored.name
        return name is None or (self._home if name.area == HOME_AREA else self._elsewhere) is not None

    def erase_call(self, call_id: str) -> None:
        """Have all go that belong to a call. Raises `ServiceError`."""
        for area, store in self.own():
            store.erase([found.name for found in store.find(f"{area}/{call_id}")])

    def find(self) -> Iterator[tuple[BlobStore, BlobFound]]:
        """All that are this server's."""
        for area, store in self.own():
            for found in store.find(area):
                yield store, found

    def own(self) -> Iterator[tuple[str, BlobStore]]:
        """The areas that are this server's alone, and what has them."""
        if self._home is not None:
            yield HOME_AREA, self._home
        if self._elsewhere is not None:
            yield self.area, self._elsewhere

    def _of(self, area: str) -> BlobStore:
        found = self._home if area == HOME_AREA else self._elsewhere
        if found is None:
            raise ServiceError(
                f"a large argument or result is kept in the area {area} of a store that is not named any more: set MOTET_BLOBS "
                "to where it was"
            )
        return found

    def close(self) -> None:
        """No more is asked. Idempotent."""
        for _, store in self.own():
            store.close()


NO_BLOBS = BlobPlaces()
"""Nothing is kept as a blob."""
