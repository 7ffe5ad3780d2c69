"""Whose each queue is that has a name: anybody could guess that, unlike the id of one that has none."""

from __future__ import annotations

from motet.errors import PermissionDeniedError

NAMED = "qu-name-"
"""What ids of queues with a name begin with."""

MOST = 10_000
"""Names whose principals are remembered; of more, those that were used least lately are free again."""


class QueueOwners:
    """A queue is that principal's who used its name first. Of one without a name, whoever was given its id may use it."""

    def __init__(self) -> None:
        self._owners: dict[str, int] = {}

    def check(self, queue_id: str, principal: int, by: int | None) -> None:
        """Somebody uses this queue: `principal`, who may reach for those of `by` alone (None: of all). Raises
        `PermissionDeniedError` if it is another's."""
        if not queue_id.startswith(NAMED):
            return
        owner = self._owners.pop(queue_id, principal)
        if len(self._owners) >= MOST:
            del self._owners[next(iter(self._owners))]
        self._owners[queue_id] = owner  # the last one now
        if by not in (None, owner):
            raise PermissionDeniedError(
                f"the queue {queue_id.removeprefix(NAMED)!r} is another principal's: take another name, or share one without a "
                "name (Queue.ephemeral) by passing it on"
            )
