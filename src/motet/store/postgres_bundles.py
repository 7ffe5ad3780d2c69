"""Bundles in PostgreSQL, for all servers of a database; each has a directory, where containers find them as files."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from motet.errors import InvalidError, NotFoundError, ServiceError
from motet.model.bundle import BundleFile, Manifest, digest_of
from motet.store.base import BundleStore, Freed
from motet.store.bundles import CLAIM_SECONDS
from motet.store.postgres_connection import PostgresConnection

_BATCH_BYTES = 8 * 2**20
"""Of pieces that are fetched with one question; one that is larger comes alone."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[BundleFile]).decode


class PostgresBundles:
    """See `BundleStore`. What counts is in the database; `directory` has what this server has used of it, and may be lost.

    `claim_seconds`: for so long what was offered is kept, though no version needs it yet.
    """

    def __init__(
        self, connection: PostgresConnection, directory: BundleStore, *, claim_seconds: float = CLAIM_SECONDS
    ) -> None:
        self._connection = connection
        self._directory = directory
        self._claim_seconds = claim_seconds

    def offer(self, manifest: Manifest) -> list[str]:
        """See `BundleStore`."""
        with self._connection.writing() as session:
            here = _sizes(session, manifest)
            _check(manifest, here)
            self._claim(session, manifest)
        return [piece for piece in manifest.pieces if piece not in here]

    def put(self, pieces: Mapping[str, bytes]) -> None:
        """See `BundleStore`."""
        for digest, data in pieces.items():
            if (found := digest_of(data)) != digest:
                raise InvalidError(f"a piece of a bundle was sent as {digest}, and is {found}: it is not kept")
        with self._connection.writing() as session, session.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO motet.pieces VALUES(%b, %b, %b) ON CONFLICT DO NOTHING",
                [(digest, len(data), data) for digest, data in sorted(pieces.items())],
            )

    def place(self, digest: str) -> Path:
        """See `BundleStore`."""
        try:
            return self._directory.place(digest)
        except NotFoundError:
            pass  # this server has not used it yet
        manifest = self._manifest(digest)
        with self._connection.writing() as session:
            here = _sizes(session, manifest)
            if lacking := len(manifest.pieces) - len(here):
                raise NotFoundError(
                    f"{self._connection.address} lacks {lacking} of {len(manifest.pieces)} pieces of bundle {digest}: deploy "
                    "again"
                )
            self._claim(session, manifest)
        self._fetch({piece: here[piece] for piece in self._directory.offer(manifest)})
        return self._directory.place(digest)

    def manifest(self, digest: str) -> Manifest:
        """See `BundleStore`."""
        return self._directory.manifest(digest)

    def prune(self, needed: Collection[str], *, dry_run: bool = False) -> Freed:
        """See `BundleStore`."""
        unneeded = "digest <> ALL(%s) AND claimed_until <= clock_timestamp()"
        if dry_run:
            with self._connection.reading() as session:
                gone = session.execute(f"SELECT digest FROM motet.bundles WHERE {unneeded}", (list(needed),)).fetchall()
                unused = _unused(session, [digest for (digest,) in gone])
        else:
            with self._connection.writing() as session:
                gone = session.execute(
                    f"DELETE FROM motet.bundles WHERE {unneeded} RETURNING digest", (list(needed),)
                ).fetchall()
                unused = _unused(session, [])
                session.execute("DELETE FROM motet.pieces WHERE digest = ANY(%s)", (list(unused),))
        here = self._directory.prune(needed, dry_run=dry_run)
        return Freed(len(gone), sum(unused.values()) + here.size)

    def _claim(self, session: psycopg.Connection[Any], manifest: Manifest) -> None:
        session.execute(
            "INSERT INTO motet.bundles VALUES(%s, %s, clock_timestamp() + %s * interval '1 s') "
            "ON CONFLICT(digest) DO UPDATE SET claimed_until = EXCLUDED.claimed_until",
            (manifest.digest, _encode(manifest.files), self._claim_seconds),
        )

    def _manifest(self, digest: str) -> Manifest:
        rows = self._connection.rows("SELECT files FROM motet.bundles WHERE digest = %s", digest)
        if not rows:
            raise NotFoundError(f"{self._connection.address} has no bundle {digest}: deploy again")
        return _read(digest, rows[0][0])

    def _fetch(self, sizes: Mapping[str, int]) -> None:
        """Have pieces in the directory."""
        batch: list[str] = []
        size = 0
        for piece, its_size in sizes.items():
            batch.append(piece)
            size += its_size
            if size >= _BATCH_BYTES:
                self._fetch_now(batch)
                batch, size = [], 0
        if batch:
            self._fetch_now(batch)

    def _fetch_now(self, pieces: list[str]) -> None:
        with self._connection.reading() as session, session.cursor(binary=True) as cursor:
            found = cursor.execute(
                "SELECT digest, content FROM motet.pieces WHERE digest = ANY(%s)", (pieces,)
            ).fetchall()
        self._directory.put(dict(found))


def _sizes(session: psycopg.Connection[Any], manifest: Manifest) -> dict[str, int]:
    """Those of a bundle's pieces that are in the database."""
    rows = session.execute(
        "SELECT digest, size FROM motet.pieces WHERE digest = ANY(%s)", (list(manifest.pieces),)
    ).fetchall()
    return dict(rows)


def _check(manifest: Manifest, here: Mapping[str, int]) -> None:
    for piece, size in manifest.pieces.items():
        if here.get(piece, size) != size:
            raise InvalidError(f"piece {piece} has {here[piece]} bytes, and not {size}, as the bundle says")


def _unused(session: psycopg.Connection[Any], gone: Collection[str]) -> dict[str, int]:
    """The pieces, with their sizes, that no bundle has but these."""
    used: set[str] = set()
    for digest, files in session.execute("SELECT digest, files FROM motet.bundles").fetchall():
        if digest not in gone:
            used |= _read(digest, files).pieces.keys()
    pieces = session.execute("SELECT digest, size FROM motet.pieces").fetchall()
    return {piece: size for piece, size in pieces if piece not in used}


def _read(digest: str, files: bytes) -> Manifest:
    try:
        manifest = Manifest(_decode(files))
    except (msgspec.DecodeError, InvalidError) as error:
        raise ServiceError(f"the bundle {digest} is damaged in the database: {error}. Deploy again") from error
    if manifest.digest != digest:
        raise ServiceError(f"the bundle {digest} is damaged in the database. Deploy again")
    return manifest
