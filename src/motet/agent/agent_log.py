"""What a host agent says, and where that goes: a file that does not grow for ever."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import sys
import time

MOST_BYTES = 1024 * 1024
"""Of its log; what was there before is kept once, beside it, as `agent.log.1`."""


def say(what: str) -> None:
    """One line, with the moment. Where that cannot be written, the agent goes on without."""
    with contextlib.suppress(OSError):
        print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} agent {os.getpid()}: {what}", file=sys.stderr, flush=True)


def rotate(descriptor: int = 2, most_bytes: int = MOST_BYTES) -> None:
    """Begin anew if there is more than that. The file stays the same one: others write to it as well, such as the template."""
    with contextlib.suppress(OSError):
        found = os.fstat(descriptor)
        if stat.S_ISREG(found.st_mode) and found.st_size > most_bytes:
            path = os.readlink(f"/proc/self/fd/{descriptor}")
            shutil.copyfile(path, f"{path}.1")
            os.ftruncate(descriptor, 0)  # whoever writes appends
