"""The directories of servers under `MOTET_HOME`: who lives, and how long what the others left is kept.

A server holds a lock on its directory for as long as it lives; the system takes it back when the process ends, however it
does. Whoever can take the lock knows that the server has ended.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import msgspec

from motet.errors import AlreadyExistsError, ServiceError
from motet.model.server_identity import ServerIdentity

RECORDS = "records.db"
_LOCK = "lock"
_IDENTITY = "server.json"


class ServerDirectory:
    """The directory of a server that lives, readable by its user alone."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock

    @classmethod
    def create(cls, home: Path, server_id: str) -> Self:
        """Make it and take its lock. Raises `AlreadyExistsError`, or `ServiceError` if it cannot be made."""
        path = home / "servers" / server_id
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.mkdir(mode=0o700)
            lock = _make_lock(path)
        except FileExistsError:
            raise AlreadyExistsError(f"a server {server_id} was here before: {path}") from None
        except OSError as error:
            raise ServiceError(
                f"cannot make {path}, where records are to be kept: {error.strerror}; set MOTET_HOME to a directory that "
                "can be written"
            ) from error
        return cls(path, lock)

    @property
    def records(self) -> Path:
        """Where its records are."""
        return self.path / RECORDS

    def publish(self, identity: ServerIdentity) -> None:
        """Tell the user's other processes how to reach the server. Raises `ServiceError`."""
        unnamed = self.path / f"{_IDENTITY}.new"
        try:
            with open(os.open(unnamed, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600), "wb") as file:
                file.write(msgspec.json.encode(identity))
            unnamed.rename(self.path / _IDENTITY)
        except OSError as error:
            raise ServiceError(f"cannot write {self.path / _IDENTITY}: {error.strerror}") from error

    def close(self) -> None:
        """The server has ended: its directory may go. Idempotent."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def server_directories(home: Path) -> list[Path]:
    """The directories of all servers of this user, that which was made last first. Those of others, and those that others
    can write to, are not believed: what is in there says which code to trust and what to connect to."""
    servers = home / "servers"
    if not _is_ours(servers):
        return []
    return sorted(filter(_is_ours, _entries(servers)), key=_made_at, reverse=True)


def foreign_directories(home: Path) -> list[Path]:
    """The directories that are not believed; that of all servers stands for what is in it."""
    servers = home / "servers"
    if _is_directory(servers) and not _is_ours(servers):
        return [servers]
    return [entry for entry in _entries(servers) if _is_directory(entry) and not _is_ours(entry)]


def is_live(directory: Path) -> bool:
    """Whether the directory's server still runs."""
    with _taken(directory, fcntl.LOCK_SH) as ended:
        return not ended and (directory / _LOCK).exists()


def live_servers(home: Path) -> list[Path]:
    """The directories of the servers that run, the youngest first."""
    return [directory for directory in server_directories(home) if is_live(directory)]


def identities(home: Path) -> list[ServerIdentity]:
    """The servers that run and can be reached, the youngest first."""
    found = []
    for directory in live_servers(home):
        with contextlib.suppress(OSError, msgspec.DecodeError):  # it is about to write it, or goes
            found.append(msgspec.json.decode((directory / _IDENTITY).read_bytes(), type=ServerIdentity))
    return found


def last_written_at(directory: Path) -> float:
    """When something in the directory changed; never, as yet, for one without files."""
    return max((status.st_mtime for status in _files(directory)), default=float("inf"))


def retirable(home: Path, keep_for: float, keep_bytes: int, now: float) -> list[tuple[Path, int]]:
    """The directories of servers that ended more than `keep_for` seconds before `now`, and the oldest of the rest while all
    together (with those of servers that run, which stay) take more than `keep_bytes`; each with its size."""
    directories = server_directories(home)
    total = sum(map(_size, directories))
    found = []
    for directory in reversed(directories):
        size = _size(directory)
        too_old = last_written_at(directory) < now - keep_for
        if (too_old or total > keep_bytes) and has_ended(directory):
            total -= size
            found.append((directory, size))
    return found


def retire(home: Path, keep_for: float, keep_bytes: int, now: float) -> list[Path]:
    """Delete those that are `retirable`; those that went. Several processes may do so at once."""
    return [directory for directory, _ in retirable(home, keep_for, keep_bytes, now) if delete(directory)]


def has_ended(directory: Path) -> bool:
    """Whether the directory's server is known to have ended."""
    with _taken(directory, fcntl.LOCK_SH) as ended:
        return ended


def delete(directory: Path) -> bool:
    """Delete the directory of a server that has ended; whether it had."""
    with _taken(directory, fcntl.LOCK_EX) as ended:
        if ended:
            shutil.rmtree(directory, ignore_errors=True)
        return ended


def _make_lock(directory: Path) -> int:
    # Taken before it has its name, so that nobody who looks whether the server lives takes it first.
    unnamed = directory / f"{_LOCK}.new"
    lock = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    unnamed.rename(directory / _LOCK)
    return lock


@contextlib.contextmanager
def _taken(directory: Path, how: int) -> Iterator[bool]:
    """Whether the directory's lock is to be had; it is held meanwhile."""
    try:
        lock = os.open(directory / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        # Its server is about to take it, or somebody else deletes the directory.
        yield False
        return
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except OSError:
        yield False
    else:
        yield True
    finally:
        os.close(lock)


def _entries(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except OSError:
        return []


def _is_directory(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


def _is_ours(path: Path) -> bool:
    """Whether it is a directory, not a link to one, that this user owns, and that nobody else can write to."""
    try:
        status = path.lstat()
    except OSError:
        return False
    others_write = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not others_write


def _made_at(directory: Path) -> float:
    # The lock is written when the directory is made, and never again.
    try:
        return (directory / _LOCK).stat().st_mtime
    except OSError:
        return 0.0


def _size(directory: Path) -> int:
    return sum(status.st_size for status in _files(directory))


def _files(directory: Path) -> list[os.stat_result]:
    found = []
    with contextlib.suppress(OSError):  # it went meanwhile
        for entry in directory.iterdir():
            with contextlib.suppress(OSError):
                found.append(entry.stat())
    return found
