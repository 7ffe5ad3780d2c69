"""How often a server that stays looks for cycles."""

from __future__ import annotations

import gc

from motet.server.rare_collections import THRESHOLDS, collect_rarely


def test_what_is_there_is_not_looked_at_and_what_comes_is_looked_at_rarely() -> None:
    before = gc.get_threshold()
    looked: list[str] = []

    def look(phase: str, info: dict[str, int]) -> None:
        looked.append(phase)

    gc.callbacks.append(look)
    try:
        collect_rarely()
        looked.clear()
        assert gc.get_freeze_count() > 0
        kept: list[list[int]] = [[] for _ in range(THRESHOLDS[0] // 2)]
        assert not looked
        kept += [[] for _ in range(THRESHOLDS[0])]
        assert looked
    finally:
        gc.callbacks.remove(look)
        gc.set_threshold(*before)
        gc.unfreeze()
