"""What clients do with calls: submit inputs, cancel, feed, take items, go away."""

from __future__ import annotations

from motet.core import events as e
from motet.core import streams
from motet.core.backlog import Backlog, Why
from motet.core.feeds import MAX_AHEAD_BYTES
from motet.core.inputs import Call, Input
from motet.core.pool import Pool
from motet.core.services import EncodeFailure
from motet.core.state import State
from motet.core.turn import Turn
from motet.errors import MayHaveRun, NotFoundError
from motet.model.outcome import CallKind, NewInput, OutcomeKind


class CallEvents:
    """Takes them in. A call is its principal's: what others say of it is not heard."""

    def __init__(self, state: State, backlog: Backlog, failure: EncodeFailure) -> None:
        self._state = state
        self._calls = state.calls
        self._pools = state.pools
        self._backlog = backlog
        self._failure = failure

    def submitted(self, event: e.InputsSubmitted, turn: Turn) -> None:
        """See `InputsSubmitted`."""
        known = self._calls.get(event.call_id)
        pool = self._pools.get(event.function_id if known is None else known.function_id)
        call = self._new_call(event, pool) if known is None else known
        # Nearly always this is a new call, and nothing is here from before the server began.
        if (known is not None or (pool is not None and pool.earlier.are_any)) and self._is_strange(
            call, known is not None, event, pool
        ):
            self._refuse_stranger(event, turn)
            return
        outside = pool is not None and pool.is_retired and known is None and not _belongs(event, pool)
        if pool is None or pool.closed or outside or call.cancelled is not None:
            self._refuse(call, event, pool, turn)
            return
        inputs = self._to_run(call, event, pool, turn) if event.again else event.inputs
        began: list[Input] = []
        if pool.earlier.are_any:
            has = pool.earlier.has
            there = [new for new in inputs if has(call.call_id, new.index)]
            inputs = [new for new in inputs if not has(call.call_id, new.index)]
            began, _ = call.take(there, len(there), turn.now)  # they do not wait, so there is room for them
        # Spawned inputs were let in together by whoever asked `refusal` before this event.
        accepted = event.accepted
        spawned = call.kind is CallKind.SPAWNED
        room = len(event.inputs) if spawned else pool.admission.room(call.kind, accepted=accepted)
        if call.shares and not spawned:
            room = min(room, *(share.room(accepted=accepted) for share in call.shares))
        items, refused = call.take(inputs, room, turn.now)
        if event.again:
            for item in items:
                item.may_have_run()
        if event.on_disk:
            pool.late.may_be()
        pool.submit(items)
        if refused:
            full = pool.admission.why_full(call.kind, call.shares)
            turn.refuse(call, refused, OutcomeKind.REFUSED, self._failure(full))
        if known is None:
            if turn.records is not None:
                turn.records.made(call)
            if call.inputs:
                self._calls.add(call)
        if began:
            pool.rejoin(began, turn)
        turn.changed(pool)

    def _is_strange(self, call: Call, is_known: bool, event: e.InputsSubmitted, pool: Pool | None) -> bool:
        """Whether this is said of another principal's call, also of one whose owner has not said it again since a restart."""
        if is_known:
            return call.principal != (event.client if event.principal is None else event.principal)
        return pool is not None and pool.earlier.are_any and pool.earlier.is_anothers(call.call_id, call.principal)

    def _to_run(self, call: Call, event: e.InputsSubmitted, pool: Pool, turn: Turn) -> list[NewInput]:
        """Those of inputs that were submitted to a server before this one that may run, if they do not already."""
        if not call.at_most_once:
            return event.inputs
        new = [each.index for each in event.inputs if each.index not in call.inputs]
        lost = {index for index in new if not pool.earlier.has(call.call_id, index)}
        if lost:
            why = "it was submitted to a server that was killed, and may have run there: it is not run again"
            turn.refuse(call, sorted(lost), OutcomeKind.LOST, self._failure(MayHaveRun(why)))
        return [each for each in event.inputs if each.index not in lost]

    def arguments_read(self, event: e.ArgumentsRead, turn: Turn) -> None:
        """See `ArgumentsRead`."""
        if (pool := self._pools.get(event.function_id)) is not None:
            pool.late.were_read()
        for call_id, index, payload in event.inputs:
            call = self._calls.get(call_id)
            item = None if call is None else call.inputs.get(index)
            if item is not None:
                item.arguments_read(payload)

    def cancelled(self, event: e.CallCancelled, turn: Turn) -> None:
        """See `CallCancelled`."""
        call = self._owned(event.call_id, event.by)
        if call is not None:
            call.is_called_off()
            self._backlog.add_call(call, Why(event.reason, event.terminate_containers), turn)

    def client_lost(self, event: e.ClientLost, turn: Turn) -> None:
        """See `ClientLost`."""
        self._backlog.add(self._calls.lost(event.client), Why("its caller is gone"))

    def items_taken(self, event: e.ItemsTaken, turn: Turn) -> None:
        """See `ItemsTaken`."""
        call = self._owned(event.call_id, event.by)
        if call and (item := call.inputs.get(event.index)):
            streams.taken(item, event.count, turn)

    def fed(self, event: e.InputFed, turn: Turn) -> None:
        """See `InputFed`."""
        call = self._owned(event.call_id, event.by)
        item = call.inputs.get(event.index) if call else None
        if call is None or item is None or self._pools[call.function_id].feeds.feed(item, event.items, turn):
            return
        why = Why(f"it was sent more than {MAX_AHEAD_BYTES // 2**20} MiB ahead of what it takes")
        self._backlog.add_call(call, why, turn)

    def _new_call(self, event: e.InputsSubmitted, pool: Pool | None) -> Call:
        """The call that is made by these inputs; its function may want it delivered at most once, whoever calls it."""
        principal = event.client if event.principal is None else event.principal
        return Call(
            event.call_id,
            event.function_id,
            event.client,
            event.kind,
            event.method,
            principal,
            event.parent_input_id,
            event.trace,
            event.at_most_once or (pool is not None and pool.spec.at_most_once),
            () if pool is None else self._state.shares.bounding(principal, pool.app_id),
        )

    def _owned(self, call_id: str, by: int | None) -> Call | None:
        """An unfinished call, if it belongs to this principal; None may reach for any."""
        call = self._calls.get(call_id)
        return call if call is not None and (by is None or by == call.principal) else None

    def _refuse_stranger(self, event: e.InputsSubmitted, turn: Turn) -> None:
        """Who knows the id of another's call cannot add to it. Its owner, and what is kept of it, hear nothing of this."""
        stranger = Call(event.call_id, event.function_id, event.client, CallKind.ATTACHED, event.method)
        why = self._failure(NotFoundError(f"{event.call_id} is not a call of this client"))
        for each in event.inputs:
            turn.add_outcome(stranger, each.index, OutcomeKind.LOST, why)

    def _refuse(self, call: Call, event: e.InputsSubmitted, pool: Pool | None, turn: Turn) -> None:
        """These inputs are not taken: the call was cancelled, or the function is not here, or no longer; its pool is there
        while it ends."""
        new = [each.index for each in event.inputs if each.index not in call.inputs]
        if call.cancelled is not None:  # and has not ended yet
            turn.refuse(call, new, OutcomeKind.CANCELLED, call.cancelled.failure)
        else:
            text = f"no function {event.function_id} runs on this server (any more)"
            if pool is not None and pool.is_retired:
                text = f"this version of {pool.spec.name} takes no more inputs: another one has taken its place"
            elif pool is not None:
                text = f"{pool.spec.name} takes no more inputs: its app is being stopped"
            turn.refuse(call, new, OutcomeKind.LOST, self._failure(NotFoundError(text)))


def _belongs(event: e.InputsSubmitted, pool: Pool) -> bool:
    """Whether a version that was replaced takes inputs all the same: they come from its own code, or run there already."""
    return event.from_inside or any(pool.earlier.has(event.call_id, each.index) for each in event.inputs)
