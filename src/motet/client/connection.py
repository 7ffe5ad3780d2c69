"""A client's side of its connection: requests and their replies, calls and their outcomes."""

from __future__ import annotations

import builtins
import contextlib
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

from motet.client.dual import Steps
from motet.client.gathered_requests import GatheredRequest
from motet.client.outgoing import Outgoing
from motet.client.waiter import Waiter
from motet.errors import ConnectionError
from motet.model.outcome import CallKind, InputEnd, NewInput
from motet.wire import failure
from motet.wire.client_messages import (
    AckCallItems,
    Broken,
    CallItems,
    CancelCall,
    Forget,
    Outcomes,
    OutputLines,
    Reply,
    ReplyBody,
    Request,
    RequestBody,
    RequestFailed,
    SubmitInputs,
    ToClient,
)
from motet.wire.hello import Agreed, Refused
from motet.wire.message import Message
from motet.wire.portions import joined
from motet.wire.queue_messages import AnswerNow, Confirm

T = TypeVar("T")
Rebuild = Callable[[bytes], BaseException]


class Link(Protocol):
    """Carries messages to a server. `send` is thread-safe, keeps order, and does not wait for the server."""

    def send(self, messages: Sequence[Message]) -> None: ...

    def send_outgoing(self, outgoing: Outgoing) -> None:
        """Take what is there and send it: now, or when the messages before it leave."""

    def close(self) -> None: ...


class Sink(Protocol):
    """Whoever waits for a call. Called on the I/O thread: hand over and return."""

    def ended(self, ended: list[InputEnd]) -> None: ...

    def items(self, items: list[bytes]) -> None: ...

    def lost(self, error: Exception) -> None: ...


def checked(reply: ReplyBody | Exception, rebuild: Rebuild = failure.rebuild) -> Any:
    """A reply's body; raises what the request was refused with."""
    if isinstance(reply, RequestFailed):
        raise rebuild(reply.failure)
    if isinstance(reply, Exception):
        raise reply
    return reply


