"""Whether `__main__` can be imported by another process."""

from __future__ import annotations

import functools
import os
import sys

from motet.wire.by_value import NOTHING, ByValue


def main_by_value() -> bool:
    """True if nobody else can import `__main__`: it is a notebook, a prompt, standard input, or `python -c`."""
    return not _is_file(getattr(sys.modules.get("__main__"), "__file__", None))


def by_value() -> ByValue:
    """What of this process containers cannot import."""
    return _MAIN if main_by_value() else NOTHING


_MAIN = ByValue(modules=frozenset(["__main__"]))

MAIN_IN_CONTAINERS = "__motet_main__"
"""The name under which a container imports the client's `__main__`, so that `if __name__ == "__main__":` does not run."""


def know_container_name() -> None:
    """Let what containers pickle of their copy of `__main__` be found in the real one here."""
    sys.modules[MAIN_IN_CONTAINERS] = sys.modules["__main__"]


@functools.cache
def _is_file(path: str | None) -> bool:
    return path is not None and os.path.isfile(path)
