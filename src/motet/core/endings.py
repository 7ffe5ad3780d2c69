"""What becomes of an input when an attempt at it is over, or none will be made: another attempt, or its one outcome."""

from __future__ import annotations

from motet.core.commands import SaveTries
from motet.core.feeds import Feeds
from motet.core.inputs import Input
from motet.core.services import Services
from motet.core.turn import Turn
from motet.errors import ContainerDied, FunctionTimeoutError, MayHaveRun
from motet.model import current_attempt as causes
from motet.model.function import FunctionSpec
from motet.model.outcome import CallKind, OutcomeKind

MAX_LONE_LOSSES = 2
"""An input whose container died this often while it ran there alone is what kills them."""

_RUN_AGAIN = (OutcomeKind.FAILURE, OutcomeKind.TIMED_OUT, OutcomeKind.LOST)
"""How inputs end of which somebody may want to know why: the arguments of these are told."""


class Endings:
    """Those of one pool's inputs, counted. Whoever asks has taken the input out of wherever it was."""

    __slots__ = (
        "_calls",
        "_feeds",
        "_policy",
        "_timeout",
        "_timers",
        "_waits_for",
        "_without_arguments",
        "counts",
        "failure",
    )

    def __init__(self, spec: FunctionSpec, feeds: Feeds, services: Services) -> None:
        self.counts = dict.fromkeys(OutcomeKind, 0)
        self.failure = services.failure
        self._policy = spec.retries
        self._feeds = feeds
        self._timers = services.timers
        self._calls = services.calls
        self._timeout = spec.timeout
        self._waits_for = services.waits_for
        # The head of a request has its caller's cookies, and its body is gone.
        self._without_arguments = frozenset(method.name for method in spec.methods if method.web is not None)

    def end(self, item: Input, event: str, kind: OutcomeKind, payload: bytes, turn: Turn) -> None:
        """It has its outcome, and is forgotten."""
        call, arguments = item.call, item.payload
        call.end(item, event)
        self.counts[kind] += 1
        if self._feeds:
            self._feeds.forget(item)
        if not call.inputs:
            self._calls.forget(call)
        turn.add_outcome(call, item.index, kind, payload)
        if turn.records is not None:
            turn.records.ended(item, kind, payload)
            if kind in _RUN_AGAIN and call.method not in self._without_arguments:
                turn.records.failed(item, arguments)

    def fail(self, item: Input, event: str, kind: OutcomeKind, error: Exception, turn: Turn) -> None:
        """It has its outcome, which is this error."""
        self.end(item, event, kind, self.failure(error), turn)

    def time_out(self, item: Input, text: str, turn: Turn) -> None:
        """It has its outcome: it took too long."""
        self.fail(item, "timed_out", OutcomeKind.TIMED_OUT, FunctionTimeoutError(text), turn)

    def overrun(self, item: Input, input_id: str) -> str:
        """What happened to an input that ran too long; its code knows it by `input_id`."""
        return f"Input {item.input_id} ran longer than its timeout of {self._timeout:g} s{self._waits_for(input_id)}"

    def retry(self, item: Input, kind: OutcomeKind, turn: Turn) -> bool:
        """Charge the user's policy with a failed attempt, if it has one left: then the next one is due later."""
        policy = self._policy
        if item.call.cancelled is not None:
            return False
        if kind not in (OutcomeKind.FAILURE, OutcomeKind.TIMED_OUT) or item.retries >= policy.max_retries:
            return False
        if item.items_sent or item.fed:  # its consumer would get them twice; what it was fed is gone
            return False
        how = causes.TIMED_OUT if kind is OutcomeKind.TIMED_OUT else causes.FAILED
        item.retried(how, f"attempt {item.attempts} {how}, retry {item.retries + 1} of {policy.max_retries}")
        due_at = turn.now + policy.delay_before(item.retries)
        self._timers.add(due_at, item)
        self._note_tries(item, due_at, turn)
        return True

    def redeliver(self, item: Input, cause: str, what_happened: str, turn: Turn) -> bool:
        """Its container is gone, which nobody is charged for: True if it can run again, and waits from now on."""
        if item.call.cancelled is not None:
            self.end(item, "cancelled", OutcomeKind.CANCELLED, item.call.cancelled.failure, turn)
            return False
        if error := _why_not_again(item, what_happened):
            self.fail(item, "failed", OutcomeKind.LOST, error, turn)
            return False
        item.lost(cause, what_happened)
        self._note_tries(item, 0.0, turn)
        return True

    def _note_tries(self, item: Input, due_at: float, turn: Turn) -> None:
        call = item.call
        if call.kind is CallKind.SPAWNED:  # which a server after this one goes on with
            tries = item.attempts, item.retries, item.lone_losses
            turn.commands.append(SaveTries(call.call_id, item.index, *tries, due_at, item.attempt))


def _why_not_again(item: Input, what_happened: str) -> ContainerDied | None:
    """Why it cannot run again, after `what_happened` to its container; None if it can."""
    if item.call.at_most_once:
        return MayHaveRun(
            f"{what_happened} while it ran {item.input_id}, which is not run again: it may have had an effect already"
        )
    if item.lone_losses >= MAX_LONE_LOSSES:
        return ContainerDied(
            f"{what_happened} while it ran {item.input_id} alone, {item.lone_losses} times over; it is not run again"
        )
    if item.items_sent:  # its consumer would get them twice
        return ContainerDied(f"{what_happened} after {item.items_sent} items were streamed")
    if item.fed:
        return ContainerDied(f"{what_happened} after it had been sent a part of {item.input_id}")
    return None
