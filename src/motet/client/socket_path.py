"""Paths of sockets: the system bounds them at about a hundred characters, and those of directories not."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator

_MOST_BYTES = 107
"""What `sockaddr_un` has room for, with the null byte at the end."""


@contextlib.contextmanager
def socket_path(path: str, descriptors: str = "/proc/self/fd") -> Iterator[str]:
    """A path to bind or connect a socket at `path` by, inside of the block. For a path too long for a socket it leads there by
    way of a descriptor of the directory, which `descriptors` has. Raises `OSError`."""
    if len(os.fsencode(path)) <= _MOST_BYTES:
        yield path
        return
    if not os.path.isdir(descriptors):
        raise OSError(
            errno.ENAMETOOLONG,
            f"its path has {len(os.fsencode(path))} bytes, and may have {_MOST_BYTES} where /proc is not mounted; set TMPDIR "
            "to a directory with a shorter path",
        )
    directory, name = os.path.split(path)
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"{descriptors}/{descriptor}/{name}"
    finally:
        os.close(descriptor)
