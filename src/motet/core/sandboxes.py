"""Sandboxes, as far as the engine is concerned: each takes the place of a container, on the host and in its owner's share."""

from __future__ import annotations

from motet.core import events as e
from motet.core.host import Host
from motet.core.shares import Share, Shares
from motet.core.turn import Turn
from motet.errors import ResourceExhaustedError


class SandboxPlaces:
    """Keeps count of them."""

    def __init__(self, host: Host, shares: Shares) -> None:
        self._host = host
        self._shares = shares
        self._taken: dict[str, tuple[Share, str]] = {}
        """In whose share each is, and which app's."""

    def __len__(self) -> int:
        return len(self._taken)

    def within(self, share: Share) -> int:
        """How many are in this share itself."""
        return sum(each is share for each, _ in self._taken.values())

    def has(self, app_id: str) -> bool:
        """Whether any is an app's."""
        return any(each == app_id for _, each in self._taken.values())

    def started(self, event: e.SandboxStarted, turn: Turn) -> None:
        """One more is there."""
        if event.sandbox_id not in self._taken:
            share = self._shares.of(event.principal, event.app_id)
            self._taken[event.sandbox_id] = share, event.app_id
            share.add_containers(1)
            self._host.sandbox_started(turn)

    def gone(self, event: e.SandboxGone) -> str:
        """There is room for another, or for a container; the app that it was of."""
        share, app_id = self._taken.pop(event.sandbox_id, (None, ""))
        if share is not None:
            share.add_containers(-1)
            self._host.sandbox_ended()
        return app_id

    def refusal(self, principal: int, app_id: str) -> ResourceExhaustedError | None:
        """Why none may start now for this principal, in this app; None if one may. It is never waited for."""
        share = self._shares.of(principal, app_id)
        if share.full is not None:
            return ResourceExhaustedError(
                f"no sandbox can start: {share.shortage()}; sandboxes count as containers", 1.0, "containers"
            )
        if not self._host.takes_sandbox():
            limit, here = self._host.limits.containers, self._host.hosts.on_own
            return ResourceExhaustedError(
                f"no sandbox can start: {here} containers and sandboxes run on this host, which may have "
                f"{limit} (MOTET_CONTAINERS_PER_HOST)"
            )
        return None
