"""What became of one attempt at an input."""

from __future__ import annotations

import msgspec

from motet.model.outcome import OutcomeKind


class AttemptRecord(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One delivery of an input to a container.

    `began` and `finished` are the container's own account of the user's code's time, 0 if it gave none: what lies
    between delivery and beginning, and between finishing and end, was spent on the way. `kind` LOST: the container died or
    was taken, and the input was delivered again.
    """

    container_id: str
    delivered_at: float
    ended_at: float
    kind: OutcomeKind
    began: float = 0.0
    finished: float = 0.0

    def later(self, seconds: float) -> AttemptRecord:
        """The same with all its moments moved."""
        return AttemptRecord(
            self.container_id,
            self.delivered_at + seconds,
            self.ended_at + seconds,
            self.kind,
            self.began + seconds if self.began else 0.0,
            self.finished + seconds if self.finished else 0.0,
        )
