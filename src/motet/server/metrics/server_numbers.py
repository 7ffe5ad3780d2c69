"""The numbers of a server itself that somebody has to look after: its disk, its certificates, what is deployed."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from motet.client.certificate import valid_until
from motet.model.views import AppView
from motet.server.clients.calls_room import JournalProgress
from motet.server.metrics import catalogue
from motet.server.metrics.catalogue import Metric
from motet.store.base import HomeUsage

MEASURED_FOR = 60.0
"""Seconds for which a look at the disk counts: with many bundles it takes a while."""

Reading = tuple[Metric, tuple[str, ...], float]


class ServerNumbers:
    """Reads them. `usage` looks at the home, and waits for its disk: `later` has that done elsewhere. `silence`: see `Backend`;
    `journal`: see `CallsRoom.progress`. `certificates` are files in PEM form, of servers that are known by them. A number that
    cannot be had is left out."""

    def __init__(
        self,
        views: Callable[[], Iterable[AppView]],
        certificates: Sequence[Path],
        usage: Callable[[], HomeUsage] | None,
        silence: Callable[[], float | None] = lambda: None,
        journal: Callable[[], JournalProgress | None] = lambda: None,
        later: Callable[[Callable[[], None]], object] = lambda look: asyncio.get_running_loop().run_in_executor(
            None, look
        ),
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._views = views
        self._certificates = certificates
        self._usage = usage
        self._silence = silence
        self._journal = journal
        self._later = later
        self._now = now
        self._used: HomeUsage | None = None
        self._look_at = float("-inf")

    def begin(self) -> None:
        """Look at the disk, so that there is something to tell soon."""
        if self._usage is not None and self._now() >= self._look_at:
            self._look_at = self._now() + MEASURED_FOR
            self._later(self._look)

    def readings(self) -> Iterable[Reading]:
        """All that are known."""
        self.begin()
        if (used := self._used) is not None:
            for part, size in used.parts.items():
                yield catalogue.HOME_BYTES, (part,), size
            yield catalogue.HOME_FREE, (), used.free
        if (silence := self._silence()) is not None:
            yield catalogue.AGENT_SILENCE, (), silence
        if (journal := self._journal()) is not None:
            yield catalogue.JOURNAL_LAG, (), journal.lag
            yield catalogue.JOURNAL_TERM, (), journal.term
        for file in self._certificates:
            if (expiry := expires_at(file)) is not None:
                yield catalogue.CERTIFICATE_EXPIRY, (file.name,), expiry
        versions: dict[str, int] = {}
        for view in self._views():
            if view.version:
                versions[view.name] = max(view.version, versions.get(view.name, 0))
        for name, version in versions.items():
            yield catalogue.DEPLOYED, (name,), version

    def _look(self) -> None:
        assert self._usage is not None
        self._used = self._usage()


def expires_at(file: Path) -> float | None:
    """When the first certificate of a file expires, on the wall clock; None if there is none that can be read."""
    try:
        text = file.read_text()
        end = text.index(ssl.PEM_FOOTER) + len(ssl.PEM_FOOTER)
        return valid_until(ssl.PEM_cert_to_DER_cert(text[text.index(ssl.PEM_HEADER) : end]))
    except (OSError, ValueError):
        return None
