"""The life of an input: its states, what moves it between them, and what is remembered of it until it has ended."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from motet.core.shares import Share
from motet.errors import InternalError
from motet.model.attempt import AttemptRecord
from motet.model.current_attempt import RESTARTED, Attempt, Why
from motet.model.ids import InputId, input_id
from motet.model.outcome import CallKind, NewInput, OutcomeKind, RestoredInput

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
        "is_unwanted",
        "kind",
        "method",
        "parent_input_id",
        "principal",
        "shares",
        "trace",
        "waiting",
    )

    def __init__(
        self,
        call_id: str,
        function_id: str,
        client: int,
        kind: CallKind,
        method: str,
        principal: int | None = None,
        parent_input_id: str | None = None,
        trace: str = "",
        at_most_once: bool = False,
        shares: tuple[Share, ...] = (),
    ) -> None:
        self.call_id = call_id
        self.function_id = function_id
        self.client = client
        self.principal = client if principal is None else principal
        self.kind = kind
        self.method = method
        self.parent_input_id = parent_input_id
        self.trace = trace
        self.at_most_once = at_most_once
        self.shares = shares
        """Those in which its inputs are counted, because they may have so many."""
        self.inputs: dict[int, Input] = {}
        self.waiting: list[Input] | deque[Input] = []
        """Its inputs in the pool's queue, which keeps them here, in order; once it was `cancelled`, those that were there and
        have not ended. A list of one at most, or a deque, which takes ten times the memory: most calls have one input."""
        self.is_unwanted = False
        """Somebody has cancelled it: it is not that its app has stopped, or its caller has gone."""
        self.cancelled: Cancelled | None = None
        """Nobody wants it any more: nothing of it is delivered, and its inputs end, in this turn and the following ones."""

    def take(self, submitted: Iterable[NewInput], room: int, now: float) -> tuple[list[Input], list[int]]:
        """More inputs, as far as there is room; and the indices of those for which there is none."""
        inputs = self.inputs
        items: list[Input] = []
        refused: list[int] = []
        for new in submitted:
            index = new.index
            if index in inputs:  # a client that sends one twice still gets one outcome
                continue
            if len(items) < room:
                item = inputs[index] = Input(self, index, new.payload, now)
                items.append(item)
            else:
                refused.append(index)
        for share in self.shares:
            share.add_inputs(len(items))
        return items, refused

    def restore(self, kept: RestoredInput) -> Input:
        """One that a server before this one had accepted, and that is not here, as it was there."""
        item = self.inputs[kept.index] = Input(self, kept.index, kept.payload, kept.submitted_at)
        item.restored(kept)
        for share in self.shares:
            share.add_inputs(1)
        return item

    def end(self, item: Input, event: str) -> None:
        """One of its inputs has its outcome."""
        item.ended(event)
        del self.inputs[item.index]
        for share in self.shares:
            share.input_ended()

    def line_up(self, items: Iterable[Input]) -> list[Input] | deque[Input]:
        """More of its inputs wait, behind the others; the line."""
        line = [*self.waiting, *items]
        self.waiting = line if len(line) < 2 else deque(line)
        return self.waiting

    def long_line(self) -> deque[Input]:
        """The line, as one that may have any length."""
        line = self.waiting if isinstance(self.waiting, deque) else deque(self.waiting)
        self.waiting = line
        return line

    def is_called_off(self) -> None:
        """Somebody cancels it."""
        self.is_unwanted = True

    def cancel(self, reason: str, failure: bytes, *, terminate: bool) -> None:
        """Nobody wants it any more. Said once more, it may come to `terminate` containers."""
        self.cancelled = Cancelled(reason, failure, terminate)

    def some(self, most: int) -> list[Input]:
        """That many of its unfinished inputs, found without looking at the others; all of them, in order, if they are so few.
        Each is to end before this is asked again."""
        if len(self.inputs) <= most:
            self.waiting.clear()
            return list(self.inputs.values())
        waiting = self.long_line()
        found = [waiting.popleft() for _ in range(min(most, len(waiting)))]
        for item in found:
            del self.inputs[item.index]
        found += [self.inputs.popitem()[1] for _ in range(most - len(found))]
        self.inputs.update((item.index, item) for item in found)
        return found


class Input:
    """One set of arguments, until its outcome is on its way.

    `retries` counts attempts charged to the user's policy, `lone_losses` the times its container died while it ran
    there alone. A `suspect` was in a container that died, and runs apart from the others until it is cleared. What was
    `fed` to an attempt went with it. `again`: why the next attempt, or the current one, is made, if it is not the first.
    Where records are wanted, `over` is the last attempt that has ended (its container, when, how, when its code began and
    finished), and `earlier` are those before.
    """

    __slots__ = (
        "again",
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
        self.again: Attempt | None = None
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

    # --- its state ----------------------------------------------------------------------------------------------------

    def move(self, event: str) -> None:
        """Go where `TRANSITIONS` says; an event this state does not allow raises and changes nothing."""
        try:
            self.state = TRANSITIONS[self.state][event]
        except KeyError:
            raise self._illegal(event) from None

    def delivered(self, attempt: int, container_id: str, now: float, deadline: float) -> None:
        """An attempt at it is on its way to a container, and has until then."""
        try:  # as `move` does; what happens to every input does not pay for another call
            self.state = TRANSITIONS[self.state]["delivered"]
        except KeyError:
            raise self._illegal("delivered") from None
        if self.over is not None:
            self._remember(self.over)
        self.attempt = attempt
        self.attempts += 1
        self.container_id = container_id
        self.delivered_at = now
        self.deadline = deadline

    def released(self, over: tuple[str, float, OutcomeKind, float, float] | None) -> None:
        """The attempt is over, for us at least; how, where records are wanted."""
        self.container_id = None
        if over is not None:
            self.over = over

    def retried(self, cause: str, detail: str) -> None:
        """Another attempt is made, which its function's policy is charged with."""
        self.move("retried")
        self.retries += 1  # after the move: what the table does not allow changes nothing
        self._because("retry", cause, detail)

    def lost(self, cause: str, detail: str) -> None:
        """Its container is gone, or has not begun with it: another attempt is made, which nobody is charged with."""
        self.move("lost")
        self._because("redelivered", cause, detail)

    def restored(self, kept: RestoredInput) -> None:
        """It has been through this on a server before this one."""
        self.attempts, self.retries, self.lone_losses = kept.attempts, kept.retries, kept.lone_losses

    def is_put_off(self) -> None:
        """It had been put off there, and is to be tried again later."""
        self.state = DELAYED

    def may_have_run(self) -> None:
        """It had been submitted to a server before this one, and is not known to run."""
        why = "it had been submitted to a server that was killed, and may have run there"
        self._because("redelivered", RESTARTED, why)

    def began_before(self, again: Attempt | None, at: float) -> None:
        """An attempt at it began then, on a server before this one, because of `again` if it was not the first. It counts as
        submitted by that moment: when it really was is not known here."""
        self.again = again
        self.submitted_at = min(self.submitted_at, at)
        # Not what was kept of it, which may count this attempt already.
        self.attempts = 0 if again is None else again.number - 1
        if again is not None:
            self.retries = again.retries

    def _because(self, why: Why, cause: str, detail: str) -> None:
        self.again = Attempt(self.attempts + 1, why, cause, detail, self.retries)
        self.note(detail)

    def ended(self, event: str) -> None:
        """It has its outcome."""
        try:
            self.state = TRANSITIONS[self.state][event]
        except KeyError:
            raise self._illegal(event) from None
        self.payload = b""  # it may stand in a line for a while yet

    def _illegal(self, event: str) -> InternalError:
        return InternalError(f"input cannot be {event} while {self.state}: {self.story()}")

    def _remember(self, over: tuple[str, float, OutcomeKind, float, float]) -> None:
        container_id, ended_at, kind, began, finished = over
        self.earlier = (
            *self.earlier,
            AttemptRecord(container_id, self.delivered_at, ended_at, kind, began, finished),
        )
        self.over = None

    # --- what is remembered of it -------------------------------------------------------------------------------------

    def arguments_read(self, payload: bytes) -> None:
        """They had been left on the disk."""
        self.payload = self.payload or payload

    def suspected(self) -> None:
        """Its container died while it ran there."""
        self.suspect = True

    def cleared(self) -> None:
        """It has not killed its container, or will not run again."""
        self.suspect = False

    def lost_alone(self) -> None:
        """Its container died while nothing else ran there."""
        self.lone_losses += 1

    def postponed(self, seconds: float) -> None:
        """Its attempt has so much longer."""
        self.deadline += seconds

    def was_fed(self) -> None:
        """Its attempt has been sent a part of what it is fed."""
        self.fed = True

    def sent_items(self, count: int) -> None:
        """So many items of it are on their way to its caller."""
        self.items_sent += count

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
