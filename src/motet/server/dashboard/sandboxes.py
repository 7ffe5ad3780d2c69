"""Sandboxes for pages: those that run, and those that have ended lately."""

from __future__ import annotations

from typing import Any

import msgspec

from motet.server.dashboard.api import Api
from motet.server.dashboard.filters import Filters
from motet.server.dashboard.shown import Json
from motet.wire.sandbox_messages import ListSandboxes


class ShownSandboxes:
    """Questions about them. A server that has none to tell of has an empty list."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def all(self, filters: Filters) -> Json:
        """The newest first."""
        filters.done()
        answer = self._api.operations.answers.get(ListSandboxes)
        if answer is None:
            return {"sandboxes": []}
        found: Any = answer(ListSandboxes(ended=True))
        return {"sandboxes": msgspec.to_builtins((await found).views)}
