"""How often a server that stays looks for cycles of garbage.

What it makes for an input stays until the input has ended, and is in no cycle. As CPython collects by itself, which is after
700 more objects than there were, a third of the processor time of a spawned call goes into looking at what waits.
"""

from __future__ import annotations

import gc

THRESHOLDS = (10_000, 10, 50)
"""More objects than there were; collections of the young, and of those that have survived one, before the next ones. A
collection of the second kind looks at 100,000 objects, which is some milliseconds."""


def collect_rarely() -> None:
    """From now on; and never look at what is there already, which is code nearly all. For the process of a server: in a
    program's own process the collector is the program's."""
    gc.set_threshold(*THRESHOLDS)
    gc.freeze()
