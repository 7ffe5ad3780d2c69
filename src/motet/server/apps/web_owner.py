"""Whose labels and domains web functions have taken."""

from __future__ import annotations

from typing import NamedTuple


class WebOwner(NamedTuple):
    """A principal, as the engine names it; and, of a deployed app, its name, whoever deploys it."""

    principal: int = 0
    deployed: str = ""

    def gives_way_to(self, other: WebOwner) -> bool:
        """Whether another may take over what is this one's."""
        return self.principal == other.principal or bool(self.deployed and self.deployed == other.deployed)


NOBODY = WebOwner()
