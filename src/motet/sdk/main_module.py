"""Whether `__main__` can be imported by another process."""

from __future__ import annotations

import functools
import os
import sys


def main_by_value() -> bool:
    """True if nobody else can import `__main__`: it is a notebook, a prompt, standard input, or `python -c`."""
    return not _is_file(getattr(sys.modules.get("__main__"), "__file__", None))


@functools.cache
def _is_file(path: str | None) -> bool:
    return path is not None and os.path.isfile(path)
