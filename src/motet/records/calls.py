"""Calls, as they are kept."""

from __future__ import annotations

import msgspec

from motet.model.outcome import CallKind


class CallRecord(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A call, when its first inputs came. `parent_input_id`: the input whose code made it."""

    call_id: str
    function_id: str
    kind: CallKind
    method: str
    submitted_at: float
    parent_input_id: str | None = None


class CallSummary(msgspec.Struct, frozen=True):
    """A call and how many of its inputs ended how. Inputs that have not ended are not counted here."""

    call: CallRecord
    app_id: str
    function_name: str
    ended_at: float
    succeeded: int
    failed: int
    cancelled: int
    timed_out: int
    lost: int

    @property
    def ended_inputs(self) -> int:
        """All inputs that have ended, however."""
        return self.succeeded + self.failed + self.cancelled + self.timed_out + self.lost