class Connection:
    """One client's connection to a server; thread-safe.

    The link calls `receive` and, at the end, `lost`, on one thread of its own. `rebuild` makes an exception of an encoded
    failure: `failure.told` where the server is not trusted with code to run here. `on_answer` gets what the server agreed to,
    or None if the connection ends before that.
    """

    is_parents = False
    """It was inherited by fork: this process has to make its own."""
    agreed: Agreed | None = None
    """What the server agreed to, once it has; None for a server of this process, which has nothing to agree to."""
    ended = False
    """The connection is gone; nothing can be sent over it any more."""

    def __init__(
        self, rebuild: Rebuild = failure.rebuild, on_answer: Callable[[Agreed | None], None] | None = None
    ) -> None:
        self._rebuild = rebuild
        self._on_answer = on_answer
        self._link: Link | None = None
        self._error: Exception | None = None
        self._requests: dict[int, Callable[[ReplyBody | Exception], None]] = {}
        self._parts: dict[int, ReplyBody] = {}
        self._numbers = itertools.count(1)
        self._sinks: dict[str, Sink] = {}
        self._listeners: dict[str, Callable[[OutputLines], None]] = {}
        self._watchers: list[Callable[[Exception], object]] = []

    @property
    def error(self) -> Exception | None:
        """Why it has ended, if it has."""
        return self._error

    def attach(self, link: Link) -> None:
        """Use `link` from now on."""
        self._link = link

    # --- towards the server -----------------------------------------------------------------------------------------

    def send(self, message: Message) -> None:
        """Send without an answer. Raises `ConnectionError` when the connection has ended."""
        if self._link is None or self._error is not None:
            raise self._error or ConnectionError("the connection to the server is closed")
        self._link.send((message,))

    def request(self, body: RequestBody, timeout: float | None = None) -> Steps[Any]:
        """Ask, and wait for the reply's body. Raises what the server refuses it with, or the builtin `TimeoutError`."""
        waiter: Waiter[ReplyBody | Exception] = Waiter(timeout)
        number = self.ask(body, waiter.set)
        try:
            reply = yield waiter
        except BaseException:
            self.forget(number)
            raise
        return checked(reply, self._rebuild)

    def request_gathered(self, body: RequestBody) -> Steps[Any]:
        """As `request`, for what may wait a moment: of what tasks of one loop ask at the same time, all leaves together."""
        request = GatheredRequest(self, body)
        try:
            reply = yield request
        except BaseException:
            request.forget()
            raise
        return checked(reply, self._rebuild)

    def exchange(self, body: RequestBody, timeout: float | None, use: Callable[[Any], tuple[T, int]]) -> Steps[T]:
        """As `request`, for what is to happen here and at the server, or at neither: items that change hands.

        `use` gets the reply's body, and returns the result and how many of its items are used. They are the client's, or the
        server's, when this returns; whatever it raises, nothing has happened. When `timeout` is over, the server is told to
        answer with what there is.
        """
        waiter: Waiter[ReplyBody | Exception] = Waiter(timeout)
        number = self.ask(body, waiter.set)
        try:
            try:
                reply = yield waiter
            except builtins.TimeoutError:
                self.send(AnswerNow(number))
                waiter.timeout = None
                reply = yield waiter
            result, count = use(checked(reply, self._rebuild))
            self.send(Confirm(number, count))
            return result
        except BaseException:
            # Also when the reply is here already.
            self._requests.pop(number, None)
            with contextlib.suppress(ConnectionError):
                self.send(Forget(number))
            raise

    def ask(self, body: RequestBody, on_reply: Callable[[ReplyBody | Exception], None]) -> int:
        """Ask without waiting: `on_reply` gets the reply's body, or why there is none, on the I/O thread."""
        number = next(self._numbers)
        # Before it is sent: the reply may come on the I/O thread before `send` returns.
        self._requests[number] = on_reply
        try:
            self.send(Request(number, body))
        except BaseException:
            self._requests.pop(number, None)
            raise
        return number

    def ask_all(self, asked: Sequence[tuple[RequestBody, Callable[[ReplyBody | Exception], None]]]) -> list[int]:
        """As `ask`, for several that leave together: all of them, or, if it raises, none."""
        requests = [Request(next(self._numbers), body) for body, _ in asked]
        numbers = [each.request_id for each in requests]
        self._requests.update(zip(numbers, (on_reply for _, on_reply in asked), strict=True))
        try:
            if self._link is None or self._error is not None:
                raise self._error or ConnectionError("the connection to the server is closed")
            self._link.send(requests)
        except BaseException:
            for number in numbers:
                self._requests.pop(number, None)
            raise
        return numbers

    def forget(self, number: int) -> None:
        """The reply to a request is not wanted any more. Idempotent."""
        if self._requests.pop(number, None) is not None and self._error is None:
            self._parts.pop(number, None)
            self.send(Forget(number))

    def open_call(self, call_id: str, sink: Sink) -> None:
        """Outcomes of this call go to `sink` until `close_call`."""
        self._sinks[call_id] = sink

    def submit(
        self,
        call_id: str,
        function_id: str,
        kind: CallKind,
        method: str,
        inputs: list[NewInput],
        parent: str | None,
        trace: str = "",
    ) -> None:
        """Make a call, or add inputs to one."""
        self.send(SubmitInputs(call_id, function_id, kind, method, inputs, parent, trace))

    def announce(self, outgoing: Outgoing) -> None:
        """A call has inputs to send. Raises `ConnectionError` when the connection has ended."""
        if self._link is None or self._error is not None:
            raise self._error or ConnectionError("the connection to the server is closed")
        # Before it is handed over: the I/O thread may clear the mark at once.
        outgoing.is_announced = True
        self._link.send_outgoing(outgoing)

    def close_call(self, call_id: str, *, cancel: bool) -> None:
        """Forget a call; `cancel` if it has unfinished inputs."""
        self._sinks.pop(call_id, None)
        if cancel and self._error is None:
            self.send(CancelCall(call_id))

    def end_call(self, call_id: str, error: Exception) -> None:
        """A call cannot be gone on with: whoever waits for it is told."""
        if (sink := self._sinks.get(call_id)) is not None:
            sink.lost(error)

    def end_requests(self, numbers: Iterable[int]) -> None:
        """There is no answer to these, and they cannot be made again: whoever waits for one is told."""
        for number in numbers:
            self._parts.pop(number, None)
            if (on_reply := self._requests.pop(number, None)) is not None:
                why = "the server went away before it answered: what was asked for may have happened or not. See what there is"
                on_reply(ConnectionError(why))

    def ack_items(self, call_id: str, count: int) -> None:
        """The consumer of a stream took `count` more items."""
        self.send(AckCallItems(call_id, 0, count))

    def listen(self, app_id: str, listener: Callable[[OutputLines], None] | None) -> None:
        """Give an app's output to `listener` (on the I/O thread), or to nobody."""
        if listener is None:
            self._listeners.pop(app_id, None)
        else:
            self._listeners[app_id] = listener

    def when_lost(self, act: Callable[[Exception], object]) -> None:
        """Call `act` with the reason when the connection ends, on the I/O thread, or now if it has: once at least."""
        self._watchers.append(act)
        if self._error is not None:
            act(self._error)

    def leave_to_parent(self, error: Exception) -> None:
        """In a forked process, where the connection is the parent's: whoever waits here gets `error`. The link is let go of,
        and not closed, which would end it for the parent as well."""
        self.is_parents = True
        self._link = None
        self.lost(error)

    def close(self) -> None:
        """End the connection; whoever still waits gets `ConnectionError`. Idempotent."""
        self.lost(ConnectionError("the client was closed"))
        if self._link is not None:
            self._link.close()

    # --- from the server --------------------------------------------------------------------------------------------

    def receive(self, messages: Sequence[ToClient]) -> None:
        """What the server sent."""
        for message in messages:
            if isinstance(message, Outcomes):
                sink = self._sinks.get(message.call_id)
                if sink is not None:
                    sink.ended(message.ended)
            elif isinstance(message, Reply):
                self._replied(message)
            elif isinstance(message, CallItems):
                sink = self._sinks.get(message.call_id)
                if sink is not None:
                    sink.items(message.items)
            elif isinstance(message, OutputLines):
                listener = self._listeners.get(message.app_id)
                if listener is not None:
                    listener(message)
            elif isinstance(message, Broken):
                error = failure.rebuild(message.failure)
                self.lost(error if isinstance(error, Exception) else ConnectionError(str(error)))
            elif isinstance(message, Refused):
                self.lost(message.error("the connection"))
            elif isinstance(message, Agreed):
                self.agreed = message
                if self._on_answer is not None:
                    self._on_answer(message)

    def _replied(self, reply: Reply) -> None:
        number, body = reply.request_id, reply.body
        if self._parts:
            body = joined(self._parts.pop(number, None), body)
        if not reply.more:
            on_reply = self._requests.pop(number, None)
            if on_reply is not None:
                on_reply(body)
        elif number in self._requests:
            self._parts[number] = body

    def lost(self, error: Exception) -> None:
        """The connection has ended: everybody who waits is told. Idempotent."""
        if self._error is not None:
            return
        # Marked before anybody is told: whoever is told may try again at once.
        self._error = error
        self.ended = True
        if self._on_answer is not None:
            self._on_answer(None)
        for on_reply in list(self._requests.values()):
            on_reply(error)
        for sink in list(self._sinks.values()):
            sink.lost(error)
        for act in list(self._watchers):
            act(error)
