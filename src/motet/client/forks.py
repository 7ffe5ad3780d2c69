"""What a process that was forked does first; nothing on systems without fork."""

from __future__ import annotations

import os
from collections.abc import Callable


def in_forked_child(act: Callable[[], object]) -> None:
    """Have it called in every process that is forked from this one."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=act)
