"""The inputs of one call on their way: while the first wait to be sent, those that come meanwhile join them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from motet.model.outcome import CallKind, NewInput
from motet.wire.client_messages import SubmitInputs

MOST = 128
"""Inputs in one message."""


class Outgoing:
    """One thread appends to `inputs`, and announces it to the connection if it is not; whoever sends takes all that are there.

    No lock is needed: what is appended before `take` has cleared the mark is taken, and what comes after it is announced.
    """

    __slots__ = ("_call_id", "_function_id", "_kind", "_method", "_parent", "_trace", "inputs", "is_announced")

    def __init__(
        self, call_id: str, function_id: str, kind: CallKind, method: str, parent: str | None, trace: str
    ) -> None:
        self._call_id = call_id
        self._function_id = function_id
        self._kind = kind
        self._method = method
        self._parent = parent
        self._trace = trace
        self.inputs: deque[NewInput] = deque()
        self.is_announced = False

    def take(self) -> Iterator[SubmitInputs]:
        """Messages with those that are there, if any."""
        self.is_announced = False
        inputs = self.inputs
        while inputs:
            taken = [inputs.popleft()]
            while inputs and len(taken) < MOST:
                taken.append(inputs.popleft())
            yield SubmitInputs(
                self._call_id, self._function_id, self._kind, self._method, taken, self._parent, self._trace
            )
