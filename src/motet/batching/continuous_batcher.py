"""Continuous batching: a thread that runs the user's `step` over whatever inputs are in flight, a new batch each time."""

from __future__ import annotations

import atexit
import contextvars
import threading
from collections.abc import Callable, Sequence
from functools import partial
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from motet.batching.in_flight import Answer, BatcherStats, BatchInFlight, Member
from motet.batching.member_stream import MemberOutputs, MemberStream
from motet.batching.scheduler import BatchLimits
from motet.client.gate import shield_cancellation
from motet.errors import ExecutionError, InvalidError

T = TypeVar("T")
Y = TypeVar("Y")

CLOSED = "this ContinuousBatcher is closed"


class ContinuousBatcher(Generic[T, Y]):
    """Runs `step` over all inputs in flight, for as long as there are any, and gives each input a stream of its outputs.

    `step(batch)` gets the `Member`s of the batch, in the order they joined, and returns one answer for each: `More`,
    `Last` or `Failed`. It runs on one thread of the batcher's own, never twice at once. Inputs that came meanwhile join
    before the next step, those that were left leave before it.

    max_batch_size, budget, max_admissions, max_overtakes: see `BatchLimits`; `BatchScheduler` says who joins when.
    max_ahead: Outputs of one input that may wait to be taken. With more, it sits out steps, in its slot, until half of them
        are taken: a slow consumer holds up nobody else, and memory is bounded.
    release: Called on that thread with each member that has left the batch, for whatever reason, once.

    If `step` or `release` raises, the inputs in the batch fail with that error; those that wait, and new ones, go on.
    Make one in an enter hook, and `close` it in an exit hook.
    """

    def __init__(
        self,
        step: Callable[[Sequence[Member[T]]], Sequence[Answer[Y]]],
        *,
        max_batch_size: int = 32,
        budget: int | None = None,
        max_admissions: int | None = None,
        max_overtakes: int = 8,
        max_ahead: int = 4096,
        release: Callable[[Member[T]], object] | None = None,
    ) -> None:
        self._limits = BatchLimits(
            max_batch_size=max_batch_size, budget=budget, max_admissions=max_admissions, max_overtakes=max_overtakes
        )
        if not isinstance(max_ahead, int) or isinstance(max_ahead, bool) or max_ahead < 1:
            raise InvalidError(f"`max_ahead` must be an integer of at least 1, got {max_ahead!r}")
        self._max_ahead = max_ahead
        self._in_flight: BatchInFlight[T, Y] = BatchInFlight(step, release, self._limits)
        # What the thread is to do before its next step; None ends it. The one kind of queue whose `put` may interrupt
        # itself, as when the garbage collector ends a stream in the middle of another `put`.
        self._inbox: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<ContinuousBatcher: {'closed, ' if self._closed else ''}{self.stats()}>"

    def stream(self, value: T, weight: int = 1) -> MemberStream[Y]:
        """Put an input in; its outputs, for `for` or `async for`. It runs from now on, up to `max_ahead` of them ahead.

        `weight` counts against the budget. Raises `InvalidError` if it never fits, `ExecutionError` after `close`.
        """
        self._limits.check_weight(weight)
        ticket = object()
        outputs: MemberOutputs[Y] = MemberOutputs(self._max_ahead)
        with shield_cancellation(), self._lock:
            if self._closed:
                raise ExecutionError(f"{CLOSED}: it takes no more inputs")
            self._start()
            self._inbox.put(partial(self._in_flight.add, ticket, value, weight, outputs))
        in_flight, put = self._in_flight, self._inbox.put
        return MemberStream(
            outputs, partial(put, partial(in_flight.leave, ticket)), partial(put, partial(in_flight.resume, ticket))
        )

    def stats(self) -> BatcherStats:
        """How it stands, seen from any thread: numbers may be a step apart."""
        return self._in_flight.stats()

    def close(self, timeout: float = 10.0) -> None:
        """Take no more inputs, let the step that runs end, and end what is in flight with `ExecutionError`. Idempotent.

        Waits for that for at most `timeout` seconds.
        """
        with self._lock:
            if not self._closed:
                self._closed = True
                self._inbox.put(None)
        atexit.unregister(self.close)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)

    def __enter__(self) -> ContinuousBatcher[T, Y]:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="motet-batcher", daemon=True)
            # In an empty context: the thread works for all inputs, not for the one that happened to be the first.
            contextvars.Context().run(self._thread.start)
            # An interpreter that ends while a step is in native code may crash: it waits for that step.
            atexit.register(self.close)

    def _run(self) -> None:
        ran = False
        while self._take_messages(wait=not ran):
            ran = self._in_flight.step()
        self._in_flight.fail_all(ExecutionError(f"{CLOSED}: it was while this input was in flight"))

    def _take_messages(self, *, wait: bool) -> bool:
        """Do what came since the last step; `wait` for something first. False once it is closed."""
        while True:
            try:
                # No deadline: with nothing to run, there is nothing to do until something comes, if only `close`.
                message = self._inbox.get(block=wait)
            except Empty:
                return True
            if message is None:
                return False
            message()
            wait = False
