"""A process becomes the user of its app, and sees what is its own below directories that only root can enter.

Nothing on the disk changes for that: in a mount namespace of its own, such a directory is covered by an empty one, and what the
process needs of it is put back.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from motet.model.isolation import Walls
from motet.runtime.cpython.forking import last_error, libc
from motet.runtime.walls.bubblewrap import interpreter, outermost
from motet.runtime.walls.privileges import become, drop_bounding_set, drop_capabilities

_NEW_MOUNTS = 0x00020000
_READ_ONLY, _NO_SETUID, _NO_DEVICES, _REMOUNT, _BIND, _RECURSIVE, _PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
_PRIVATE_UMASK = 0o077
"""What it leaves in directories of all, such as /tmp, is not for others to read."""


def become_app_user(walls: Walls, *directories: str) -> None:
    """Be the user that `walls` name, for good, with everything that this process will start. To be called as root, by a process
    of one thread. `directories`: its own. Raises `OSError`."""
    assert walls.own_user is not None
    show_what_is_shut((*directories, *interpreter(), *(mount.source for mount in walls.mounts)))
    drop_bounding_set()
    become(walls.own_user)
    drop_capabilities()
    os.umask(_PRIVATE_UMASK)


def show_what_is_shut(paths: Iterable[str]) -> None:
    """Have other users reach these files and directories as far as their own modes allow, also below directories that they
    cannot enter, of which they see nothing else. Raises `OSError`."""
    shut: dict[str, set[str]] = {}
    for path in paths:
        for name in {os.path.abspath(path), os.path.realpath(path)}:
            if os.path.exists(name) and (above := _shut_above(name)) is not None:
                shut.setdefault(above, set()).add(name)
    if not shut:
        return
    if libc().unshare(_NEW_MOUNTS):
        raise last_error("unshare")
    _mount("none", "/", _PRIVATE | _RECURSIVE)
    for above, below in shut.items():
        _cover(above, outermost(below))


def _shut_above(path: str) -> str | None:
    """The outermost directory on the way that others cannot enter. What is beyond a link is found by its real name."""
    for directory in reversed(Path(path).parents):
        status = os.lstat(directory)
        if stat.S_ISLNK(status.st_mode):
            return None
        if not status.st_mode & stat.S_IXOTH:
            return str(directory)
    return None


def _cover(above: str, below: Iterable[str]) -> None:
    opened = [(path, os.open(path, os.O_PATH | os.O_CLOEXEC)) for path in below]
    _mount("tmpfs", above, _NO_SETUID | _NO_DEVICES, "tmpfs", "mode=755")
    for path, descriptor in opened:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            os.makedirs(path, mode=0o755, exist_ok=True)
        else:
            os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
            Path(path).touch()
        _mount(f"/proc/self/fd/{descriptor}", path, _BIND | _RECURSIVE)
        os.close(descriptor)
    _mount("none", above, _REMOUNT | _BIND | _READ_ONLY | _NO_SETUID | _NO_DEVICES)


def _mount(source: str, target: str, flags: int, kind: str | None = None, options: str | None = None) -> None:
    words = (None if word is None else os.fsencode(word) for word in (source, target, kind))
    if libc().mount(*words, flags, None if options is None else options.encode()):
        raise last_error(f"mount {target}")
