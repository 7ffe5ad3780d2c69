"""The life of an input: its states, what moves it between them, and what is remembered of it until it has ended."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from motet.errors import InternalError
from motet.model.attempt import AttemptRecord
from motet.model.ids import InputId, input_id
from motet.model.outcome import CallKind, OutcomeKind

WAITING, DELAYED, RUNNING, ENDED = "waiting", "delayed", "running", "ended"

TRANSITIONS: dict[str, dict[str, str]] = {
    WAITING: {"delivered": RUNNING, "failed": ENDED, "timed_out": ENDED, "cancelled": ENDED},
    DELAYED: {"due": WAITING, "failed": ENDED, "cancelled": ENDED},
    RUNNING: {
        "finished": ENDED,
        "retried": DELAYED,
        "lost": WAITING,
        "failed": ENDED,
        "timed_out": ENDED,
        "cancelled": ENDED,
    },
    ENDED: {},
}
"""State -> event -> next state. A missing pair is a bug in the engine. Cancelling is no state: it ends the input at
once for its caller, while the attempt keeps its slot until the container lets go of it."""


class Cancelled(NamedTuple):
    """Why a call was cancelled: `failure` is what its inputs end with. `terminate`: their containers are killed."""

    reason: str
    failure: bytes
    terminate: bool


class Call:
    """One use of a function: whose it is, who gets its outcomes, and its unfinished inputs, which are delivered `at_most_once`
    or not."""

    __slots__ = (
        "at_most_once",
        "call_id",
        "cancelled",
        "client",
        "function_id",
        "inputs",
        "kind",
        "method",
        "parent_input_id",
        "principal",
        "trace",
        "waiting",
    )

    def __init__(self, call_id: str, function_id: str, client: int, kind: CallKind, method: str) -> None:
        self.call_id = call_id
        self.function_id = function_id
        self.client = client
        self.principal = client
        self.kind = kind
        self.method = method
        self.parent_input_id: str | None = None
        self.trace = ""
        self.at_most_once = False
        self.inputs: dict[int, Input] = {}
        self.waiting: deque[Input] = deque()
        """Its inputs in the pool's queue, in order; once it was `cancelled`, those that were there and have not ended."""
        self.cancelled: Cancelled | None = None
        """Nobody wants it any more: nothing of it is delivered, and its inputs end, in this turn and the following ones."""

    def some(self, most: int) -> list[Input]:
        """That many of its unfinished inputs, found without looking at the others; all of them, in order, if they are so few.
        Each is to end before this is asked again."""
        if len(self.inputs) <= most:
            self.waiting.clear()
            return list(self.inputs.values())
        found = [self.waiting.popleft() for _ in range(min(most, len(self.waiting)))]
        for item in found:
            del self.inputs[item.index]
        found += [self.inputs.popitem()[1] for _ in range(most - len(found))]
        self.inputs.update((item.index, item) for item in found)
        return found


class Input:
    """One set of arguments, until its outcome is on its way.

    `retries` counts attempts charged to the user's policy, `lone_losses` the times its container died while it ran
    there alone. A `suspect` was in a container that died, and runs apart from the others until it is cleared. What was
    `fed` to an attempt went with it. Where records are wanted, `over` is the last
    attempt that has ended (its container, when, how, when its code began and finished), and `earlier` are those before.
    """

    __slots__ = (
        "attempt",
        "attempts",
        "call",
        "container_id",
        "deadline",
        "delivered_at",
        "earlier",
        "fed",
        "index",
        "items_sent",
        "lone_losses",
        "notes",
        "over",
        "payload",
        "retries",
        "state",
        "submitted_at",
        "suspect",
    )

    def __init__(self, call: Call, index: int, payload: bytes, now: float) -> None:
        self.call = call
        self.index = index
        self.payload = payload
        self.state = WAITING
        self.submitted_at = now
        self.attempt = 0
        self.attempts = 0
        self.retries = 0
        self.lone_losses = 0
        self.suspect = False
        self.items_sent = 0
        self.fed = False
        self.container_id: str | None = None
        self.deadline = 0.0
        self.delivered_at = 0.0
        self.notes: list[str] | None = None
        self.over: tuple[str, float, OutcomeKind, float, float] | None = None
        self.earlier: tuple[AttemptRecord, ...] = ()

    @property
    def input_id(self) -> InputId:
        return input_id(self.call.call_id, self.index)

    def move(self, event: str) -> None:
        """Go where `TRANSITIONS` says; an event this state does not allow raises and changes nothing."""
        try:
            self.state = TRANSITIONS[self.state][event]
        except KeyError:
            raise InternalError(f"input cannot be {event} while {self.state}: {self.story()}") from None

    def note(self, text: str) -> None:
        """Remember something out of the ordinary for `story`."""
        if self.notes is None:
            self.notes = []
        self.notes.append(text)

    def story(self) -> str:
        """Why it is where it is, for humans."""
        where = f" in {self.container_id}" if self.container_id else ""
        notes = "".join(f"; {note}" for note in self.notes or ())
        return (
            f"{self.input_id} submitted at {self.submitted_at:.3f}, {self.state}{where}, attempt {self.attempts}{notes}"
        )

    def __repr__(self) -> str:
        return f"<Input {self.story()}>"
