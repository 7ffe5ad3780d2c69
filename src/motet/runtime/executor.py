"""Runs attempts in slots: sync ones on the main thread or on threads, async ones as tasks on one loop."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from motet.client.gate import Gate
from motet.errors import InternalError
from motet.model.function import FunctionSpec, MethodSpec
from motet.model.outcome import AttemptEnd, Delivery
from motet.runtime.attempts.attempt import Fail, ItemWindow, RunningAttempt
from motet.runtime.attempts.batch import Batched, BatchEnd, batch_of, failed_batch
from motet.runtime.attempts.outcomes import failed
from motet.runtime.attempts.streams import StreamWindow
from motet.runtime.attempts.ways import Way, way_of
from motet.runtime.attribution.input_contexts import InputContexts
from motet.runtime.cancellation.canceller import Canceller
from motet.runtime.kept_attempts import KeptAttempts
from motet.runtime.loading.loader import Service
from motet.runtime.local_limit import LocalLimit
from motet.runtime.output.raw_writers import RawWriters
from motet.runtime.sender import Sender
from motet.runtime.slot_threads import SlotThreads
from motet.runtime.slots import Slots
from motet.runtime.spans import AttemptSpans
from motet.runtime.stalls.hold import Hold
from motet.runtime.stalls.watchdog import Watchdog
from motet.runtime.web.app import serve
from motet.runtime.web.request import WebRequest
from motet.wire.container_messages import Blocked, Held, StopDelivering


class _Method(NamedTuple):
    """How inputs of one method run."""

    spec: MethodSpec
    call: Callable[..., Any]
    way: Way


class Executor:
    """Takes deliveries on the main thread and sees that each ends in exactly one outcome.

    How an input runs depends on its method and on `max_inputs`: async as a task on `loop`; sync on a thread of its own
    if there may be others beside it; sync and alone on the main thread, where signals reach it, outside any running
    loop: `run_main` then hands it to whoever owns the main thread. `on_idle` is called on the loop when its last task has
    ended. Each input runs in a copy of `context`. `raw_writers` is asked to look around whenever the container has no input.
    `kept`: what attempts are noted in, if the container may come back to another server.
    """

    def __init__(
        self,
        spec: FunctionSpec,
        service: Service,
        sender: Sender,
        loop: asyncio.AbstractEventLoop | None,
        run_main: Callable[[Callable[[], None]], None],
        on_idle: Callable[[], None],
        raw_writers: RawWriters | None = None,
        context: contextvars.Context | None = None,
        kept: KeptAttempts | None = None,
    ) -> None:
        batched = spec.batching is not None  # all of its deliveries are batches
        self._methods = {method.name: _method(method, service.methods[method.name], batched) for method in spec.methods}
        self._fail: Fail = failed_batch if batched else failed
        self._send = self._send_batch if batched else self._send_one
        self._parts: list[Delivery] = []
        self._alone = spec.concurrency.max_inputs == 1
        self._sender = sender
        self._kept = kept
        self._loop = loop
        self._run_main = run_main
        self._on_idle = on_idle
        self._raw_writers = raw_writers
        self._slots = Slots(spec.concurrency.max_inputs)
        self._ready_at = time.monotonic() if loop is None else loop.time()
        self._attempts: dict[int, RunningAttempt] = {}
        self._threads: SlotThreads[RunningAttempt] = SlotThreads(self._on_thread, spec.concurrency.max_inputs)
        self._contexts = InputContexts(context or contextvars.copy_context())
        self._spans = AttemptSpans.wanted(spec)
        self._hold: Hold | None = None
        self._seen = 0
        self.watchdog: Watchdog | None = None
        """Woken by deliveries, if there is one."""
        self.limit = LocalLimit(spec.concurrency.max_inputs)
        """May be lowered by the user's code."""
        self.canceller = Canceller(self._slots, self._attempts, self.limit, loop)
        if not all(method.is_async for method in spec.methods):
            self.canceller.install()

    @property
    def held(self) -> int:
        """How many attempts run here."""
        return len(self._slots)

    @property
    def input_concurrency(self) -> int:
        """How many may run at once now; more while those end that ran when it was lowered."""
        return max(self.limit.value, self.limit.running(self.held))

    # --- deliveries, on the main thread -----------------------------------------------------------------------------

    def deliver(self, deliveries: Sequence[Delivery]) -> None:
        """Start these attempts."""
        self._seen = deliveries[-1].attempt  # before looking: whoever sets a hold looks afterwards
        if self._hold is not None:
            deliveries = self._without_given_back(deliveries)
        for delivery in deliveries:
            if self._kept is not None and not self._kept.began(delivery):
                continue
            spec, call, _ = self._methods[delivery.method]
            gate = None if spec.is_async else Gate()
            window = self._window(spec, delivery) if spec.is_generator or spec.web is not None else None
            attempt = RunningAttempt(call, delivery, gate, self._sender, window, self._slots.cancelled, self._fail)
            # Before the slot: once that is taken, a cancellation may come.
            self._attempts[delivery.attempt] = attempt
            if self._slots.take(delivery.attempt) and gate is not None:  # a task looks by itself
                gate.ask()
            if gate is None:
                assert self._loop is not None
                # Not by the loop's task factory: one of the user's may run a task before it is known here.
                attempt.task = asyncio.Task(self._in_task(attempt), loop=self._loop, context=self._contexts.new())
            elif self._alone:
                self._run_main(partial(self._on_thread, attempt))
            else:
                self._threads.submit(attempt)
        if self.watchdog is not None and self.watchdog.asleep:
            self.watchdog.wake()

    def _without_given_back(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        assert self._hold is not None
        parts = self._hold.parted(deliveries)
        for delivery in parts[True]:
            now = time.monotonic()
            self._send(self._fail(delivery, asyncio.CancelledError(), True), now, now)
        self._sender.flush()
        return parts[False]

    def hold(self) -> Blocked:
        """The event loop does not turn: give back what has not begun, and what is on its way. On the watchdog's thread."""
        hold = Hold()
        with hold.lock:
            self._hold = hold
            running = list(self._attempts.items())  # in one step: the loop's thread goes on
            hold.take(self._seen, [(number, it.task) for number, it in running if it.task is not None])
        return Blocked(hold.seen, sorted(hold.given_back))

    def resume(self) -> None:
        """What comes from now on is to run. (What was here and is given back has ended before this could be read.)"""
        self._hold = None

    def hold_on(self) -> tuple[Held, list[AttemptEnd]]:
        """The server is gone: what there is to say to the next one, with the outcomes that are kept. What cannot go on there is
        cancelled: what was given back, and what has a consumer whom its items do not reach any more. On the control thread."""
        hold, self._hold = self._hold, None
        lost = [] if hold is None else sorted(hold.given_back)
        cut = [number for number, it in list(self._attempts.items()) if it.window is not None]
        assert self._kept is not None
        # Those that were cancelled before have ended for the server that is gone.
        self._kept.cut_off(number for number in cut if not self._slots.cancelled(number))
        self.canceller.cancel([*lost, *cut])
        running, ended, ends = self._kept.cut(self._slots.cancelled)
        return Held(running, ended, self.limit.value if self.limit.was_lowered else 0), ends

    def reopen(self) -> None:
        """What comes from now on comes from another server. On the thread that takes deliveries."""
        self._parts.clear()  # the rest of a batch that the one before was sending does not come any more
        if self._kept is not None:
            self._kept.reopen()

    def acknowledged(self, attempts: Sequence[int]) -> None:
        """The callers of these attempts have their outcomes."""
        if self._kept is not None:
            self._kept.acknowledged(attempts)

    def stood_still(self, seconds: float) -> None:
        """Nothing ran here for so long, whatever the clock says."""
        if self._kept is not None:
            self._kept.stood_still(seconds)

    def deliver_batch(self, members: list[Delivery], more: bool) -> None:
        """Start these attempts as a batch, together with what came before as parts of it; not yet, if `more` of it comes."""
        self._parts += members
        if not more:
            whole, self._parts = self._parts, []
            self.deliver([batch_of(whole)])

    def feed(self, attempt: int, items: list[bytes]) -> None:
        """Pieces of a request came for an attempt."""
        running = self._attempts.get(attempt)
        if running is not None and isinstance(running.window, WebRequest):
            running.window.feed(items)

    def grant(self, attempt: int, count: int) -> None:
        """The consumer of a stream took items."""
        running = self._attempts.get(attempt)
        if running is not None and running.window is not None:
            running.window.grant(count)

    # --- the two ways to run ------------------------------------------------------------------------------------------

    async def _in_task(self, attempt: RunningAttempt) -> None:
        delivery = attempt.delivery
        number = delivery.attempt
        if self.limit.was_lowered and (turn := self.limit.turn_of(number, self.held)) is not None:
            with contextlib.suppress(asyncio.CancelledError):  # its end is made below
                await turn.wait_async()
            self.limit.give_up(number)
        began = time.monotonic()
        try:
            span = None if self._spans is None else self._spans.begin(attempt)
            if self._slots.cancelled(number) or (self._hold is not None and self._hold.has(number)):
                end = attempt.fail(delivery, asyncio.CancelledError(), True)  # before there was a task to cancel
            else:
                end = await self._methods[delivery.method].way(attempt)
            if self._spans is not None and span is not None:
                self._spans.end(span, end)
        except BaseException as error:
            end = self._without_outcome(attempt, error)
        del self._attempts[number]
        self._finish(end, began, own_tasks=2)
        if not self._slots:
            self._sender.flush()
            self._on_idle()
        else:
            # Others may end in this turn of the loop too: one write for all of them.
            self._sender.flush_soon(asyncio.get_running_loop())

    def _on_thread(self, attempt: RunningAttempt) -> None:
        delivery, gate = attempt.delivery, attempt.gate
        assert gate is not None
        gate.enter()
        if self.limit.was_lowered and (turn := self.limit.turn_of(delivery.attempt, self.held)) is not None:
            turn.wait()
        began = time.monotonic()
        try:
            way = self._methods[delivery.method].way if self._spans is None else self._run_in_span
            # A context of its own: what one input sets in a context variable is not there for the next one on this thread.
            end = self._contexts.new().run(way, attempt)
        except BaseException as error:
            end = self._without_outcome(attempt, error)
        gate.leave()
        if gate.harm is not None:
            self._retire(gate.harm)
        self._finish(end, began)
        self._sender.flush()
        # Last: who stops the container waits until its outcome is on its way.
        del self._attempts[delivery.attempt]
        if self.canceller.is_stopping:
            self.canceller.look()

    def _retire(self, harm: str) -> None:
        """An attempt was interrupted where it may have broken something that all inputs here use: no more come here."""
        print(
            f"motet: a cancelled input was interrupted at {harm}, where it may have left a lock taken or a module half "
            "imported. This container takes no more inputs, and ends after those it has.",
            file=sys.stderr,
            flush=True,
        )
        self._sender.drains = True
        self._sender.queue(StopDelivering())

    def _without_outcome(self, attempt: RunningAttempt, error: BaseException) -> AttemptEnd:
        """The end of an attempt whose outcome could not be made: an input without an end would keep its slot for good."""
        with contextlib.suppress(BaseException):
            traceback.print_exc()
        told = InternalError(f"no outcome could be made: {type(error).__name__} came instead")
        return self._fail(attempt.delivery, told, False)

    def _run_in_span(self, attempt: RunningAttempt) -> AttemptEnd:
        assert self._spans is not None
        span = self._spans.begin(attempt)
        end: AttemptEnd = self._methods[attempt.delivery.method].way(attempt)
        self._spans.end(span, end)
        return end

    def _window(self, method: MethodSpec, delivery: Delivery) -> ItemWindow:
        if method.web is None:
            return StreamWindow()
        assert self._loop is not None
        return WebRequest(delivery, self._sender, self._loop, self._ready_at)

    def _finish(self, end: AttemptEnd, began: float, own_tasks: int = 1) -> None:
        """`own_tasks` of ours are on the loop at this moment: one that serves, and the one that calls this."""
        self._slots.release(end.attempt)
        if self.limit.was_lowered:
            self.limit.look(self.held)
        if self._raw_writers is not None and not self._slots:
            self._raw_writers.look(own_tasks)
        self._send(end, began, time.monotonic())

    def _send_one(self, end: AttemptEnd, began: float, finished: float) -> None:
        ended = AttemptEnd(end.attempt, end.kind, end.payload, began, finished)
        if self._kept is not None:
            self._kept.ended(ended)
        self._sender.finish(ended)

    def _send_batch(self, end: AttemptEnd, began: float, finished: float) -> None:
        assert isinstance(end, BatchEnd)
        for member in end.members:
            self._send_one(member, began, finished)


def _method(spec: MethodSpec, call: Callable[..., Any], batched: bool) -> _Method:
    way = serve if spec.web is not None else way_of(spec, batched=batched)
    return _Method(spec, Batched(spec, call) if batched else call, way)
