"""Processes that this one has adopted, and that have ended: without anybody to ask for their status they stay as zombies."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection

from motet.client import family


class Adopted:
    """Looks for them, now and then. Children that this process has started itself are left to whoever did: these are those of
    `own`, and all that were not found at an earlier look, for their status is asked for soon."""

    def __init__(self) -> None:
        self._found: set[int] = set()

    def look(self, own: Collection[int] = ()) -> None:
        """Let go of those that had ended at the last look."""
        ended = {pid for pid in family.ended_children() if pid not in own}
        for pid in ended & self._found:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        self._found = ended - self._found
