"""`remote_gen`: the items of a generator that runs in a container, as they are yielded, at the consumer's pace."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from motet.client.connection import Connection
from motet.client.dual import Steps
from motet.client.tracing import CallSpan, header
from motet.client.waiter import Waiter
from motet.model.outcome import CallKind, InputEnd, NewInput
from motet.sdk.call.function_call import result_of
from motet.sdk.call.nested import own_cancellation_first
from motet.wire import payload
from motet.wire.client_messages import STREAM_WINDOW

ACK_EVERY = STREAM_WINDOW // 4


class Stream:
    """One streaming call; one thread or task owns it. The producer is at most `STREAM_WINDOW` items ahead."""

    def __init__(
        self,
        connection: Connection,
        call_id: str,
        function_id: str,
        method: str,
        data: bytes,
        parent: str | None,
        traced: CallSpan | None,
    ) -> None:
        self.call_id = call_id
        self._traced = traced
        self._connection = connection
        self._items: deque[bytes] = deque()
        self._end: InputEnd | None = None
        self._lost: Exception | None = None
        self._taken = 0
        self._waiter: Waiter[None] | None = None
        connection.open_call(self.call_id, self)
        inputs = [NewInput(0, data)]
        connection.submit(call_id, function_id, CallKind.STREAM, method, inputs, parent, header(traced))

    # --- the sink, on the I/O thread --------------------------------------------------------------------------------

    def items(self, items: list[bytes]) -> None:
        self._items.extend(items)
        self._wake()

    def ended(self, ended: list[InputEnd]) -> None:
        self._end = ended[0]
        self._wake()

    def lost(self, error: Exception) -> None:
        self._lost = error
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None:
            self._waiter.set(None)

    # --- the consumer -----------------------------------------------------------------------------------------------

    def take(self) -> Iterator[Any]:
        """The items that are there."""
        items = self._items
        while items:
            # A quarter of the window at a time: the producer never stands still for want of an acknowledgement on its way.
            self._taken += 1
            if self._taken % ACK_EVERY == 0 and self._end is None:
                self._connection.ack_items(self.call_id, ACK_EVERY)
            yield payload.loads(items.popleft(), "an item")

    def wait_item(self) -> Steps[bool]:
        """Wait until an item is there; False at the end. Raises what the generator raised, after its last item."""
        while not self._items:
            if self._end is not None:
                if not self._items:
                    yield from own_cancellation_first(self._end)
                    result_of(self._end)
                    return False
            elif self._lost is not None:
                raise self._lost
            else:
                self._waiter = Waiter()
                # Looked at once more: what came before the waiter was there has woken nobody.
                if not self._items and self._end is None and self._lost is None:
                    yield self._waiter
                self._waiter = None
        return True

    def close(self) -> None:
        """The consumer is through; a generator still running is cancelled. Idempotent."""
        self._connection.close_call(self.call_id, cancel=self._end is None and self._lost is None)
        if self._traced is not None:
            self._traced.end(self._end or self._lost)
