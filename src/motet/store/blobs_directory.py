"""Blobs as files of a directory, which their user alone can read.

Each is written under another name, synced and renamed, and then its directory is synced: what has its name is whole, whenever
the machine stops. Whoever copies the directory has its lock meanwhile, so that what a copied journal names is there.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from motet.errors import NotFoundError, ServiceError
from motet.store.blobs import BlobFound

INCOMING = ".incoming"
_LOCK = ".lock"
LEFT_BEHIND = 86400.0
"""Seconds after which what somebody began to write, and did not finish, goes."""


class BlobDirectory:
    """See `BlobStore`. The directory is made with the first blob."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._incoming = directory / INCOMING

    def put(self, name: str, data: bytes) -> None:
        """See `BlobStore`."""
        path = self._directory / name
        # Servers that share the directory may each be process 1 of a container: that tells nobody apart.
        unnamed = self._incoming / secrets.token_hex(16)
        with self._explained("write", path):
            self._make(self._incoming)
            try:
                _write(unnamed, data)
                self._name(unnamed, path)
            finally:
                unnamed.unlink(missing_ok=True)

    def _name(self, unnamed: Path, path: Path) -> None:
        while True:
            self._make(path.parent)
            try:
                unnamed.rename(path)
            except FileNotFoundError:  # its directory was empty, and somebody has just removed it
                if not unnamed.exists():
                    raise
                continue
            _sync(path.parent)
            return

    def _make(self, directory: Path) -> None:
        """Directories, and on the disk."""
        if directory.is_dir():
            return
        if directory != self._directory:
            self._make(directory.parent)
        with contextlib.suppress(FileExistsError):
            directory.mkdir(mode=0o700)
        _sync(directory.parent)

    def get(self, name: str) -> bytes:
        """See `BlobStore`."""
        path = self._directory / name
        with self._explained("read", path):
            try:
                return path.read_bytes()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                raise NotFoundError(f"there is no file {path}") from None

    def delete(self, names: Iterable[str]) -> int:
        """See `BlobStore`."""
        asked = list(names)
        with self._explained("look into", self._directory), self._held(fcntl.LOCK_SH | fcntl.LOCK_NB) as may_go:
            if not may_go:
                return len(asked)
            self.erase(asked)
            return 0

    def erase(self, names: Iterable[str]) -> None:
        """See `BlobStore`."""
        for name in names:
            path = self._directory / name
            with self._explained("remove", path):
                with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                    path.unlink()
                if path.parent != self._directory:
                    with contextlib.suppress(OSError):  # others are in it
                        path.parent.rmdir()

    def find(self, below: str = "") -> Iterator[BlobFound]:
        """See `BlobStore`."""
        with self._explained("look into", self._directory):
            self._clear_incoming()
            yield from self._below(self._directory / below, f"{below}/" if below else "")

    def _below(self, directory: Path, prefix: str) -> Iterator[BlobFound]:
        for entry in sorted(_entries(directory), key=lambda it: it.name):
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from self._below(directory / entry.name, f"{prefix}{entry.name}/")
            elif entry.is_file(follow_symlinks=False):
                with contextlib.suppress(FileNotFoundError):
                    status = entry.stat(follow_symlinks=False)
                    yield BlobFound(prefix + entry.name, status.st_size, status.st_mtime)

    def _clear_incoming(self) -> None:
        for entry in _entries(self._incoming):
            with contextlib.suppress(FileNotFoundError):
                if entry.stat(follow_symlinks=False).st_mtime < time.time() - LEFT_BEHIND:
                    os.unlink(entry.path)

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Nothing is deleted meanwhile, but for what is to be erased; waits for others who want that. Raises `ServiceError`."""
        with self._explained("lock", self._directory):
            self._make(self._directory)  # somebody may do so meanwhile, and delete what is in it
            with self._held(fcntl.LOCK_EX):
                yield

    @contextlib.contextmanager
    def _held(self, how: int) -> Iterator[bool]:
        try:
            lock = os.open(self._directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:  # there is nothing in it
            yield True
            return
        try:
            try:
                fcntl.flock(lock, how)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(lock)

    @contextlib.contextmanager
    def _explained(self, verb: str, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ServiceError(
                f"cannot {verb} {path}, where large arguments and results are kept: {error.strerror or error}. See that the "
                "directory can be written and its disk has room"
            ) from error

    def close(self) -> None:
        """See `BlobStore`."""


def _write(path: Path, data: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(file, rest) :]
        os.fsync(file)
    finally:
        os.close(file)


def _sync(directory: Path) -> None:
    file = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _entries(directory: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as found:
            return list(found)
    except (FileNotFoundError, NotADirectoryError):
        return []
