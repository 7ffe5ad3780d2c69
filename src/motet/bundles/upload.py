"""A bundle's way to a server, which is sent what it lacks of it."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence

from motet.bundles.bundle import Bundle, bundled
from motet.client.connection import Connection
from motet.client.dual import Steps
from motet.context.notices import warn_user
from motet.errors import ServiceError
from motet.model.function import AppSpec
from motet.wire.bundle_messages import BundleOffered, OfferBundle, Piece, PutPieces

BATCH_BYTES = 8 * 2**20
"""About what is sent at once; one piece can be larger."""
_WORTH_PACKING = 512


def upload(connection: Connection, bundle: Bundle) -> Steps[str]:
    """Have the server keep it; what it is called there. Idempotent. Raises `InvalidError` if a file changes meanwhile."""
    offered: BundleOffered = yield from connection.request(OfferBundle(list(bundle.manifest.files)))
    if offered.digest != bundle.manifest.digest:
        raise ServiceError(
            f"the server takes bundle {bundle.manifest.digest} for {offered.digest}: its Motet and this one do not agree"
        )
    for batch in _batches(bundle, offered.lacking):
        yield from connection.request(PutPieces(batch))
    return offered.digest


def sent(connection: Connection, spec: AppSpec) -> Steps[tuple[AppSpec, str]]:
    """The app as it is to be started there, whose source is there then, and the digest of its bundle. Warns of what a user
    should know. Raises as `bundled` and `upload` do."""
    packed, bundle = bundled(spec)
    for note in bundle.notes:
        warn_user(UserWarning(note))
    digest = yield from upload(connection, bundle)
    return packed, digest


def _batches(bundle: Bundle, digests: Sequence[str]) -> Iterator[list[Piece]]:
    batch: list[Piece] = []
    size = 0
    for digest in digests:
        piece = _piece(digest, bundle.pieces[digest].again())
        if batch and size + len(piece.data) > BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(piece)
        size += len(piece.data)
    if batch:
        yield batch


def _piece(digest: str, data: bytes) -> Piece:
    """Packed, if that saves a tenth."""
    if len(data) >= _WORTH_PACKING and len(packed := zlib.compress(data, 1)) < 0.9 * len(data):
        return Piece(digest, packed, packed=True)
    return Piece(digest, data)
