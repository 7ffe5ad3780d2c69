"""Faults that are planted in what becomes of a host that cannot be reached, and of what it ran."""

from __future__ import annotations

from typing import Any

import pytest

from motet.agent import pings
from motet.core import endings
from motet.core.losses import Losses


def hosts_are_never_given_up(patch: pytest.MonkeyPatch) -> None:
    """However long they do not answer: what they run is waited for."""
    patch.setattr(pings, "LOST_AFTER", 1_000_000)


def inputs_are_blamed_for_the_hosts_that_they_were_on(patch: pytest.MonkeyPatch) -> None:
    """As if they had killed their containers."""
    ended = Losses.ended

    def blaming(self: Losses, container: Any, description: str, turn: Any, *, blameless: bool = False) -> None:
        for item in container.running.values():
            item.lone_losses += 10
        ended(self, container, description, turn)

    patch.setattr(Losses, "ended", blaming)


def whatever_was_on_a_lost_host_runs_again(patch: pytest.MonkeyPatch) -> None:
    """Also what may be delivered once."""
    patch.setattr(endings, "_why_not_again", lambda item, what_happened: None)
