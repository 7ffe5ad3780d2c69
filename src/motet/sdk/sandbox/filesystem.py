"""`Sandbox.filesystem`: the files of a sandbox."""

from __future__ import annotations

import enum
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from motet.client.dual import HandOut, ItemSteps, Steps, dual, dual_items
from motet.errors import InvalidError, SandboxFilesystemFileTooLargeError
from motet.model.sandbox import MAX_CHUNK_BYTES, FileChange, SandboxFile
from motet.sdk.sandbox.reached import Reached
from motet.wire import sandbox_messages as m

MAX_FILE_BYTES = 256 * 1024 * 1024
"""Of a file that is read or written in one piece."""


class FileType(enum.Enum):
    """Of a file."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    OTHER = "other"


class FileWatchEventType(enum.Enum):
    """What happened to a file that is watched."""

    Unknown = "Unknown"
    Access = "Access"
    Create = "Create"
    Modify = "Modify"
    Remove = "Remove"


@dataclass(frozen=True)
class FileWatchEvent:
    """Something that happened to a file; where it was renamed, its old path and its new one."""

    paths: list[str]
    type: FileWatchEventType


@dataclass(frozen=True)
class FileInfo:
    """A file or directory in a sandbox."""

    name: str
    path: str
    type: FileType
    size: int
    mode: int
    permissions: str
    owner: str
    group: str
    modified_time: float
    symlink_target: str | None

    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return self.type is FileType.FILE

    def is_dir(self) -> bool:
        """Whether it is a directory."""
        return self.type is FileType.DIRECTORY

    def is_symlink(self) -> bool:
        """Whether it is a link."""
        return self.type is FileType.SYMLINK


class SandboxFilesystem:
    """Reads, writes, lists and watches the files of one sandbox. Relative paths begin at its working directory. Errors are
    `SandboxFilesystemError`s, which name the path."""

    def __init__(self, reached: Reached) -> None:
        self._reached = reached

    @dual
    def read_bytes(self, remote_path: str) -> Steps[bytes]:
        """What is in a file, 256 MiB at most: larger ones go with `copy_to_local`."""
        return (yield from self._read(remote_path))

    @dual
    def read_text(self, remote_path: str) -> Steps[str]:
        """The same as text, which has to be UTF-8."""
        return (yield from self._read(remote_path)).decode()

    @dual
    def write_bytes(self, data: bytes | bytearray | memoryview, remote_path: str) -> Steps[None]:
        """Make these bytes the content of a file, which is made if it is not there, with the directories above it."""
        yield from self._write(bytes(data), remote_path)

    @dual
    def write_text(self, data: str, remote_path: str) -> Steps[None]:
        """The same for text, as UTF-8."""
        yield from self._write(data.encode(), remote_path)

    @dual
    def copy_from_local(self, local_path: str | os.PathLike[str], remote_path: str) -> Steps[None]:
        """Copy a file of this machine into the sandbox, however large."""
        path, offset = _checked(remote_path), 0
        with open(local_path, "rb") as file:
            while (data := file.read(MAX_CHUNK_BYTES)) or not offset:
                is_first = not offset
                ask = m.WriteFile(path, offset, data, truncate=is_first, parents=is_first)
                yield from self._reached.ask(ask)
                offset += len(data)
                if not data:
                    break

    @dual
    def copy_to_local(self, remote_path: str, local_path: str | os.PathLike[str]) -> Steps[None]:
        """Copy a file of the sandbox to this machine, however large, as it is while it is read."""
        path, offset = _checked(remote_path), 0
        answer: m.FileRead = yield from self._reached.ask(m.ReadFile(path, 0, MAX_CHUNK_BYTES))
        with open(local_path, "wb") as file:
            while answer.data:
                file.write(answer.data)
                offset += len(answer.data)
                answer = yield from self._reached.ask(m.ReadFile(path, offset, MAX_CHUNK_BYTES))

    @dual
    def list_files(self, remote_path: str) -> Steps[list[FileInfo]]:
        """What is in a directory, by name."""
        answer: m.FilesListed = yield from self._reached.ask(m.ListFiles(_checked(remote_path)))
        return [_info(each) for each in answer.files]

    @dual
    def stat(self, remote_path: str) -> Steps[FileInfo]:
        """A file or directory. Of a link, the link itself."""
        answer: m.FilesListed = yield from self._reached.ask(m.StatFile(_checked(remote_path)))
        return _info(answer.files[0])

    @dual
    def make_directory(self, remote_path: str, *, create_parents: bool = True) -> Steps[None]:
        """Make a directory. With `create_parents` those above it, too, and one that is there is no error."""
        yield from self._reached.ask(m.MakeDirectory(_checked(remote_path), create_parents))

    @dual
    def remove(self, remote_path: str, *, recursive: bool = False) -> Steps[None]:
        """Remove a file or an empty directory; with `recursive` a directory with all that is in it."""
        yield from self._reached.ask(m.RemoveFile(_checked(remote_path), recursive))

    @dual_items
    def watch(
        self,
        remote_path: str,
        *,
        filter: Sequence[FileWatchEventType] | None = None,
        recursive: bool = False,
        timeout: int | None = None,
    ) -> ItemSteps[FileWatchEvent]:
        """What happens to a file, or in a directory, as it happens; `timeout`: ends after so many seconds without anything."""
        yield from self.watch_steps(remote_path, filter, recursive, timeout)

    def watch_steps(
        self, remote_path: str, filter: Sequence[FileWatchEventType] | None, recursive: bool, timeout: int | None
    ) -> ItemSteps[FileWatchEvent]:
        """The same, as steps."""
        kinds: tuple[FileChange, ...] = tuple(each.value for each in filter or ())
        watch_id, path, after = secrets.token_hex(8), _checked(remote_path), 0
        try:
            while True:
                ask = m.WatchFiles(watch_id, path, after, recursive, kinds, seconds=timeout)
                answer: m.FilesChanged = yield from self._reached.ask(ask)
                if not answer.changes:
                    return
                after = answer.after
                yield HandOut([FileWatchEvent(list(it.paths), FileWatchEventType(it.kind)) for it in answer.changes])
        finally:
            self._reached.tell(m.WatchFiles(watch_id, path, over=True))

    def _read(self, remote_path: str) -> Steps[bytes]:
        path, parts, offset = _checked(remote_path), [], 0
        while True:
            answer: m.FileRead = yield from self._reached.ask(m.ReadFile(path, offset, MAX_CHUNK_BYTES))
            parts.append(answer.data)
            offset += len(answer.data)
            if max(offset, answer.size) > MAX_FILE_BYTES:
                raise SandboxFilesystemFileTooLargeError(
                    f"{path} in the sandbox has {answer.size / 2**20:.0f} MiB; up to {MAX_FILE_BYTES // 2**20} MiB are read in "
                    "one piece. Use `copy_to_local`."
                )
            if not answer.data or offset >= answer.size:
                return b"".join(parts)

    def _write(self, data: bytes, remote_path: str) -> Steps[None]:
        path = _checked(remote_path)
        if len(data) > MAX_FILE_BYTES:
            raise SandboxFilesystemFileTooLargeError(
                f"{len(data) / 2**20:.0f} MiB are too much to write to {path} in one piece; up to "
                f"{MAX_FILE_BYTES // 2**20} MiB may be. Use `copy_from_local`."
            )
        for offset in range(0, max(1, len(data)), MAX_CHUNK_BYTES):
            part = data[offset : offset + MAX_CHUNK_BYTES]
            yield from self._reached.ask(m.WriteFile(path, offset, part, truncate=not offset, parents=not offset))


def _checked(path: object) -> str:
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else None
    if not isinstance(text, str) or not text or "\0" in text:
        raise InvalidError(f"a path in a sandbox has to be a str, and not empty; got {path!r}")
    return text


def _info(file: SandboxFile) -> FileInfo:
    import stat  # late: most programs look at no files

    return FileInfo(
        file.name,
        file.path,
        FileType(file.kind),
        file.size,
        file.mode,
        stat.filemode(file.mode),
        file.owner,
        file.group,
        file.modified_at,
        file.target,
    )
