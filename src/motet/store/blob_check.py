"""Whether every blob that a journal names is there as it was written; what is not is told with the call it belongs to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from motet.errors import NotFoundError, ServiceError
from motet.store.blob_places import BlobPlaces
from motet.store.blob_reference import MARKER, StoredPayload
from motet.store.journal_sqlite import LAYOUT
from motet.store.sqlite_file import SqliteFile

MOST_TOLD = 100
"""Problems; of others it is told how many there are."""

_NAMED = """
SELECT payload FROM calls JOIN {0} ON call = key WHERE substr(payload, 1, ?) = ? ORDER BY call_id, place
"""


def check_blobs(named: Callable[[], Iterable[StoredPayload]], places: BlobPlaces) -> list[str]:
    """What is wrong with the blobs that a journal names, as `named` says, which a server may use meanwhile. It reads all of
    them. Raises what `named` does."""
    suspects = [(stored, wrong) for stored in named() if (wrong := _wrong(stored, places))]
    if not suspects:
        return []
    # What has ended, or was erased, while all of them were read is not needed any more.
    still = set(named())
    found = [wrong for stored, wrong in suspects if stored in still]
    return found[:MOST_TOLD] + ([f"and {len(found) - MOST_TOLD} more"] if len(found) > MOST_TOLD else [])


def named_in(journal: Path) -> Iterator[StoredPayload]:
    """What the journal in this file names. Raises `ServiceError` if it cannot be read."""
    file = SqliteFile(journal, LAYOUT, read_only=True)
    try:
        for table in ("inputs", "outcomes"):
            with file.reading() as reader:
                rows = reader.execute(_NAMED.format(table), (len(MARKER), MARKER)).fetchall()
            yield from (StoredPayload(payload) for (payload,) in rows)
    finally:
        file.close()


def _wrong(stored: StoredPayload, places: BlobPlaces) -> str:
    try:
        places.get(stored)
    except (NotFoundError, ServiceError) as error:
        return str(error)
    return ""
