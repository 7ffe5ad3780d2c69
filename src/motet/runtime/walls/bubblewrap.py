"""What bubblewrap is told: the file system that a container sees, and the namespaces that it is in."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from motet.model.isolation import Walls

TEMPORARY = "/tmp"
"""The container's own directory, as it sees it."""

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
    command = [program, "--die-with-parent", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--hostname", "motet"]
    if not as_root:
        command.append("--unshare-user")
    if not walls.network:
        command.append("--unshare-net")
    command += ["--ro-bind", "/usr", "/usr"]
    for path in _SYSTEM:
        if os.path.islink(path):
            command += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            command += ["--ro-bind", path, path]
    for name in _SETTINGS:
        if os.path.exists(path := f"/etc/{name}"):  # of links what they lead to, wherever that is
            command += ["--ro-bind", os.path.realpath(path), path]
    command += ["--proc", "/proc", "--dev", "/dev"]
    for device in _devices(walls):
        command += ["--dev-bind", device, device]
    command += ["--bind", directory, TEMPORARY, "--symlink", TEMPORARY, "/var/tmp", "--symlink", "/run", "/var/run"]
    shown = _outermost([*_interpreter(), *(mount.source for mount in walls.mounts if mount.source == mount.target)])
    for path in _outermost(_interpreter()):
        command += ["--ro-bind", path, path]
    for mount in walls.mounts:
        command += ["--bind" if mount.writable else "--ro-bind", mount.source, mount.target]
    for path in walls.hidden:
        if os.path.isdir(path) and any(path == each or path.startswith(f"{each}/") for each in shown):
            command += ["--tmpfs", path]
    return [*command, "--chdir", TEMPORARY, "--info-fd", str(info), "--seccomp", str(calls), "--"]


def _interpreter() -> Iterable[str]:
    """What this interpreter imports from."""
    return (sys.prefix, sys.base_prefix, sys.exec_prefix, _OURS, *sys.path)


def _outermost(paths: Iterable[str]) -> list[str]:
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
