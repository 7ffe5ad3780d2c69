"""Which template a container is forked from."""

from __future__ import annotations

import msgspec

from motet.model.hidden import hides_secrets
from motet.model.isolation import Walls


@hides_secrets
class TemplateSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Containers with equal ones are forked from one template.

    `python`: the path of its interpreter; "" is the backend's own. `preload`: what it has imported beside Motet, for the
    runtime to read; empty is nothing. `env`: variables that count before a container gets its own, on top of the backend's,
    sorted: those that the interpreter reads as it starts, and all that are there at a `preload`.
    """

    python: str = ""
    walls: Walls = Walls()
    preload: bytes = b""
    env: tuple[tuple[bytes, bytes], ...] = ()

    @property
    def outside(self) -> TemplateSpec:
        """What containers with this one are forked from. Those within walls made by bubblewrap enter these one by one, each its
        own, and come from a process in which no code of theirs has run, and that knows nothing of theirs."""
        if self.walls.isolation != "bubblewrap":
            return self
        return TemplateSpec(python=self.python, env=() if self.preload else self.env)


PLAIN_TEMPLATE = TemplateSpec()
"""Has imported Motet, and stands within no walls."""
