"""How a bundle comes to a server: its files by hash are offered, and what the server lacks of them is sent."""

from __future__ import annotations

from typing import Annotated

import msgspec

from motet.model.bundle import MAX_FILE_BYTES, MAX_FILES, BundleFile, Digest
from motet.wire.message import Message

# --- client to server -------------------------------------------------------------------------------------------------


class OfferBundle(Message, tag="offer_bundle", frozen=True):
    """Which files a bundle has; answered by `BundleOffered`."""

    files: Annotated[list[BundleFile], msgspec.Meta(max_length=MAX_FILES)]


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """The content of files: as it is, or, if `packed`, compressed by zlib."""

    digest: Digest
    data: Annotated[bytes, msgspec.Meta(max_length=MAX_FILE_BYTES)]
    packed: bool = False


class PutPieces(Message, tag="put_pieces", frozen=True):
    """Pieces that bundles lack which were offered; answered by `Done` when they are kept."""

    pieces: list[Piece]


# --- server to client -------------------------------------------------------------------------------------------------


class BundleOffered(Message, tag="bundle_offered", frozen=True):
    """What a bundle that was offered is called, and the pieces of it that the server lacks."""

    digest: str
    lacking: list[str]
