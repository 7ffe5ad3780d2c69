"""Bundles as they come from clients: offered, and what is lacking of them taken."""

from __future__ import annotations

import asyncio
import zlib
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from motet.errors import InvalidError, ResourceExhaustedError
from motet.model.bundle import Manifest
from motet.store.base import BundleStore
from motet.wire.bundle_messages import BundleOffered, OfferBundle, Piece, PutPieces
from motet.wire.client_messages import Done, ReplyBody

MAX_HELD_BYTES = 256 * 2**20
"""Of pieces that have come and are not on disk yet, of all clients."""
_AT_ONCE_BYTES = 32 * 2**20
MAX_WANTED = 200_000
"""Pieces that are expected: those that were lacking longest ago are forgotten first."""


class Uploads:
    """Takes the pieces that bundles lack, and no others: what is sent is bounded by what was offered. Without a store, this
    server keeps nothing. All methods are called on its loop's thread."""

    def __init__(self, store: BundleStore | None) -> None:
        self._store = store
        self._wanted: OrderedDict[str, int] = OrderedDict()
        """By digest, the largest size that a bundle has said. It stays when a piece has come: others may be sending it."""
        self._held = 0
        self._one_at_a_time = asyncio.Lock()
        self.answers: dict[type[Any], Callable[[Any], Coroutine[Any, Any, ReplyBody]]] = {
            OfferBundle: self._offer,
            PutPieces: self._put,
        }

    async def _offer(self, body: OfferBundle) -> ReplyBody:
        store = self._kept_in()
        manifest = await asyncio.to_thread(Manifest, body.files)
        lacking = await asyncio.to_thread(store.offer, manifest)
        sizes = manifest.pieces
        for piece in lacking:
            self._wanted[piece] = max(sizes[piece], self._wanted.get(piece, 0))
            self._wanted.move_to_end(piece)
        while len(self._wanted) > MAX_WANTED:
            self._wanted.popitem(last=False)
        return BundleOffered(manifest.digest, lacking)

    async def _put(self, body: PutPieces) -> ReplyBody:
        store = self._kept_in()
        size = sum(len(piece.data) for piece in body.pieces)
        if self._held + size > MAX_HELD_BYTES:
            raise ResourceExhaustedError(
                f"{self._held / 2**20:.0f} MiB of other bundles are being written: deploy again", 5.0
            )
        self._held += size
        try:
            sizes = {piece.digest: self._size_of(piece) for piece in body.pieces}
            async with self._one_at_a_time:
                await asyncio.to_thread(_keep, store, body.pieces, sizes)
        finally:
            self._held -= size
        return Done()

    def _size_of(self, piece: Piece) -> int:
        size = self._wanted.get(piece.digest)
        if size is None:
            raise InvalidError(f"no bundle that was offered lacks piece {piece.digest}: deploy again")
        return size

    def _kept_in(self) -> BundleStore:
        if self._store is None:
            raise InvalidError(
                "this server ends with its program, and keeps no deployments: start one that stays (`motet server`), and "
                "name it (`MOTET_SERVER=home`)"
            )
        return self._store


def _keep(store: BundleStore, pieces: Sequence[Piece], sizes: Mapping[str, int]) -> None:
    """Some at a time: what they are when they are unpacked can be far more than what came."""
    contents: dict[str, bytes] = {}
    size = 0
    for piece in pieces:
        contents[piece.digest] = _content(piece, sizes[piece.digest])
        size += sizes[piece.digest]
        if size > _AT_ONCE_BYTES:
            store.put(contents)
            contents, size = {}, 0
    store.put(contents)


def _content(piece: Piece, size: int) -> bytes:
    """No more than was announced, whatever it unpacks to. Raises `InvalidError`."""
    data = piece.data
    if piece.packed:
        unpacking = zlib.decompressobj()
        try:
            data = unpacking.decompress(piece.data, size + 1)
        except zlib.error as error:
            raise InvalidError(f"piece {piece.digest} of a bundle cannot be unpacked: {error}") from None
    if len(data) > size:
        raise InvalidError(f"piece {piece.digest} of a bundle was to have {size} bytes, and has more")
    return data
