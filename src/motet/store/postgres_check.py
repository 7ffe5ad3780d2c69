"""What is wrong with what a PostgreSQL database keeps of spawned calls, and with the blobs that it names."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from motet.store.blob_area import area_of_database
from motet.store.blob_check import check_blobs
from motet.store.blob_places import NO_BLOBS, BlobPlaces
from motet.store.blob_reference import MARKER, StoredPayload
from motet.store.blobs_opened import blobs_elsewhere
from motet.store.postgres_address import PostgresAddress
from motet.store.postgres_connection import PostgresConnection
from motet.store.postgres_journal_reading import PostgresJournalReading

_NAMED = """
SELECT payload FROM motet.inputs WHERE substring(payload FROM 1 FOR %s) = %s
UNION ALL SELECT payload FROM motet.outcomes WHERE substring(payload FROM 1 FOR %s) = %s
"""


def check_database(url: str, blobs: str) -> dict[str, list[str]]:
    """By what it is about, while servers use it or not. `blobs`: where they are, if that is not the database. Raises
    `InvalidError`, and `ServiceError` if something cannot be read."""
    address = PostgresAddress(url)
    journal = PostgresJournalReading(address, "motet store check")
    with contextlib.closing(journal), contextlib.closing(PostgresConnection(address)) as connection:

        def named() -> Iterator[StoredPayload]:
            rows = connection.rows(_NAMED, len(MARKER), MARKER, len(MARKER), MARKER)
            return (StoredPayload(payload) for (payload,) in rows)

        elsewhere = blobs_elsewhere(blobs) if blobs else None
        places = NO_BLOBS if elsewhere is None else BlobPlaces(None, elsewhere, area_of_database(connection))
        return {"spawned calls": journal.check(), "blobs": check_blobs(named, places)}
