"""Calls that the server makes by itself, in the name of a principal who is not there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from motet.errors import Error, NotFoundError, ResourceExhaustedError, ServiceError
from motet.model.outcome import CallKind, NewInput
from motet.server.access.door import Principal
from motet.server.access.rights import CALL
from motet.server.api.problems import Problem
from motet.server.api.visit import Entered, Visit
from motet.wire import client_messages as m

NOT_THERE = (404, 410)
"""Of a call: there is none, or, by its id, it would be older than what is kept."""


class Unattended:
    """Says what clients say, and so is let in, kept and counted as they are. `enter`: has a visit be a client, as a principal
    that came in by some way."""

    def __init__(self, enter: Callable[[Visit, Principal, str], Entered]) -> None:
        self._enter = enter

    async def spawn(self, by: Principal, function_id: str, call_id: str, payload: bytes, method: str = "") -> None:
        """Make a call with one input, and return when it is as sure as any spawned call. Idempotent: a call of this id that
        is there already is left as it is. Raises `NotFoundError`, `ResourceExhaustedError` or `ServiceError`."""
        visit = Visit(CALL)
        visit.enter(self._enter(visit, replace(by, rights=CALL), "here"))
        try:
            if not await _is_there(visit, call_id):
                inputs = [NewInput(0, payload)]
                # `again`: where its input runs on since before this server, it is joined.
                spawned = m.SubmitInputs(call_id, function_id, CallKind.SPAWNED, method, inputs, again=True)
                await visit.ask(spawned)
        except Problem as problem:
            raise _error_of(problem) from None
        finally:
            visit.leave()


async def _is_there(visit: Visit, call_id: str) -> bool:
    try:
        await visit.ask(m.ViewCall(call_id))
    except Problem as problem:
        if problem.status not in NOT_THERE:
            raise
        return False
    return True


def _error_of(problem: Problem) -> Error:
    match problem.status:
        case 404:
            return NotFoundError(str(problem))
        case 429:
            return ResourceExhaustedError(str(problem))
    return ServiceError(str(problem))
