"""`is_hydrated` and `hydrate` of handles: whether what they stand for runs somewhere, in the words of programs for Modal."""

from __future__ import annotations

from typing import Any

from motet.client.dual import Steps, dual
from motet.sdk.call.target import Target


class Hydrated:
    """A handle on a function or class."""

    target: Target

    @property
    def is_hydrated(self) -> bool:
        """Whether it can be called now: its app runs."""
        return self.target.is_running

    @dual
    def hydrate(self, client: object = None) -> Steps[Any]:
        """This handle, once it is known that it can be called. Raises `ExecutionError` if its app is not running."""
        yield from self.target.resolve()
        return self


class HydratedById:
    """A handle on what an id is enough to reach."""

    @property
    def is_hydrated(self) -> bool:
        """True: it needs nothing but its id."""
        return True

    @dual
    def hydrate(self, client: object = None) -> Steps[Any]:
        """This handle."""
        yield from ()
        return self
