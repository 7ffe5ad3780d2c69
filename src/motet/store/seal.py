"""What has secrets in it, sealed before it is written to a disk, with keys from a file that its user alone can read."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from motet.errors import ServiceError

_BEGIN = b"gAAAAA"
"""How all that is sealed begins; nothing that msgpack writes of an object does."""


class Seal:
    """Seals with the first of its keys, and opens what was sealed with any of them. Thread-safe.

    The file has a key a line, the newest first. If it is not there, it is made with the first key; or, if it `must_be_there`,
    because others have it too, that is told. Raises `ServiceError`.
    """

    def __init__(self, path: Path, *, must_be_there: bool = False) -> None:
        from cryptography.fernet import Fernet, InvalidToken, MultiFernet  # late: most programs seal nothing

        self._path = path
        self._invalid: type[Exception] = InvalidToken
        try:
            keys = _read(path)
            if not keys and must_be_there:
                raise ServiceError(
                    f"{path} (MOTET_SECRETS_KEY) has no keys for secrets: copy it from a server that shares the database, or "
                    "have it made by `motet server new-key`"
                )
            if not keys:
                keys = [Fernet.generate_key()]
                _write(path, keys)
            self._first: Callable[[bytes], bytes] = Fernet(keys[0]).decrypt
            fernet = MultiFernet([Fernet(key) for key in keys])
        except OSError as error:
            raise ServiceError(
                f"cannot read or make {path}, which has the keys for secrets: {error.strerror}"
            ) from error
        except ValueError as error:
            raise ServiceError(f"{path} is to have one key a line, and has something else: {error}") from None
        self._encrypt, self._decrypt = fernet.encrypt, fernet.decrypt
        self._keys = keys

    @property
    def has_older_keys(self) -> bool:
        """There was a newer key made than the one that was used before."""
        return len(self._keys) > 1

    def sealed(self, data: bytes) -> bytes:
        """The same, for a disk."""
        return self._encrypt(data)

    def opened(self, data: bytes) -> bytes:
        """What was sealed, or was never sealed. Raises `ServiceError`."""
        if not is_sealed(data):
            return data
        try:
            return self._decrypt(data)
        except self._invalid:
            raise ServiceError(
                f"none of the keys in {self._path} opens what was sealed: it is not the file that was there, or has lost a "
                "key. Put that file back from a backup"
            ) from None

    def is_newest(self, data: bytes) -> bool:
        """Whether it was sealed with the newest key."""
        if not is_sealed(data):
            return False
        with contextlib.suppress(self._invalid):
            self._first(data)
            return True
        return False

    def forget_older_keys(self) -> None:
        """Nothing is left that was sealed with them. A key that was made since is kept. Raises `ServiceError`."""
        try:
            keys = _read(self._path)
            _write(self._path, [key for key in keys if key not in self._keys[1:]])
        except OSError as error:
            raise ServiceError(f"cannot write {self._path}: {error.strerror}") from error
        self._keys = self._keys[:1]


def is_sealed(data: bytes) -> bool:
    """Whether something was sealed before it was written."""
    return data.startswith(_BEGIN)


def add_key(path: Path) -> None:
    """Make a new key, which is used from the next start on. Raises `ServiceError`."""
    try:
        from cryptography.fernet import Fernet

        _write(path, [Fernet.generate_key(), *_read(path)])
    except ImportError as error:
        raise ServiceError(f"sealing needs one more package: pip install 'motet[server]' ({error})") from error
    except OSError as error:
        raise ServiceError(f"cannot write {path}: {error.strerror}") from error


def _read(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().split()
    except FileNotFoundError:
        return []


def _write(path: Path, keys: Sequence[bytes]) -> None:
    """All of it or nothing, on the disk before anything is sealed with it."""
    unnamed = path.with_name(f"{path.name}.new")
    file = os.open(unnamed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(file, b"".join(key + b"\n" for key in keys))
        os.fsync(file)
    finally:
        os.close(file)
    unnamed.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
