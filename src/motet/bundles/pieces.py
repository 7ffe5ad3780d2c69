"""The contents of a bundle's files: read once to know their hash, and again when the server lacks them."""

from __future__ import annotations

import importlib.util
import os
import stat
from collections.abc import Callable

import msgspec

from motet.errors import InvalidError
from motet.model.bundle import MAX_FILE_BYTES, BundleFile, digest_of

_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_HEADER = 16
_HASHED = b"\x01\x00\x00\x00"
"""The flags of bytecode that goes by the hash of its source, which nobody has to check: a bundle never changes."""


class FoundFile(msgspec.Struct, frozen=True):
    """A file that travels, with its content's hash, and how to have the content again."""

    file: BundleFile
    origin: str
    read: Callable[[], bytes]

    def again(self) -> bytes:
        """The content. Raises `InvalidError` if it is another one by now."""
        data = self.read()
        if digest_of(data) != self.file.piece:
            raise InvalidError(f"{self.origin} was changed while it was being deployed: deploy again")
        return data


def found_files(path: str, origin: str, copy: str | None = None) -> list[FoundFile]:
    """A file that is to lie at `path` in the bundle, and for a Python file its bytecode, if there is some that is up to date:
    containers then need not compile. `copy`: what is read in its place. Raises `InvalidError`."""
    data, status = _read(copy or origin)
    executable = bool(status.st_mode & stat.S_IXUSR) and os.name == "posix"
    found = [_found(path, data, copy or origin, lambda: _read(copy or origin)[0], executable)]
    if path.endswith(".py") and copy is None and (bytecode := _bytecode_of(origin, data, status)) is not None:
        place, compiled = bytecode
        source_hash = importlib.util.source_hash(data)
        cached = f"{path.rpartition('/')[0]}/__pycache__/{os.path.basename(place)}"
        found.append(
            _found(cached, _hashed(compiled, source_hash), place, lambda: _hashed(_read(place)[0], source_hash))
        )
    return found


def _found(path: str, data: bytes, origin: str, read: Callable[[], bytes], executable: bool = False) -> FoundFile:
    return FoundFile(BundleFile(path, digest_of(data), len(data), executable), origin, read)


def _read(path: str) -> tuple[bytes, os.stat_result]:
    try:
        descriptor = os.open(path, _FLAGS)  # without waiting: a FIFO may have come in its place
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise InvalidError(f"{path} is to travel with the deployment, and is no regular file")
            if status.st_size > MAX_FILE_BYTES:
                raise InvalidError(
                    f"{path} is {status.st_size / 2**20:.1f} MiB, and a file that travels with a deployment may have "
                    f"{MAX_FILE_BYTES // 2**20} MiB: leave it out with `ignore=`, or fetch it where it is used"
                )
            data = os.read(descriptor, status.st_size + 1)
            while len(data) != status.st_size and (more := os.read(descriptor, 2**20)) and len(data) <= MAX_FILE_BYTES:
                data += more  # it is being written, or the system gives less at a time
        finally:
            os.close(descriptor)
    except OSError as error:
        raise InvalidError(
            f"{path} is to travel with the deployment, and cannot be read: {error.strerror}. Leave it out with `ignore=`, "
            "or make it readable"
        ) from error
    if len(data) > MAX_FILE_BYTES:
        raise InvalidError(f"{path} grew beyond {MAX_FILE_BYTES // 2**20} MiB while it was read")
    return data, status


def _bytecode_of(origin: str, source: bytes, status: os.stat_result) -> tuple[str, bytes] | None:
    """The place of the bytecode that this interpreter has written for a source, and its content."""
    try:
        place = importlib.util.cache_from_source(origin)
        data, written = _read(place)
    except (InvalidError, NotImplementedError, ValueError):
        return None
    by_time = data[:4] == importlib.util.MAGIC_NUMBER and data[4:8] == b"\0\0\0\0"
    expected = (int(status.st_mtime) & 0xFFFFFFFF).to_bytes(4, "little") + (len(source) & 0xFFFFFFFF).to_bytes(
        4, "little"
    )
    # Python compares whole seconds: bytecode of what stood there a moment before, with as many bytes, would do for it.
    is_later = written.st_mtime_ns > status.st_mtime_ns
    return (place, data) if by_time and data[8:_HEADER] == expected and is_later else None


def _hashed(bytecode: bytes, source_hash: bytes) -> bytes:
    """The same, valid wherever its source has this content, whenever that was written."""
    return importlib.util.MAGIC_NUMBER + _HASHED + source_hash + bytecode[_HEADER:]
