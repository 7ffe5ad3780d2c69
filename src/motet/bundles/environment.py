"""What belongs to an interpreter and its installed packages: containers have that from their environment."""

from __future__ import annotations

import functools
import os
import sys
import sysconfig

_PACKAGES = {"site-packages", "dist-packages"}


def in_environment(path: str) -> bool:
    """Whether a file or directory is of the standard library, or of a directory that packages are installed into."""
    if path.startswith(_standard_library()) or path in _exactly():
        return True
    return "-packages" in path and not _PACKAGES.isdisjoint(path.replace("\\", "/").split("/"))


def own_path(entries: tuple[str, ...]) -> tuple[str, ...]:
    """The entries of a search path that are the program's own: in another environment, they are to be found as well."""
    return tuple(entry for entry in entries if not in_environment(entry))


def in_directory(path: str, directory: str) -> bool:
    """Whether a path is a directory or lies below it. Both absolute."""
    return path == directory or path.startswith(directory if directory.endswith(os.sep) else directory + os.sep)


@functools.cache
def _standard_library() -> tuple[str, ...]:
    found = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib")}
    found |= {os.path.realpath(path) for path in found}
    return tuple(os.path.join(path, "") for path in found)


@functools.cache
def _exactly() -> frozenset[str]:
    archive = f"python{sys.version_info.major}{sys.version_info.minor}.zip"
    libraries = {os.path.dirname(path.rstrip(os.sep)) for path in _standard_library()}
    return frozenset(
        [*(path.rstrip(os.sep) for path in _standard_library()), *(os.path.join(path, archive) for path in libraries)]
    )
