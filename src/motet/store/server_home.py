"""The place of the one server that stays under a home: who has it, for as long as that lives."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path
from typing import Self

import msgspec

from motet.errors import AlreadyExistsError, ServiceError
from motet.model.version import VERSION

_LOCK = "lock"
_FORMAT = "format.json"

HOME_FORMAT = 1
"""Goes up with every change of what lies in the directory that a Motet before it could not go on with: tokens, the audit log,
bundles, versions. Records have a format of their own (`sqlite_records_layout.py`), by run."""


class HomeFormat(msgspec.Struct, frozen=True):
    """The format of a directory, and the Motet that wrote it last."""

    format: int
    motet: str


class HomeHolder(msgspec.Struct, frozen=True):
    """The server that has a home: its process, and since when (wall clock)."""

    pid: int
    since: float

    def __str__(self) -> str:
        return f"process {self.pid}, since {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(self.since))}"


class ServerHome:
    """The directory of the server that stays, readable by its user alone, and the lock on it, which the system takes back
    when the process ends, however it does."""

    def __init__(self, directory: Path, lock: int, holder: HomeHolder) -> None:
        self.directory = directory
        self.holder = holder
        self._lock = lock

    @classmethod
    def take(cls, directory: Path) -> Self:
        """Make it, and have it. Raises `AlreadyExistsError`, which says who has it, or `ServiceError` if it cannot be made."""
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            directory.chmod(0o700)
            lock = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ServiceError(
                f"cannot make {directory}, where the server keeps what is its own: {error.strerror}; set MOTET_HOME to a "
                "directory that can be written"
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise AlreadyExistsError(
                f"a server has {directory.parent} already: {holder_of(directory) or 'it is just starting'}. End that one, or "
                "set MOTET_HOME to another directory"
            ) from None
        holder = HomeHolder(os.getpid(), time.time())
        try:
            _check_format(directory)  # before anything of it is changed
            os.ftruncate(lock, 0)
            os.pwrite(lock, msgspec.json.encode(holder), 0)
            _write_format(directory)
        except ServiceError:
            os.close(lock)
            raise
        except OSError as error:
            os.close(lock)
            raise ServiceError(f"cannot write {directory / _LOCK}: {error.strerror}") from error
        return cls(directory, lock, holder)

    def close(self) -> None:
        """Another server may have it. Idempotent."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _check_format(directory: Path) -> None:
    """Raises `ServiceError` for a directory that another Motet has made what this one cannot read, or could not give back."""
    try:
        found = msgspec.json.decode((directory / _FORMAT).read_bytes(), type=HomeFormat)
    except FileNotFoundError:
        return
    except (OSError, msgspec.DecodeError) as error:
        raise ServiceError(
            f"{directory / _FORMAT}, which says how {directory} is to be read, cannot be: {error}"
        ) from None
    if found.format != HOME_FORMAT:
        newer = found.format > HOME_FORMAT
        raise ServiceError(
            f"{directory} was written by {'a newer' if newer else 'an older'} Motet ({found.motet}, format {found.format}; "
            f"this is {VERSION}, which has format {HOME_FORMAT}). Nothing was changed. Start that one, or set "
            "MOTET_HOME to another directory: docs/upgrading.md says how homes move on"
        )


def _write_format(directory: Path) -> None:
    unnamed = directory / f"{_FORMAT}.new"
    unnamed.write_bytes(msgspec.json.encode(HomeFormat(HOME_FORMAT, VERSION)))
    unnamed.replace(directory / _FORMAT)


def holder_of(directory: Path) -> HomeHolder | None:
    """The server that has this directory now; None: none, or it has not said so yet."""
    try:
        lock = os.open(directory / _LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        # Shared: two who ask must not take each other for the server.
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        with contextlib.suppress(OSError, msgspec.DecodeError):
            return msgspec.json.decode(os.read(lock, 1024), type=HomeHolder)
    finally:
        os.close(lock)
    return None
