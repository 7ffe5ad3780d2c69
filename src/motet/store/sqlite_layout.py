"""What is particular to one kind of SQLite file: how it is laid out, how safe a commit is there, and what people are told."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class SqliteLayout(msgspec.Struct, frozen=True, kw_only=True):
    """`what`: what such a file holds, in messages. `steps`: by the format that each leads to, from the first that this Motet
    reads; a new file takes all of them, and a step that was released is never changed. `beside`: what an older Motet does
    without, carried out whenever a file is opened to be written. `advice`: what to do when it cannot be used; `loss`: what is
    gone if a damaged file is moved away.

    `is_durable`: a commit has reached the disk when it returns; otherwise it outlives the process, and nearly always the
    machine. `overwrites`: of what is deleted, no byte is left. `cache`: bytes for the one who writes; `mapped`: bytes of the
    file that those who read have in memory (for files that never shrink).
    """

    what: str
    steps: Mapping[int, str]
    advice: str
    loss: str
    beside: str = ""
    is_durable: bool = True
    overwrites: bool = False
    cache: int = 1 << 21
    mapped: int = 0

    @property
    def newest(self) -> int:
        """The format of a file that this Motet writes to."""
        return max(self.steps)

    @property
    def oldest(self) -> int:
        """The first format that this Motet can read."""
        return min(self.steps)
