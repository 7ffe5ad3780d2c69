"""The descriptors 0, 1 and 2, which every process takes for its standard streams."""

from __future__ import annotations

import os


def fill_standard_descriptors() -> None:
    """Open /dev/null in place of standard streams that are closed: the next file or socket would get their number, and be
    written to by whoever prints. (libuv ends the process rather than close such a socket.)"""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest number that is free is this one; a child process is to have it, too.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
