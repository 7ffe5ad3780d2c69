"""A disk of files: the very journal that servers have, and machines that lose their power in the middle of a commit."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from motet.store.journal import Entry
from motet.store.journal_sqlite import SqliteJournal
from motet.testing.simulated.disk import SimulatedDisk, SimulatedJournal

SHARED_MEMORY = Path("/dev/shm")
"""Where files need no real disk, if there is such a place."""

TORN = 0.01
"""How many commits are not finished."""


class FileDisk(SimulatedDisk):
    """Each server opens a copy of what the one before it left, of which it has the files open still.

    `lose_power` of a commit: some of what it wrote is there and the rest is not, and `on_power_cut` is called, which ends the
    server. What had been answered for must be there.
    """

    def __init__(self, dice: Random, on_power_cut: Callable[[], None]) -> None:
        super().__init__()
        shared = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
        self._root = tempfile.TemporaryDirectory(prefix="motet-world-", dir=shared, ignore_cleanup_errors=True)
        self._dice = dice
        self._on_power_cut = on_power_cut
        self._number = 0
        self._journals: list[SqliteJournal] = []
        self._kept_bytes: int | None = None
        """How much of the log is there after a power cut."""
        self.power_cuts = 0

    @property
    def _place(self) -> Path:
        return Path(self._root.name) / str(self._number)

    @property
    def _log(self) -> Path:
        return self._place / "journal.db-wal"

    def open(self) -> SimulatedJournal:
        """See `SimulatedDisk`."""
        before = self._place
        self._number += 1
        self._place.mkdir()
        for name in ("journal.db", "journal.db-wal"):
            if (before / name).exists():
                shutil.copyfile(before / name, self._place / name)
        if self._kept_bytes is not None:
            with self._log.open("r+b") as log:
                log.truncate(self._kept_bytes)
            self._kept_bytes = None
        journal = SqliteJournal(self._place / "journal.db")
        self._journals.append(journal)
        self.term = journal.term
        return SimulatedJournal(self, journal)

    def write(self, keep: Callable[[], None], entries: Sequence[Entry]) -> None:
        """See `SimulatedDisk`."""
        before = self._log.stat().st_size if self._log.exists() else 0
        super().write(keep, entries)
        after = self._log.stat().st_size
        # So that a world is the same whatever SQLite writes: the last of a commit is what is never there.
        is_torn, share = self._dice.random() < TORN, self._dice.random()
        if is_torn:
            self.power_cuts += 1
            self._kept_bytes = before + int(share * (after - before)) if after > before else None
            self._on_power_cut()

    def lose_power(self) -> None:
        """Nothing but what `write` says."""

    def close(self) -> None:
        """Let go of all files."""
        for journal in self._journals:
            with contextlib.suppress(Exception):
                journal.close()
        self._root.cleanup()
