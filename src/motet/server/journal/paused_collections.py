"""No cycles are looked for while very much is made that is to stay.

The collector of CPython looks at all that is there whenever there is a quarter more of it: for a second with a million inputs,
in which a server answers nobody. These are in no cycle that it could take apart.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


class PausedCollections:
    """`freezes`: what is there at the end is never looked at. It goes when nothing refers to it, as ever."""

    __slots__ = ("freezes",)

    def __init__(self) -> None:
        self.freezes = False


@contextlib.contextmanager
def paused_collections() -> Iterator[PausedCollections]:
    """Not to be entered twice at a time."""
    paused, was_enabled = PausedCollections(), gc.isenabled()
    gc.disable()
    try:
        yield paused
        if paused.freezes:
            gc.freeze()
    finally:
        if was_enabled:
            gc.enable()
