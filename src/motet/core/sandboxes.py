"""Sandboxes, as far as the engine is concerned: each takes the place of a container, on the host and in its owner's share."""

from __future__ import annotations

from motet.core import events as e
from motet.core.shares import Share
from motet.core.state import State
from motet.core.turn import Turn
from motet.errors import ResourceExhaustedError


class SandboxPlaces:
    """Keeps count of them."""

    def __init__(self, state: State) -> None:
        self._state = state

    def started(self, event: e.SandboxStarted, turn: Turn) -> None:
        """One more is there."""
        if event.sandbox_id not in self._state.sandboxes:
            share = self._state.sandboxes[event.sandbox_id] = self._state.shares.of(event.principal, event.app_id)
            share.add_containers(1)
            self._state.host.sandbox_started()

    def ended(self, event: e.SandboxEnded, turn: Turn) -> None:
        """There is room for another, or for a container."""
        share = self._state.sandboxes.pop(event.sandbox_id, None)
        if share is not None:
            share.add_containers(-1)
            self._state.host.container_ended(was_leaving=False)


def refusal(state: State, principal: int, app_id: str) -> ResourceExhaustedError | None:
    """Why no sandbox may start now for this principal, in this app; None if one may. It is never waited for."""
    share: Share = state.shares.of(principal, app_id)
    if share.full is not None:
        return ResourceExhaustedError(
            f"no sandbox can start: {share.shortage()}; sandboxes count as containers", 1.0, "containers"
        )
    limit = state.host.limits.containers
    if limit is not None and state.host.containers >= limit:
        return ResourceExhaustedError(
            f"no sandbox can start: {state.host.containers} containers and sandboxes run on this host, which may have {limit} "
            "(MOTET_CONTAINERS_PER_HOST)"
        )
    return None
