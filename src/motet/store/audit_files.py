"""The audit log in files: JSON lines that are only ever appended, in so many files of such a size at most."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from motet.errors import ServiceError
from motet.model.audit import AuditEntry

FILE_BYTES = 8 * 1024 * 1024
FILES = 16
"""Older ones are deleted; together 128 MiB."""

_CURRENT = "audit.jsonl"
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(AuditEntry).decode


class AuditFiles:
    """A directory that its user alone can read. `append` is for one thread at a time."""

    def __init__(self, directory: Path, file_bytes: int = FILE_BYTES, files: int = FILES) -> None:
        self._directory = directory
        self._path = directory / _CURRENT
        self._file_bytes = file_bytes
        self._files = files

    def append(self, entries: Sequence[AuditEntry]) -> None:
        """See `AuditStore`."""
        data = b"".join(_encode(each) + b"\n" for each in entries)
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                size = os.fstat(file).st_size
                if size and os.pread(file, 1, size - 1) != b"\n":
                    data = b"\n" + data  # the machine went down in the middle of a line: nothing is joined to it
                try:
                    _write(file, data)
                except OSError:
                    os.ftruncate(file, size)  # all of it is tried again, or none
                    raise
                size += len(data)
            finally:
                os.close(file)
            if size >= self._file_bytes:
                self._rotate()
        except OSError as error:
            raise ServiceError(f"cannot write the audit log {self._path}: {error.strerror}") from error

    def read(self, since: float | None = None) -> Iterator[AuditEntry]:
        """See `AuditStore`."""
        return read_audit(self._directory, since)

    def _rotate(self) -> None:
        older = _older(self._directory)
        number = int(older[-1].suffixes[0][1:]) + 1 if older else 1
        self._path.rename(self._directory / f"audit.{number:08}.jsonl")
        for path in older[: max(0, len(older) + 2 - self._files)]:
            path.unlink(missing_ok=True)


def _write(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]
    os.fsync(file)


def _older(directory: Path) -> list[Path]:
    """The files that are full, the oldest first."""
    return sorted(path for path in directory.glob("audit.*.jsonl") if path.suffixes[0][1:].isdecimal())


def read_audit(directory: Path, since: float | None = None) -> Iterator[AuditEntry]:
    """What was written there, the oldest first; lines that were cut off are left out. Raises `ServiceError`."""
    for path in (*_older(directory), directory / _CURRENT):
        try:
            with path.open("rb") as file:
                for line in file:
                    with contextlib.suppress(msgspec.DecodeError):
                        entry = _decode(line)
                        if since is None or entry.at >= since:
                            yield entry
        except FileNotFoundError:  # it was rotated just now, or nothing was ever written
            continue
        except OSError as error:
            raise ServiceError(f"cannot read the audit log {path}: {error.strerror}") from error
