"""What is done with files in a sandbox. Every function raises errors of the sandbox's files, which name the path."""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import pwd
import shutil
import stat
from collections.abc import Iterator

from motet.errors import (
    Error,
    InvalidError,
    SandboxFilesystemDirectoryNotEmptyError,
    SandboxFilesystemError,
    SandboxFilesystemIsADirectoryError,
    SandboxFilesystemNotADirectoryError,
    SandboxFilesystemNotFoundError,
    SandboxFilesystemPathAlreadyExistsError,
    SandboxFilesystemPermissionError,
)
from motet.model.sandbox import MAX_CHUNK_BYTES, FileKind, SandboxFile
from motet.wire.report import sendable
from motet.wire.sandbox_messages import WriteFile

MOST_LISTED = 100_000
"""Names in a directory beyond which it is not listed."""

_KINDS: dict[int, type[Error]] = {
    errno.ENOENT: SandboxFilesystemNotFoundError,
    errno.EEXIST: SandboxFilesystemPathAlreadyExistsError,
    errno.ENOTEMPTY: SandboxFilesystemDirectoryNotEmptyError,
    errno.EISDIR: SandboxFilesystemIsADirectoryError,
    errno.ENOTDIR: SandboxFilesystemNotADirectoryError,
    errno.EACCES: SandboxFilesystemPermissionError,
    errno.EPERM: SandboxFilesystemPermissionError,
    errno.EROFS: SandboxFilesystemPermissionError,
}
_MODES: dict[int, FileKind] = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink"}


@contextlib.contextmanager
def _told(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        kind = _KINDS.get(error.errno or 0, SandboxFilesystemError)
        raise kind(sendable(f"{path} in the sandbox: {error.strerror or error}")) from error
    except ValueError as error:
        raise InvalidError(sendable(f"{path!r} cannot be a path: {error}")) from error


def read_file(path: str, offset: int, count: int) -> tuple[bytes, int]:
    """A part of a regular file, `MAX_CHUNK_BYTES` at most, and the size of the whole."""
    with _told(path):
        # Not blocking: a pipe that nobody writes to would keep all of the sandbox waiting.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            found = os.fstat(descriptor)
            if stat.S_ISDIR(found.st_mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            if not stat.S_ISREG(found.st_mode):
                raise SandboxFilesystemError(f"{path} in the sandbox is no regular file: read it with a command")
            return os.pread(descriptor, min(count, MAX_CHUNK_BYTES), offset), found.st_size
        finally:
            os.close(descriptor)


def write_file(path: str, asked: WriteFile) -> int:
    """Put bytes into a file; where they end."""
    with _told(path):
        if asked.parents and (above := os.path.dirname(path)):
            os.makedirs(above, exist_ok=True)
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK
        flags |= os.O_CREAT if asked.create else 0
        flags |= os.O_EXCL if asked.only_new else 0
        flags |= os.O_TRUNC if asked.truncate else 0
        flags |= os.O_APPEND if asked.offset < 0 else 0
        descriptor = os.open(path, flags, 0o666)
        try:
            at = os.fstat(descriptor).st_size if asked.offset < 0 else asked.offset
            view = memoryview(asked.data)
            while view:
                written = os.write(descriptor, view) if asked.offset < 0 else os.pwrite(descriptor, view, at)
                view, at = view[written:], at + written
            return at
        finally:
            os.close(descriptor)


def list_files(path: str) -> list[SandboxFile]:
    """What is in a directory, by name."""
    with _told(path):
        names = sorted(os.listdir(path))
        if len(names) > MOST_LISTED:
            raise SandboxFilesystemError(
                f"{path} in the sandbox has {len(names)} entries; up to {MOST_LISTED} are listed. Use a command, such as find"
            )
    found = []
    for name in names:
        with contextlib.suppress(SandboxFilesystemNotFoundError):  # it has just gone
            found.append(stat_file(os.path.join(path, name)))
    return found


def stat_file(path: str) -> SandboxFile:
    """One file or directory; links are not followed."""
    with _told(path):
        found = os.lstat(path)
        kind = _MODES.get(stat.S_IFMT(found.st_mode), "other")
        target = os.readlink(path) if kind == "symlink" else None
    return SandboxFile(
        sendable(os.path.basename(path.rstrip("/")) or path),
        sendable(path),
        kind,
        found.st_size,
        found.st_mode,
        _user(found.st_uid),
        _group(found.st_gid),
        found.st_mtime,
        target if target is None else sendable(target),
    )


def make_directory(path: str, *, parents: bool) -> None:
    """Make one; with `parents` also those above it, and it may be there."""
    with _told(path):
        if parents:
            os.makedirs(path, exist_ok=True)
        else:
            os.mkdir(path)


def remove_file(path: str, *, recursive: bool) -> None:
    """Remove a file or an empty directory, or a directory with all that is in it. Links are removed themselves."""
    with _told(path):
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            os.unlink(path)
        elif recursive:
            shutil.rmtree(path)
        else:
            os.rmdir(path)


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
