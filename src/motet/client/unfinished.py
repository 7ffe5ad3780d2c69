"""What a client has said to a server, and would have to say again to the next one."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import msgspec

from motet.model.outcome import CallKind, NewInput
from motet.wire.again import FIRST_NUMBER
from motet.wire.client_messages import (
    AppCreated,
    AutoscalerUpdated,
    BindFunction,
    CancelCall,
    CreateApp,
    Done,
    Forget,
    FunctionBound,
    Outcomes,
    Reply,
    ReplyBody,
    Request,
    RequestBody,
    StopApp,
    SubmitInputs,
    ToClient,
    UpdateAutoscaler,
)
from motet.wire.message import Message
from motet.wire.state_messages import MakeState, PopEntry, PutEntries, RemoveState, ViewDict

MOST = 128
"""Inputs in one message."""
MOST_CHANGES = 1000
"""Changes of bounds that are made again: beyond that the oldest are forgotten."""


class _UnfinishedCall:
    __slots__ = ("head", "inputs")

    def __init__(self, head: SubmitInputs) -> None:
        self.head = head
        self.inputs: dict[int, NewInput] = {}


class Unfinished:
    """Apps with the ids of their functions, variants, changed bounds, requests without an answer, and inputs without an
    outcome. Thread-safe.

    A stream cannot be gone on with: items may have been lost on the way.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._apps: dict[str, CreateApp] = {}
        self._variants: dict[str, BindFunction] = {}
        self._changes: list[UpdateAutoscaler] = []
        self._requests: dict[int, RequestBody] = {}
        self._calls: dict[str, _UnfinishedCall] = {}

    def sent(self, message: Message) -> None:
        """This is said, or to be said."""
        with self._lock:
            if isinstance(message, SubmitInputs):
                call = self._calls.get(message.call_id)
                if call is None:
                    call = self._calls[message.call_id] = _UnfinishedCall(
                        msgspec.structs.replace(message, inputs=[], again=True)
                    )
                for new in message.inputs:
                    call.inputs[new.index] = new
            elif isinstance(message, Request):
                self._requests[message.request_id] = message.body
            elif isinstance(message, CancelCall):
                self._calls.pop(message.call_id, None)
            elif isinstance(message, Forget):
                self._requests.pop(message.request_id, None)

    def received(self, message: ToClient) -> bool:
        """The server says this. False: it is the answer to something that was said again, for which nobody waits."""
        if isinstance(message, Outcomes):
            with self._lock:
                self._ended(message)
        elif isinstance(message, Reply):
            if message.request_id >= FIRST_NUMBER:
                return False
            if not message.more:
                with self._lock:
                    self._answered(self._requests.pop(message.request_id, None), message.body)
        return True

    def _ended(self, message: Outcomes) -> None:
        call = self._calls.get(message.call_id)
        if call is not None:
            for each in message.ended:
                call.inputs.pop(each.index, None)
            if not call.inputs:
                del self._calls[message.call_id]

    def _answered(self, request: RequestBody | None, answer: ReplyBody) -> None:
        match request, answer:
            case CreateApp(), AppCreated():
                self._apps[request.app_id] = msgspec.structs.replace(request, functions=tuple(answer.functions))
            case StopApp(), Done():
                self._apps.pop(request.app_id, None)
            case BindFunction(), FunctionBound():
                function_id = answer.function_id
                self._variants[function_id] = BindFunction(request.function_id, request.variant, function_id)
            case UpdateAutoscaler(), AutoscalerUpdated():
                self._changes = [*self._changes, request][-MOST_CHANGES:]

    def take_streams(self) -> list[str]:
        """The streams that are under way: they end here."""
        with self._lock:
            found = [call_id for call_id, call in self._calls.items() if call.head.kind is CallKind.STREAM]
            for call_id in found:
                del self._calls[call_id]
            return found

    def take_once(self) -> list[int]:
        """The requests under way that may have been carried out, and must not be twice: they end here."""
        with self._lock:
            found = [number for number, body in self._requests.items() if _is_once(body)]
            for number in found:
                del self._requests[number]
            return found

    def apps_again(self) -> list[Request]:
        """What there is to say to the next server first: nothing of the rest makes sense to it before these are answered."""
        with self._lock:
            return [Request(number, app) for number, app in enumerate(self._apps.values(), FIRST_NUMBER)]

    def again(self) -> Iterator[Message]:
        """What else there is to say to the next server, in this order."""
        with self._lock:
            first: list[RequestBody] = [*self._variants.values(), *self._changes]
            begin = FIRST_NUMBER + len(self._apps)
            requests = list(self._requests.items())
            calls = [(call.head, list(call.inputs.values())) for call in self._calls.values()]
        for number, body in enumerate(first, begin):
            yield Request(number, body)
        for number, request in requests:
            yield Request(number, _again(request))
        for head, inputs in calls:
            for place in range(0, len(inputs), MOST):
                yield msgspec.structs.replace(head, inputs=inputs[place : place + MOST])


def _again(body: RequestBody) -> RequestBody:
    """A request as the next server is to hear it: inputs may have been accepted, with the answer lost."""
    return msgspec.structs.replace(body, again=True) if isinstance(body, SubmitInputs) else body


def _is_once(body: RequestBody) -> bool:
    """Whether it changes what is kept for the next server, which would do a second time what the one before it has done."""
    return isinstance(body, PutEntries | PopEntry | MakeState | RemoveState) or (
        isinstance(body, ViewDict) and body.clear
    )
