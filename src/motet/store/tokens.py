"""The tokens of a server that stays, in a file: what is kept of each would not let anybody in."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from motet.errors import ServiceError
from motet.store.base import KeptToken


class TokenFile:
    """A file that its user alone can read; it is replaced as a whole."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> list[KeptToken] | None:
        """See `TokenStore`."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=list[KeptToken])
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            raise ServiceError(f"cannot read the tokens of this server in {self._path}: {error}") from error

    def save(self, tokens: Sequence[KeptToken]) -> None:
        """See `TokenStore`."""
        unnamed = self._path.with_suffix(".new")
        try:
            with open(os.open(unnamed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(list(tokens)), indent=2))
                file.flush()
                os.fsync(file.fileno())
            unnamed.rename(self._path)
        except OSError as error:
            raise ServiceError(f"cannot write the tokens of this server to {self._path}: {error.strerror}") from error
