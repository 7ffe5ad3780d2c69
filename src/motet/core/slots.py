"""How inputs take slots of containers: each one by itself, or several together."""

from __future__ import annotations

from motet.core.batch_slots import BatchSlots
from motet.core.single_slots import SingleSlots

Slots = SingleSlots | BatchSlots
"""The slots of one pool's containers: who gets into them, who is in them, and when they are free again. Both kinds do the same
for their pool, whose other parts do not ask which kind they have."""
