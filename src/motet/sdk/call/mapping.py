"""`map`: many inputs through one call, pulled as they are accepted, results handed out as they come."""

from __future__ import annotations

import builtins
import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from motet.client.connection import Connection
from motet.client.dual import Steps
from motet.client.new_ids import new_call_id
from motet.client.outgoing import Outgoing
from motet.client.tracing import CallSpan, header
from motet.client.waiter import Waiter
from motet.context.notices import warn_user
from motet.errors import ResourceExhaustedError, ServerWarning
from motet.model.outcome import CallKind, InputEnd, NewInput, OutcomeKind
from motet.sdk.call.nested import own_cancellation_first
from motet.wire import failure, payload
from motet.wire.by_value import ByValue
from motet.wire.encoding import Encoding, marked_arguments

if TYPE_CHECKING:
    import asyncio

MAX_IN_FLIGHT = 1000
"""Inputs of one map without an outcome yet (Modal's number)."""
MAX_HELD = 10_000
"""Outcomes held back because an earlier one is missing: bounds memory when one input of an ordered map is slow."""
CHUNK_INPUTS = 128
CHUNK_BYTES = 1024 * 1024
CHUNK_SECONDS = 0.001
"""A chunk leaves when it is full, or when its first input has waited this long for company."""
PATIENCE = 10.0
"""Seconds that a map may have been held up by a full queue before the user is told."""

_AT_HAND = frozenset(
    (list, tuple, range, set, frozenset, dict, str, bytes, deque, type({}.keys()), type({}.values()), type({}.items()))
)


class Inputs:
    """The arguments of each input of a map. `at_hand`: pulling one takes no time, as from a list."""

    __slots__ = ("arguments", "at_hand")

    def __init__(self, arguments: Iterator[tuple[Any, ...]], iterables: Iterable[object]) -> None:
        self.arguments = arguments
        self.at_hand = all(type(iterable) in _AT_HAND for iterable in iterables)


