"""Variables that somebody has set and nobody reads: they may have meant another one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from motet.client.variables import VARIABLES


def misspelled(names: Iterable[str]) -> list[str]:
    """Of variables that are set, those which nobody reads and which look like one that is read: each as a sentence."""
    found = sorted(name for name in names if name.startswith("MOTET_") and name not in VARIABLES)
    close = [(name, difflib.get_close_matches(name, VARIABLES, 1, cutoff=0.85)) for name in found]
    return [f"{name} is set, which nothing reads; did you mean {meant[0]}?" for name, meant in close if meant]
