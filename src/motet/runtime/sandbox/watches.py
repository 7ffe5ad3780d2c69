"""What changes in files and directories that somebody watches, as the kernel's inotify tells it."""

from __future__ import annotations

import asyncio
import ctypes
import os
import struct
from collections import deque

from motet.errors import (
    Error,
    InvalidError,
    ResourceExhaustedError,
    SandboxFilesystemError,
    SandboxFilesystemNotFoundError,
)
from motet.model.sandbox import FileChange, SandboxFileChanged
from motet.runtime.sandbox.pipes import Changed
from motet.wire.report import sendable

MOST_KEPT = 10_000
"""Changes of one watch that nobody has asked for yet: the oldest go, and are told of as `Unknown`."""
MOST_DIRECTORIES = 8_192
"""Of one watch that is `recursive`."""

_ACCESS, _MODIFY, _ATTRIBUTES, _MOVED_FROM, _MOVED_TO = 0x1, 0x2, 0x4, 0x40, 0x80
_CREATE, _DELETE, _DELETE_SELF, _OVERFLOW, _DIRECTORY = 0x100, 0x200, 0x400, 0x4000, 0x40000000
_ALL = _ACCESS | _MODIFY | _ATTRIBUTES | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _DELETE_SELF
_HEAD = struct.Struct("iIII")
_NONBLOCK, _CLOEXEC = os.O_NONBLOCK, os.O_CLOEXEC


class FileWatch:
    """One file or directory that is watched; `recursive`: also all directories below it, and those that come."""

    def __init__(self, path: str, kinds: tuple[FileChange, ...], *, recursive: bool) -> None:
        """Raises `SandboxFilesystemNotFoundError`, or `ResourceExhaustedError` for more than can be watched."""
        self._kinds = frozenset(kinds)
        self._recursive = recursive
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._paths: dict[int, str] = {}
        self._kept: deque[SandboxFileChanged] = deque()
        self._first = 0
        self._moved: dict[int, str] = {}
        self._changed = Changed()
        self._descriptor = self._libc.inotify_init1(_NONBLOCK | _CLOEXEC)
        if self._descriptor < 0:
            raise ResourceExhaustedError("no more files can be watched in this sandbox: the kernel's limit is reached")
        try:
            self._add(path)
            if recursive and os.path.isdir(path):
                self._add_below(path)
        except BaseException:
            os.close(self._descriptor)
            raise
        asyncio.get_running_loop().add_reader(self._descriptor, self._readable)

    async def changes(self, after: int, seconds: float | None) -> tuple[list[SandboxFileChanged], int]:
        """Those from number `after` on, once there are any, and the number for the next question; none after `seconds`."""
        while self._first > after:
            after = self._first
        for _ in range(max(0, after - self._first)):
            if self._kept:
                self._kept.popleft()
                self._first += 1
        if not self._kept:
            try:
                async with asyncio.timeout(seconds):
                    await self._changed.wait()
            except TimeoutError:
                return [], self._first
        return list(self._kept)[:1000], self._first + min(1000, len(self._kept))

    def close(self) -> None:
        """FileWatch no more. Idempotent."""
        if self._descriptor >= 0:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1
        self._changed.notify()

    def _add(self, path: str) -> None:
        if len(self._paths) >= MOST_DIRECTORIES:
            raise ResourceExhaustedError(
                f"more than {MOST_DIRECTORIES} directories cannot be watched at once: watch fewer"
            )
        number = self._libc.inotify_add_watch(self._descriptor, os.fsencode(path), _ALL)
        if number < 0:
            raise _refusal(path, ctypes.get_errno())
        self._paths[number] = path

    def _add_below(self, path: str) -> None:
        for directory, names, _ in os.walk(path):
            for name in names:
                below = os.path.join(directory, name)
                if not os.path.islink(below):
                    self._add(below)

    def _readable(self) -> None:
        try:
            data = os.read(self._descriptor, 256 * 1024)
        except BlockingIOError:
            return
        at = 0
        while at + _HEAD.size <= len(data):
            number, mask, cookie, length = _HEAD.unpack_from(data, at)
            at += _HEAD.size
            name = data[at : at + length].rstrip(b"\0")
            at += length
            self._happened(number, mask, cookie, os.fsdecode(name))
        for source in self._moved.values():  # to a place that is not watched
            self._tell("Modify", source)
        self._moved.clear()
        self._changed.notify()

    def _happened(self, number: int, mask: int, cookie: int, name: str) -> None:
        if mask & _OVERFLOW:
            self._tell("Unknown")
            return
        base = self._paths.get(number)
        if base is None:
            return
        path = os.path.join(base, name) if name else base
        if mask & (_CREATE | _MOVED_TO) and mask & _DIRECTORY and self._recursive:
            try:
                self._add(path)
                self._add_below(path)
            except Error:
                self._tell("Unknown", path)
        if mask & _MOVED_FROM:
            self._moved[cookie] = path
        elif mask & _MOVED_TO:
            self._tell("Modify", *((self._moved.pop(cookie), path) if cookie in self._moved else (path,)))
        elif mask & _CREATE:
            self._tell("Create", path)
        elif mask & (_DELETE | _DELETE_SELF):
            self._tell("Remove", path)
        elif mask & (_MODIFY | _ATTRIBUTES):
            self._tell("Modify", path)
        elif mask & _ACCESS:
            self._tell("Access", path)

    def _tell(self, kind: FileChange, *paths: str) -> None:
        if self._kinds and kind not in self._kinds and kind != "Unknown":
            return
        change = SandboxFileChanged(kind, tuple(map(sendable, paths)))
        if self._kept and self._kept[-1] == change:
            return
        self._kept.append(change)
        if len(self._kept) > MOST_KEPT:
            self._kept.popleft()
            self._kept[0] = SandboxFileChanged("Unknown", ())
            self._first += 1


def _refusal(path: str, number: int) -> Error:
    if number == 2:
        return SandboxFilesystemNotFoundError(sendable(f"{path} in the sandbox: {os.strerror(number)}"))
    if number == 28:
        return ResourceExhaustedError("no more files can be watched in this sandbox: the kernel's limit is reached")
    if number == 22:
        return InvalidError(f"{path!r} cannot be watched")
    return SandboxFilesystemError(sendable(f"{path} in the sandbox: {os.strerror(number)}"))
