"""Whether `__main__` can be imported by another process."""

from __future__ import annotations

import functools
import os
import sys
from typing import Any


def main_by_value() -> bool:
    """True if nobody else can import `__main__`: it is a notebook, a prompt, standard input, or `python -c`."""
    return not _is_file(getattr(sys.modules.get("__main__"), "__file__", None))


def may_be_declared_again(code: Any) -> bool:
    """True for code of a notebook's cell or a prompt: running it again is no mistake."""
    return getattr(code, "__module__", None) == "__main__" and main_by_value()


MAIN_IN_CONTAINERS = "__motet_main__"
"""The name under which a container imports the client's `__main__`, so that `if __name__ == "__main__":` does not run."""


def know_container_name() -> None:
    """Let what containers pickle of their copy of `__main__` be found in the real one here."""
    sys.modules[MAIN_IN_CONTAINERS] = sys.modules["__main__"]


@functools.cache
def _is_file(path: str | None) -> bool:
    return path is not None and os.path.isfile(path)
