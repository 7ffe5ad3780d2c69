"""How a version of a deployed app is written down: its view as it is, and the rest, which has secrets, sealed."""

from __future__ import annotations

import msgspec

from motet.errors import ServiceError
from motet.model.deployment import DeploymentView
from motet.store.base import KeptDeployment
from motet.store.seal import Seal, is_sealed

_view = msgspec.msgpack.Decoder(DeploymentView)
_kept = msgspec.msgpack.Decoder(KeptDeployment)
_encode = msgspec.msgpack.Encoder().encode


class DeploymentCoding:
    """`seal`: None where nothing is sealed. `where` they are kept, for messages."""

    def __init__(self, seal: Seal | None, where: object) -> None:
        self._seal = seal
        self._where = where

    def written(self, kept: KeptDeployment) -> bytes:
        """All of it but what becomes of its view later."""
        return _encode(kept) if self._seal is None else self._seal.sealed(_encode(kept))

    def whole(self, view: bytes, kept: bytes) -> KeptDeployment:
        """As it was made, and as it is now. Raises `ServiceError`."""
        if self._seal is not None:
            kept = self._seal.opened(kept)
        elif is_sealed(kept):
            raise ServiceError(
                f"deployments in {self._where} are sealed, and opening them needs one more package: "
                "pip install 'motet[server]'"
            )
        return msgspec.structs.replace(_kept.decode(kept), view=_view.decode(view))
