"""Inputs of spawned calls that a server before this one had accepted: here they go on."""

from __future__ import annotations

from motet.core.events import InputsRestored
from motet.core.inputs import Call, Input
from motet.core.pool import Pool
from motet.core.services import EncodeFailure
from motet.core.state import State
from motet.core.turn import Turn
from motet.errors import MayHaveRun, NotFoundError
from motet.model.outcome import BEGUN, CallKind, OutcomeKind, RestoredInput


class Restoring:
    """Takes them in. Nobody is refused for want of room: they were accepted once."""

    def __init__(self, state: State, failure: EncodeFailure) -> None:
        self._state = state
        self._failure = failure

    def restored(self, event: InputsRestored, turn: Turn) -> None:
        """See `InputsRestored`. Cases, by input:

        1. its function is not here: it is lost;
        2. it runs in a container that is back, or has ended there: it is joined;
        3. it may have run, and may not do so again: it is lost;
        4. it is to be tried again later: then;
        5. it waits.
        """
        state = self._state
        pool, known = state.pools.get(event.function_id), state.calls.get(event.call_id)
        call = self._new_call(event, pool) if known is None else known
        if pool is None or pool.closed or call.cancelled is not None:
            why = NotFoundError(f"no function {event.function_id} runs on this server (any more)")
            turn.refuse(call, [each.index for each in event.inputs], OutcomeKind.LOST, self._failure(why))
            return
        joined: list[Input] = []
        waiting: list[Input] = []
        tried: list[Input] = []
        for kept in self._to_run(call, event.inputs, pool, turn):
            item = call.restore(kept)
            if not kept.payload:
                pool.late.may_be()
            if pool.earlier.has(call.call_id, kept.index):
                joined.append(item)
                continue
            if kept.attempts or not pool.spec.at_most_once:
                item.may_have_run()
            # Its moment is of the wall clock, which may have been set back since: no wait is longer than the policy has it.
            due_at = min(kept.due_at, turn.now + pool.spec.retries.max_delay)
            if due_at > turn.now:
                item.is_put_off()
                state.timers.add(due_at, item)
            else:
                (tried if kept.attempts else waiting).append(item)
        pool.slots.queue(tried)
        pool.submit(waiting)
        if known is None and call.inputs:
            if turn.records is not None:
                turn.records.made(call)
            state.calls.add(call)
        if joined:
            pool.rejoin(joined, turn)
        turn.changed(pool)

    def _to_run(self, call: Call, inputs: list[RestoredInput], pool: Pool, turn: Turn) -> list[RestoredInput]:
        """Those that may run, if they do not already."""
        earlier, found, lost = pool.earlier, [], []
        for kept in inputs:
            if kept.index in call.inputs:
                continue
            has_begun = kept.due_at == BEGUN
            if kept.last_attempt:
                last_that_ended = kept.last_attempt - has_begun
                pool.tried_since(call.call_id, kept.index, last_that_ended, turn)
            # Each delivery was kept first, where the function wants that: what is not known to have begun has not.
            may_have_begun = call.at_most_once and (has_begun or not pool.spec.at_most_once)
            if may_have_begun and not earlier.has(call.call_id, kept.index):
                lost.append(kept.index)
            else:
                found.append(kept)
        if lost:
            why = "it was on its way to a container, or ran there, when its server was killed: it is not run again"
            turn.refuse(call, lost, OutcomeKind.LOST, self._failure(MayHaveRun(why)))
        return found

    def _new_call(self, event: InputsRestored, pool: Pool | None) -> Call:
        return Call(
            event.call_id,
            event.function_id,
            0,  # no client has this number
            CallKind.SPAWNED,
            event.method,
            event.principal,
            event.parent_input_id,
            event.trace,
            event.at_most_once or (pool is not None and pool.spec.at_most_once),
            () if pool is None else self._state.shares.bounding(event.principal, pool.app_id),
        )
