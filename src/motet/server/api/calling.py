"""Calls over HTTP: made, awaited, streamed, cancelled."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from starlette.responses import Response

from motet.model.ids import ENTROPY_BITS, checked_id, id_suffix, input_id
from motet.model.outcome import CallKind, InputEnd, NewInput, OutcomeKind
from motet.server.api.asked import Asked
from motet.server.api.bodies import MEDIA_TYPES, accepted, wanted_result
from motet.server.api.problems import Json, Problem, ServerEnding, of_end
from motet.server.api.reception import HasCall
from motet.server.api.server_sent import event, streamed
from motet.server.api.targets import CallTarget, Targets
from motet.wire import client_messages as m
from motet.wire.encoding import Encoding, body_of_result, encoding_of, marked_arguments

MAX_WAIT = 3600.0
"""Seconds that a call may be waited for, if not told otherwise as well."""
MAX_POLL = 300.0
"""Seconds that one question for a result may wait."""
ACK_EVERY = m.STREAM_WINDOW // 4
MAX_KEY = 255


class Calling:
    """Answers requests about calls."""

    def __init__(self, targets: Targets, has_call: HasCall) -> None:
        self._targets = targets
        self._has_call = has_call

    # --- making them --------------------------------------------------------------------------------------------------

    async def call(self, asked: Asked) -> Response:
        """Make a call and answer its result. The client going away cancels it, unless it has a key to come back with."""
        timeout = asked.seconds("timeout", MAX_WAIT, MAX_WAIT)
        target = await self._target(asked, streams=False)
        body, encoding = await asked.arguments()
        result = wanted_result(asked.header("accept"), encoding)
        data = marked_arguments(body, encoding, result)
        if asked.header("idempotency-key") is not None:
            call_id = await self._spawn(asked, target, data)
            try:
                ended = await self._outcome(asked, call_id, 0, timeout)
            except ServerEnding:
                raise ServerEnding.after_accepting(call_id, _result_url(call_id)) from None
            return _pending(call_id) if ended is None else self._result(asked, call_id, ended, [result])
        call_id = new_call_id()
        arrivals = asked.visit.submit(
            call_id, target.function_id, CallKind.ATTACHED, target.method.name, data, asked.trace
        )
        try:
            async with asyncio.timeout(timeout):
                ended = await asked.unless_gone(asked.visit.wait_end(arrivals))
        except TimeoutError:
            asked.visit.say(m.CancelCall(call_id))
            raise Problem(
                "timed-out",
                f"{target.name} has not ended within {timeout:g} s, and is cancelled: spawn it and ask for its result later",
                call_id=call_id,
            ) from None
        return self._result(asked, call_id, ended, [result])

    async def spawn(self, asked: Asked) -> Response:
        """Make a call whose result is asked for later."""
        wanted = asked.filters.choices("result", [each.value for each in MEDIA_TYPES])
        target = await self._target(asked, streams=False)
        body, encoding = await asked.arguments()
        result = Encoding(wanted[0]) if wanted else encoding
        call_id = await self._spawn(asked, target, marked_arguments(body, encoding, result))
        return _json(
            {
                "call_id": call_id,
                "input_id": input_id(call_id, 0),
                "state": "pending",
                "result_url": _result_url(call_id),
            },
            202,
            location=_result_url(call_id),
        )

    async def _spawn(self, asked: Asked, target: CallTarget, data: bytes) -> str:
        """Make it, or find the one that was made with the same key; its id."""
        key, call_id, new = asked.header("idempotency-key"), new_call_id(), [NewInput(0, data)]
        inputs = m.SubmitInputs(
            call_id, target.function_id, CallKind.SPAWNED, target.method.name, new, trace=asked.trace
        )
        if key is not None and (not 0 < len(key) <= MAX_KEY or not key.isprintable()):
            raise Problem(
                "bad-request", f"Idempotency-Key: has {len(key)} characters; it may be text of 1 to {MAX_KEY}"
            )
        try:
            if key is None:
                await asked.visit.ask(inputs)
                return call_id
            spawned: m.CallSpawned = await asked.visit.ask(m.SpawnOnce(key, inputs))
        except ServerEnding:
            raise ServerEnding.before_accepting(call_id, key) from None
        except Problem as problem:
            if key is not None and problem.slug == "conflict":
                raise Problem("key-reused", f"Idempotency-Key: {problem.detail}") from None
            raise
        return spawned.call_id

    async def stream(self, asked: Asked) -> Response:
        """Call a generator function, and send its items as events, at the pace of whoever reads them."""
        target = await self._target(asked, streams=True)
        body, encoding = await asked.arguments()
        data = marked_arguments(body, encoding, Encoding.JSON)
        call_id = new_call_id()
        visit = asked.visit
        arrivals = visit.submit(call_id, target.function_id, CallKind.STREAM, target.method.name, data, asked.trace)
        # What fails before its first item has a status of its own.
        if not await asked.unless_gone(visit.wait_items(arrivals)):
            assert arrivals.end is not None
            if arrivals.end.kind is not OutcomeKind.SUCCESS:
                raise of_end(arrivals.end, call_id, may_look=visit.may_look)

        async def events() -> AsyncIterator[bytes]:
            taken = 0
            try:
                while await visit.wait_items(arrivals):
                    while arrivals.items:
                        taken += 1
                        yield event("item", body_of_result(arrivals.items.popleft()), taken)
                        if taken % ACK_EVERY == 0 and arrivals.end is None:
                            visit.say(m.AckCallItems(call_id, 0, ACK_EVERY))
                assert arrivals.end is not None
                if arrivals.end.kind is OutcomeKind.SUCCESS:
                    yield event("end", msgspec.json.encode({"items": taken}))
                else:
                    yield event("problem", of_end(arrivals.end, call_id, may_look=visit.may_look).document())
            except Problem as problem:
                yield event("problem", problem.document())
            finally:
                visit.leave()  # which cancels what still runs

        return streamed(events(), {"motet-call-id": call_id})

    async def _target(self, asked: Asked, *, streams: bool) -> CallTarget:
        version = asked.filters.number("version", 0, most=2**31) or 0
        parameters = asked.filters.text("parameters")
        asked.filters.done()
        target = await self._targets.function(
            asked.visit, asked.part("app"), asked.part("function"), version, parameters
        )
        if target.method.web is not None:
            raise Problem("conflict", f"{target.name} is a web function: it answers requests at a URL of its own")
        if target.method.is_generator != streams:
            raise Problem(
                "conflict",
                f"{target.name} is a generator function: POST to .../stream"
                if target.method.is_generator
                else f"{target.name} is no generator function: POST to .../call or .../spawn",
            )
        return target

    # --- asking for them ----------------------------------------------------------------------------------------------

    async def result(self, asked: Asked) -> Response:
        """The result of a spawned call, or 202 if there is none yet."""
        call_id = _call_id(asked)
        index = asked.filters.number("index", 0, most=10**9) or 0
        wait = asked.seconds("wait", 0.0, MAX_POLL)
        asked.filters.done()
        encodings = accepted(asked.header("accept"))
        ended = await self._outcome(asked, call_id, index, wait)
        return _pending(call_id) if ended is None else self._result(asked, call_id, ended, encodings)

    async def status(self, asked: Asked) -> Response:
        """What is known of a spawned call, without its result."""
        call_id = _call_id(asked)
        index = asked.filters.number("index", 0, most=10**9) or 0
        asked.filters.done()
        view: m.CallViewed = await asked.visit.ask(m.ViewCall(call_id))
        ended = await self._outcome(asked, call_id, index, 0.0)
        found: Json = {
            "call_id": call_id,
            "input_id": input_id(call_id, index),
            "function_id": view.function_id,
            "num_inputs": view.num_inputs,
            "state": "pending" if ended is None else ended.kind.name.lower(),
            "result_url": _result_url(call_id),
        }
        if ended is not None and ended.kind is OutcomeKind.SUCCESS:
            found["result_encoding"] = encoding_of(ended.payload).value
        return _json(found)

    async def cancel(self, asked: Asked) -> Response:
        """End what has not ended of a call."""
        call_id = _call_id(asked)
        terminate = asked.boolean("terminate_containers")
        asked.filters.done()
        runs = self._has_call(call_id)
        asked.visit.say(m.CancelCall(call_id, terminate))
        try:
            await asked.visit.ask(m.ViewCall(call_id))
        except Problem as problem:
            # Of a call whose result is not kept nothing more is known than whether it runs.
            if problem.status != 404 or not runs:
                raise
        return _json({"call_id": call_id}, 202)

    async def _outcome(self, asked: Asked, call_id: str, index: int, wait: float) -> InputEnd | None:
        """How an input of a spawned call ended, if it has within `wait` seconds."""
        question = m.AwaitOutcomes(call_id, index, wait > 0, 1)
        try:
            async with asyncio.timeout(wait or None):
                found: m.Outcomes = await asked.unless_gone(asked.visit.ask(question))
        except TimeoutError:
            return None
        return found.ended[0] if found.ended else None

    def _result(self, asked: Asked, call_id: str, ended: InputEnd, encodings: list[Encoding]) -> Response:
        if ended.kind is not OutcomeKind.SUCCESS:
            raise of_end(ended, call_id, may_look=asked.visit.may_look)
        encoding = encoding_of(ended.payload)
        if encoding is Encoding.PICKLE:
            raise Problem(
                "not-acceptable",
                f"the result of {call_id} is pickled: in Python, `motet.FunctionCall.from_id({call_id!r}).get()` has it. "
                'To have results here, spawn the call over HTTP, or with `f.with_result_encoding("json").spawn(...)`.',
                call_id=call_id,
            )
        if encoding not in encodings:
            raise Problem(
                "not-acceptable",
                f"the result of {call_id} is {MEDIA_TYPES[encoding]}, which the request's Accept: does not allow. A call says "
                f"what its result is to be in when it is made (`?result={encoding.value}` of spawn).",
                call_id=call_id,
            )
        headers = {
            "motet-call-id": call_id,
            "motet-input-id": input_id(call_id, ended.index),
            "cache-control": "no-store",
        }
        return Response(bytes(body_of_result(ended.payload)), 200, headers, MEDIA_TYPES[encoding])


def _pending(call_id: str) -> Response:
    found = {"call_id": call_id, "state": "pending", "result_url": _result_url(call_id)}
    response = _json(found, 202, location=_result_url(call_id))
    response.headers["retry-after"] = "1"
    return response


def _result_url(call_id: str) -> str:
    return f"/v1/calls/{call_id}/result"


def _call_id(asked: Asked) -> str:
    return checked_id(asked.part("call"), "fc", "call", tail=r"[\w-]{1,100}")


def new_call_id() -> str:
    """As a client makes one."""
    return "fc-" + id_suffix(int(time.time() * 1000), secrets.randbits(ENTROPY_BITS))


def _json(value: Any, status: int = 200, *, location: str | None = None) -> Response:
    headers = {"cache-control": "no-store"}
    if location is not None:
        headers["location"] = location
    return Response(msgspec.json.encode(value), status, headers, "application/json")
