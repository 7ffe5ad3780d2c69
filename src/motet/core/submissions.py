"""Inputs that clients submit: the call that they make or belong to, and why they are not taken."""

from __future__ import annotations

from motet.core.events import InputsSubmitted
from motet.core.inputs import Call
from motet.core.services import EncodeFailure
from motet.core.turn import Turn
from motet.errors import NotFoundError
from motet.model.outcome import CallKind, OutcomeKind


def new_call(event: InputsSubmitted) -> Call:
    """The call that is made by these inputs."""
    call = Call(event.call_id, event.function_id, event.client, event.kind, event.method)
    call.parent_input_id = event.parent_input_id
    call.trace = event.trace
    call.at_most_once = event.at_most_once
    if event.principal is not None:
        call.principal = event.principal
    return call


def made_by(call: Call, event: InputsSubmitted) -> bool:
    """Whether a call is that of whoever submits these inputs."""
    return call.principal == (event.client if event.principal is None else event.principal)


def refuse(call: Call, event: InputsSubmitted, stopping: str | None, failure: EncodeFailure, turn: Turn) -> None:
    """These inputs are not taken: the call is another's or was cancelled, or the function is not here, or no longer; `stopping`
    is its name while exit hooks run."""
    new = [each.index for each in event.inputs if each.index not in call.inputs]
    if not made_by(call, event):
        # Who knows the id of another's call cannot add to it. Its owner, and what is kept of it, hear nothing of this.
        stranger = Call(event.call_id, event.function_id, event.client, CallKind.ATTACHED, event.method)
        why = failure(NotFoundError(f"{event.call_id} is not a call of this client"))
        for each in event.inputs:
            turn.add_outcome(stranger, each.index, OutcomeKind.LOST, why)
    elif call.cancelled is not None:  # and has not ended yet
        turn.refuse(call, new, OutcomeKind.CANCELLED, call.cancelled.failure)
    else:
        text = f"no function {event.function_id} runs on this server (any more)"
        if stopping is not None:
            text = f"{stopping} takes no more inputs: its app is being stopped"
        turn.refuse(call, new, OutcomeKind.LOST, failure(NotFoundError(text)))
