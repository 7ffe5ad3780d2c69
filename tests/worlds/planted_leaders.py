"""Faults that are planted where a server that led goes on while it does not reach its database, and another one leads."""

from __future__ import annotations

import pytest

from motet.server.journal.noted_deliveries import NotedDeliveries


def attempts_leave_before_the_journal_knows_of_them(patch: pytest.MonkeyPatch) -> None:
    """Those at inputs that are delivered at most once: so that the next server has them run, too."""
    patch.setattr(NotedDeliveries, "__contains__", lambda self, attempt: False)
