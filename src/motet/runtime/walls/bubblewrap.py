"""What bubblewrap is told: the file system that a container sees, and the namespaces that it is in."""

from __future__ import annotations

import functools
import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from motet.model.isolation import Walls, is_below

TEMPORARY = "/tmp"
"""The container's own directory, as it sees it."""

_OWN_DIRECTORY, _INFORMATION, _CALLS = "\0directory", "\0info", "\0calls"
"""Words that no path is."""
_SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_SETTINGS = (
    "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "passwd", "group", "nsswitch.conf", "hosts", "host.conf",
    "resolv.conf", "gai.conf", "services", "protocols", "ssl", "pki", "ca-certificates", "localtime", "timezone", "mime.types",
    "locale.alias", "fonts", "OpenCL", "vulkan",
)  # fmt: skip
"""Below /etc: what programs need to run, to find names and to check certificates."""
_OURS = str(Path(__file__).parents[3])
"""Where Motet itself is imported from."""


def bubblewrap() -> str | None:
    """The path of the program, if it is installed."""
    return shutil.which("bwrap", path=os.environ.get("PATH", os.defpath) + os.pathsep + "/usr/bin")


def bubblewrap_command(
    program: str, walls: Walls, directory: str, *, as_root: bool, info: int, calls: int
) -> list[str]:
    """The command up to what is to run within. `directory`: of the host, to be the container's own. `as_root`: this process may
    make namespaces without one for users. `info`, `calls`: descriptors where it tells of its processes, and of its filter of
    system calls."""
    own = {_OWN_DIRECTORY: directory, _INFORMATION: str(info), _CALLS: str(calls)}
    made = _command_of_walls(program, walls, as_root, identities(walls), tuple(_devices(walls)))
    return [own.get(word, word) for word in made]


@functools.lru_cache(maxsize=16)
def _command_of_walls(
    program: str, walls: Walls, as_root: bool, shown: tuple[tuple[int, int] | None, ...], devices: tuple[str, ...]
) -> list[str]:
    """With words that stand for what each container has of its own. `shown`: so that it is written anew when something else is
    there."""
    command = [program, "--die-with-parent", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--hostname", "motet"]
    command += [] if as_root else ["--unshare-user"]
    command += [] if walls.network else ["--unshare-net"]
    seen = _FileSystem()
    seen.show("/usr", "/usr")
    for path in _SYSTEM:
        if os.path.islink(path):
            seen.words += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            seen.show(path, path)
    for name in _SETTINGS:
        if os.path.exists(path := f"/etc/{name}"):  # of links what they lead to, wherever that is
            seen.show(os.path.realpath(path), path)
    seen.words += ["--proc", "/proc", "--dev", "/dev"]
    if as_root:  # who is within is another user, and shared memory and semaphores are files there
        seen.words += ["--perms", "1777", "--tmpfs", "/dev/shm"]
    for device in devices:
        seen.words += ["--dev-bind", device, device]
    seen.show(_OWN_DIRECTORY, TEMPORARY, writable=True)
    seen.words += ["--dir", "/var", "--symlink", TEMPORARY, "/var/tmp", "--symlink", "/run", "/var/run"]
    for path in outermost(interpreter()):
        seen.show(path, path)
    below = [mount for mount in walls.mounts if is_below(mount.target, walls.hidden)]
    for mount in walls.mounts:
        if mount not in below:
            seen.show(mount.source, mount.target, writable=mount.writable)
    for path in walls.hidden:
        seen.hide(path)
    for mount in below:  # of what is hidden this much is to be seen
        seen.show(mount.source, mount.target, writable=mount.writable)
    seen.words += ["--remount-ro", "/"]
    return [*command, *seen.words, "--chdir", TEMPORARY, "--info-fd", _INFORMATION, "--seccomp", _CALLS, "--"]


class _FileSystem:
    """A file system as it grows: `words` of the command."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self._places = {"/"}
        self._layers: list[tuple[str, bool]] = []
        """Paths in the order in which they were covered, and whether by what the host has there."""

    def show(self, source: str, target: str, *, writable: bool = False) -> None:
        """What the host has at `source` is at `target`, for everybody to reach: directories that bubblewrap itself makes on the
        way may be for its own user alone."""
        for parent in reversed(Path(target).parents):
            if str(parent) not in self._places and not self._is_shown(str(parent)):
                self._places.add(str(parent))
                self.words += ["--dir", str(parent)]
        self.words += ["--bind" if writable else "--ro-bind", source, target]
        if not writable:
            self._layers.append((target, True))

    def hide(self, path: str) -> None:
        """There is nothing there, where there would be something."""
        if os.path.isdir(path) and self._is_shown(path):
            self.words += ["--tmpfs", path]
            self._layers.append((path, False))
            self._places = {each for each in self._places if not is_below(each, [path])}

    def _is_shown(self, path: str) -> bool:
        return next((shown for covered, shown in reversed(self._layers) if is_below(path, [covered])), False)


def identities(walls: Walls) -> tuple[tuple[int, int] | None, ...]:
    """Which files and directories of the host a process with these walls would be shown now. Walls that stand already show
    neither what has replaced one of them since, nor what is new."""
    own = () if walls.isolation != "bubblewrap" else (*_SYSTEM, *(f"/etc/{name}" for name in _SETTINGS), *walls.hidden)
    return tuple(_identity(path) for path in (*own, *interpreter(), *(mount.source for mount in walls.mounts)))


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def interpreter() -> Iterable[str]:
    """What this interpreter imports from."""
    return (sys.prefix, sys.base_prefix, sys.exec_prefix, _OURS, *sys.path)


def outermost(paths: Iterable[str]) -> list[str]:
    """Those that are there, are not shown anyway, and are below no other of them."""
    found: list[str] = []
    for path in sorted({os.path.abspath(each) for each in paths if each}):
        if not os.path.exists(path) or path in ("/", "/usr") or path.startswith("/usr/"):
            continue
        if not any(path.startswith(f"{each}/") for each in found):
            found.append(path)
    return found


def _devices(walls: Walls) -> list[str]:
    """Of GPUs, where the container has any."""
    if not walls.gpus:
        return []
    return sorted(f"/dev/{name}" for name in os.listdir("/dev") if name.startswith("nvidia"))
