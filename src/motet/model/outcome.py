"""How an attempt ended, and how a call wants its results."""

from __future__ import annotations

import enum

import msgspec

from motet.model.current_attempt import Attempt
from motet.model.limits import Index, Moment, Name, Payload


class OutcomeKind(enum.IntEnum):
    """The five ways an attempt ends, and REFUSED for an input that was never taken, because too many wait.

    Every kind but SUCCESS carries an encoded failure instead of a result."""

    SUCCESS = 0
    FAILURE = 1
    TIMED_OUT = 2
    CANCELLED = 3
    LOST = 4
    REFUSED = 5


class CallKind(enum.IntEnum):
    """ATTACHED: results stream to the client that made the call, and end with it (`remote`, `map`).
    SPAWNED: results are kept by the server for whoever asks. STREAM: one input whose items stream (`remote_gen`)."""

    ATTACHED = 0
    SPAWNED = 1
    STREAM = 2


# What follows is on the path of every input: arrays without names, which the collector need not look at.


class NewInput(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One input of a call: its place in the call and its pickled `(args, kwargs)`."""

    index: Index
    payload: Payload


BEGUN = -1.0
"""In place of the moment at which an input is to be tried again: an attempt at it is on its way, or runs."""


class RestoredInput(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An input that a server before this one had accepted, and that has not ended: when it was submitted, and what it has been
    through since, as far as that was kept, up to its attempt number `last_attempt`. `due_at`: it is not to be tried again
    earlier; 0: it waits; `BEGUN`: that attempt had not ended."""

    index: Index
    payload: Payload
    submitted_at: float
    attempts: int = 0
    retries: int = 0
    lone_losses: int = 0
    due_at: float = 0.0
    last_attempt: int = 0


class Delivery(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One attempt at an input, on its way to a slot. `attempt` is unique on its server, so a stale outcome is recognised.

    `trace`: the `traceparent` that it continues, or empty. `again`: why it is made, if it is not the first. `principal`: whose
    the call is, as the server numbers them.
    """

    attempt: int
    call_id: str
    index: int
    method: str
    payload: bytes
    trace: str = ""
    again: Attempt | None = None
    principal: int = 0


class AttemptEnd(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """How an attempt ended: a pickled result, or an encoded failure for every kind but SUCCESS.

    `began` and `finished`: when the user's code ran, on the container's clock, and then on the server's; 0 where nobody looked.
    """

    attempt: int
    kind: OutcomeKind
    payload: Payload
    began: Moment = 0.0
    finished: Moment = 0.0


class HeldAttempt(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An attempt that a container holds when it comes back to a server: of which input, and whose. `cancelled`: it was told to
    end it, and nobody waits for it. `ran`: seconds since it was delivered, those left out in which the container stood still.
    `again` and `method`: as they came with its delivery. `batch`: the first attempt of the batch that it is in; 0: none. `cut`:
    it is a stream or a request, which has lost its consumer with the server, and was cancelled for that.
    """

    attempt: int
    call_id: Name
    index: Index
    cancelled: bool = False
    principal: int = 0
    ran: Moment = 0.0
    again: Attempt | None = None
    batch: Index = 0
    method: Name = ""
    cut: bool = False

    @property
    def slot(self) -> int:
        """The number of the slot that it is in."""
        return self.batch or self.attempt


class InputEnd(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """How an input ended, for its caller: as in `AttemptEnd`, by its place in the call."""

    index: int
    kind: OutcomeKind
    payload: bytes