class Mapping:
    """One map under way. Inputs go in through `feed`, results come out of `take`; one thread or task owns it.

    At most `MAX_IN_FLIGHT` inputs are without an outcome, and at most `MAX_HELD` outcomes without a reader. Inputs that the
    server refuses because too many wait go again later, and no more are pulled meanwhile.
    """

    def __init__(
        self,
        connection: Connection,
        function_id: str,
        method: str,
        *,
        what: str,
        kwargs: dict[str, Any],
        ordered: bool,
        return_exceptions: bool,
        by_value: ByValue,
        parent: str | None,
        traced: CallSpan | None = None,
        clock: Callable[[], float] = time.perf_counter,
        results: Encoding = Encoding.PICKLE,
    ) -> None:
        self.call_id = new_call_id()
        self._connection = connection
        self._outgoing = Outgoing(self.call_id, function_id, CallKind.ATTACHED, method, parent, header(traced))
        self._what = f"the arguments of {what}"
        self._kwargs = kwargs
        self._ordered = ordered
        self._return_exceptions = return_exceptions
        self._by_value = by_value
        self._traced = traced
        self._clock = clock
        self._results = results
        self._accepted = 0
        self._ended = 0
        self._exhausted = False
        self._failed: InputEnd | None = None
        self._lost: Exception | None = None
        self._ready: deque[InputEnd] = deque()
        self._held: dict[int, InputEnd] = {}
        self._next = 0
        self._unanswered: dict[int, NewInput] = {}
        self._refused: list[NewInput] = []
        self._resend_at = 0.0
        self._held_up = 0.0
        self._inbox: deque[list[InputEnd]] = deque()
        self._waiter: Waiter[None] | None = None
        self.has_room: asyncio.Event | None = None
        """What the feeding task waits for, set by a consuming one."""
        connection.open_call(self.call_id, self)

    def make_room(self) -> None:
        """Results were taken: a feeding task that waits goes on."""
        if self.has_room is not None:
            self.has_room.set()

    # --- the sink, on the I/O thread --------------------------------------------------------------------------------

    def ended(self, ended: list[InputEnd]) -> None:
        self._inbox.append(ended)
        self.wake()

    def items(self, items: list[bytes]) -> None:
        """A map has no streams."""

    def lost(self, error: Exception) -> None:
        self._lost = error
        self.wake()

    def wake(self) -> None:
        """Let the owner look again; from any thread."""
        waiter = self._waiter
        if waiter is not None:
            waiter.set(None)

    # --- in ---------------------------------------------------------------------------------------------------------

    @property
    def exhausted(self) -> bool:
        """All inputs have been pulled."""
        return self._exhausted

    @property
    def room(self) -> int:
        """How many more inputs are welcome now."""
        if self._exhausted or self._refused or self._failed is not None:
            return 0
        held = len(self._ready) + len(self._held)
        return min(MAX_IN_FLIGHT - (self._accepted - self._ended), MAX_HELD - held)

    def feed(self, inputs: Inputs) -> None:
        """Pull some inputs and send them: together if pulling takes no time, else each before the next is pulled, which may
        take any. What the iterator raises goes to the caller."""
        outgoing, clock = self._outgoing, self._clock
        limit, deadline = min(self.room, CHUNK_INPUTS), clock() + CHUNK_SECONDS
        pulled = size = 0
        try:
            while pulled < limit and size < CHUNK_BYTES and clock() < deadline:
                size += self.add(next(inputs.arguments))
                pulled += 1
                if not (inputs.at_hand or outgoing.is_announced):
                    self._connection.announce(outgoing)
        except StopIteration:
            self._exhausted = True
        finally:
            self.send()

    def add(self, arguments: tuple[Any, ...]) -> int:
        """One more input, to be sent; its bytes."""
        data = payload.dumps((arguments, self._kwargs), self._what, by_value=self._by_value)
        if self._results is not Encoding.PICKLE:
            data = marked_arguments(data, Encoding.PICKLE, self._results)
        # Kept until its outcome is here: a full queue may refuse it, and then it goes again.
        new = self._unanswered[self._accepted] = NewInput(self._accepted, data)
        self._accepted += 1
        self._outgoing.inputs.append(new)
        return len(data)

    def send(self) -> None:
        """What was added leaves, if it has not yet."""
        outgoing = self._outgoing
        if outgoing.inputs and not outgoing.is_announced:
            self._connection.announce(outgoing)

    def exhaust(self) -> None:
        """There are no more inputs."""
        self._exhausted = True
        self.wake()

    # --- out --------------------------------------------------------------------------------------------------------

    def collect(self) -> bool:
        """Take in what has arrived. True if `take` has something to hand out."""
        # A deque between two threads: the I/O thread appends to it, and no lock is held while outcomes are looked at.
        inbox = self._inbox
        while inbox:
            for ended in inbox.popleft():
                self._arrived(ended)
        if self._refused and self._clock() >= self._resend_at:
            self._resend()
        return bool(self._ready)

    def _arrived(self, ended: InputEnd) -> None:
        new = self._unanswered.pop(ended.index)
        if ended.kind is OutcomeKind.REFUSED:
            self._was_refused(new, ended)
            return
        self._ended += 1
        if ended.kind is not OutcomeKind.SUCCESS and not self._return_exceptions:
            self._failed = self._failed or ended
        elif not self._ordered:
            self._ready.append(ended)
        elif ended.index != self._next:
            self._held[ended.index] = ended
        else:
            self._ready.append(ended)
            self._next += 1
            while self._held and (following := self._held.pop(self._next, None)) is not None:
                self._ready.append(following)
                self._next += 1

    def _was_refused(self, new: NewInput, ended: InputEnd) -> None:
        """The function's queue is full: this input goes again later, and no other before."""
        if not self._refused:
            problem = failure.rebuild(ended.payload)
            wait = problem.retry_after if isinstance(problem, ResourceExhaustedError) else 1.0
            self._resend_at = self._clock() + wait
            # Told once, when the waits together pass the patience: a queue that is full now and then is as it should be.
            if self._held_up <= PATIENCE < self._held_up + wait:
                warn_user(ServerWarning(f"the map progresses slowly: {problem}"))
            self._held_up += wait
        self._refused.append(new)

    def _resend(self) -> None:
        refused, self._refused = self._refused, []
        self._unanswered.update((new.index, new) for new in refused)
        self._outgoing.inputs.extend(refused)
        self.send()

    def take(self) -> Iterator[Any]:
        """What can be handed out now: results, or exceptions with `return_exceptions`."""
        ready = self._ready
        while ready:
            ended = ready.popleft()
            if ended.kind is OutcomeKind.SUCCESS:
                yield payload.loads(ended.payload, "the result")
            else:
                yield failure.rebuild(ended.payload)

    @property
    def done(self) -> bool:
        """All inputs have gone in and all results come out. Raises if the connection is lost before."""
        if self._ready:
            return False
        if self._lost is not None:
            raise self._lost
        return self._exhausted and self._ended == self._accepted

    @property
    def failed(self) -> bool:
        """A failure ends the map, once what is ready has been handed out."""
        return self._failed is not None and not self._ready

    def fail(self) -> Steps[None]:
        """Raise the failure that ends the map."""
        assert self._failed is not None
        yield from own_cancellation_first(self._failed)
        raise failure.rebuild(self._failed.payload)

    def wait_change(self) -> Steps[None]:
        """Wait until something arrives, or refused inputs may go again."""
        wait = max(0.0, self._resend_at - self._clock()) if self._refused else None
        self._waiter = Waiter(wait)
        # Looked at after the waiter is there: what arrives in between is seen here, or wakes it.
        if not self._inbox and self._lost is None:
            with contextlib.suppress(builtins.TimeoutError):
                yield self._waiter
        self._waiter = None

    def close(self) -> None:
        """The consumer is through; inputs without an outcome are cancelled. Idempotent."""
        # What still runs would run for nobody.
        self._connection.close_call(self.call_id, cancel=self._ended < self._accepted)
        if self._traced is not None:
            self._traced.end(self._failed or self._lost)
