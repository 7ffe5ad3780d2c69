"""Runs attempts in slots: sync ones on the main thread or on threads, async ones as tasks on one loop."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import sys
import threading
import time
import traceback
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from motet.client.gate import Gate
from motet.errors import InternalError
from motet.model.function import FunctionSpec, MethodSpec
from motet.model.outcome import AttemptEnd, Delivery
from motet.runtime.attempt import Cancelled, failed, run_async, run_sync, stream_async, stream_sync
from motet.runtime.batch import Batched, BatchEnd, batch_of, failed_batch, run_batch, run_batch_async
from motet.runtime.hold import Hold
from motet.runtime.input_contexts import InputContexts
from motet.runtime.interrupter import Interrupter
from motet.runtime.loader import Service
from motet.runtime.local_limit import LocalLimit
from motet.runtime.raw_writers import RawWriters
from motet.runtime.sender import Sender
from motet.runtime.slots import Slots
from motet.runtime.spans import AttemptSpans
from motet.runtime.streams import StreamWindow
from motet.runtime.threads import SlotThreads
from motet.runtime.watchdog import Watchdog
from motet.runtime.web.app import WebApp
from motet.runtime.web.request import WebRequest
from motet.wire.container_messages import Blocked, StopDelivering

Method = tuple[MethodSpec, Callable[..., Any]]
RunSync = Callable[[Callable[..., Any], Delivery, Gate, Cancelled], AttemptEnd]
RunAsync = Callable[[Callable[..., Any], Delivery, Cancelled], Coroutine[Any, Any, AttemptEnd]]
Failed = Callable[[Delivery, BaseException, bool], AttemptEnd]


class Executor:
    """Takes deliveries on the main thread and sees that each ends in exactly one outcome.

    How an input runs depends on its method and on `max_inputs`: async as a task on `loop`; sync on a thread of its own
    if there may be others beside it; sync and alone on the main thread, where signals reach it, outside any running
    loop: `run_main` then hands it to whoever owns the main thread. `on_idle` is called on the loop when its last task has
    ended. Each input runs in a copy of `context`. `raw_writers` is asked to look around whenever the container has no input.
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
    ) -> None:
        self._methods: dict[str, Method] = {m.name: (m, service.methods[m.name]) for m in spec.methods}
        self._run_sync: RunSync = run_sync
        self._run_async: RunAsync = run_async
        self._failed: Failed = failed
        self._send = self._send_one
        if spec.batching is not None:  # all of its deliveries are batches
            self._methods = {name: (method, Batched(method, call)) for name, (method, call) in self._methods.items()}
            self._run_sync, self._run_async, self._failed = run_batch, run_batch_async, failed_batch
            self._send = self._send_batch
        self._parts: list[Delivery] = []
        self._alone = spec.concurrency.max_inputs == 1
        self._sender = sender
        self._loop = loop
        self._run_main = run_main
        self._on_idle = on_idle
        self._raw_writers = raw_writers
        self._slots = Slots(spec.concurrency.max_inputs)
        self._windows: dict[int, StreamWindow | WebRequest] = {}
        self._ready_at = time.monotonic() if loop is None else loop.time()
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._gates: dict[int, Gate] = {}
        self._gates_gone: threading.Event | None = None
        self._interrupter = Interrupter()
        self._threads: SlotThreads[Delivery] = SlotThreads(self._on_thread, spec.concurrency.max_inputs)
        self._contexts = InputContexts(context or contextvars.copy_context())
        self._spans = AttemptSpans.wanted(spec)
        self._hold: Hold | None = None
        self._seen = 0
        self.watchdog: Watchdog | None = None
        """Woken by deliveries, if there is one."""
        self.limit = LocalLimit(spec.concurrency.max_inputs)
        """May be lowered by the user's code."""
        if not all(method.is_async for method in spec.methods):
            self._interrupter.install()

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
            method, _ = self._methods[delivery.method]
            gate = None
            if not method.is_async:
                # Before the slot: once that is taken, a cancellation may come.
                gate = self._gates[delivery.attempt] = Gate()
            if self._slots.take(delivery.attempt) and gate is not None:  # a task looks by itself
                gate.ask()
            if method.web is not None:
                assert self._loop is not None
                self._windows[delivery.attempt] = WebRequest(delivery, self._sender, self._loop, self._ready_at)
            elif method.is_generator:
                self._windows[delivery.attempt] = StreamWindow()
            if method.is_async:
                assert self._loop is not None
                # Not by the loop's task factory: one of the user's may run a task before it is known here.
                self._tasks[delivery.attempt] = asyncio.Task(
                    self._in_task(delivery), loop=self._loop, context=self._contexts.new()
                )
            elif self._alone:
                self._run_main(lambda delivery=delivery: self._on_thread(delivery))  # type: ignore[misc]
            else:
                self._threads.submit(delivery)
        if self.watchdog is not None and self.watchdog.asleep:
            self.watchdog.wake()

    def _without_given_back(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        assert self._hold is not None
        parts = self._hold.parted(deliveries)
        for delivery in parts[True]:
            now = time.monotonic()
            self._send(self._failed(delivery, asyncio.CancelledError(), True), now, now)
        self._sender.flush()
        return parts[False]

    def hold(self) -> Blocked:
        """The event loop does not turn: give back what has not begun, and what is on its way. On the watchdog's thread."""
        hold = Hold()
        with hold.lock:
            self._hold = hold
            hold.take(self._seen, list(self._tasks.items()))
        return Blocked(hold.seen, sorted(hold.given_back))

    def resume(self) -> None:
        """What comes from now on is to run. (What was here and is given back has ended before this could be read.)"""
        self._hold = None

    def deliver_batch(self, members: list[Delivery], more: bool) -> None:
        """Start these attempts as a batch, together with what came before as parts of it; not yet, if `more` of it comes."""
        self._parts += members
        if not more:
            whole, self._parts = self._parts, []
            self.deliver([batch_of(whole)])

    def feed(self, attempt: int, items: list[bytes]) -> None:
        """Pieces of a request came for an attempt."""
        request = self._windows.get(attempt)
        if isinstance(request, WebRequest):
            request.feed(items)

    def grant(self, attempt: int, count: int) -> None:
        """The consumer of a stream took items."""
        window = self._windows.get(attempt)
        if window is not None:
            window.grant(count)

    # --- the three ways to run ----------------------------------------------------------------------------------------

    async def _in_task(self, delivery: Delivery) -> None:
        if self.limit.is_lowered and (turn := self.limit.turn_of(delivery.attempt, self.held)) is not None:
            with contextlib.suppress(asyncio.CancelledError):  # its end is made below
                await turn.wait_async()
            self.limit.give_up(delivery.attempt)
        began = time.monotonic()
        _, call = self._methods[delivery.method]
        window = self._windows.get(delivery.attempt)
        span = None if self._spans is None else self._spans.begin(delivery, window)
        cancelled = self._slots.cancelled
        try:
            if cancelled(delivery.attempt) or (self._hold is not None and self._hold.has(delivery.attempt)):
                end = self._failed(delivery, asyncio.CancelledError(), True)  # before there was a task to cancel
            elif isinstance(window, WebRequest):
                app: WebApp = call  # type: ignore[assignment]
                end = await app.serve(delivery, window, cancelled)
            elif isinstance(window, StreamWindow):
                end = await stream_async(call, delivery, window, self._sender, cancelled)
            else:
                end = await self._run_async(call, delivery, cancelled)
            if self._spans is not None and span is not None:
                self._spans.end(span, end)
        except BaseException as error:
            end = self._without_outcome(delivery, error)
        self._tasks.pop(delivery.attempt, None)
        self._finish(end, began, own_tasks=2)
        if not self._slots:
            self._sender.flush()
            self._on_idle()
        else:
            # Others may end in this turn of the loop too: one write for all of them.
            self._sender.flush_soon(asyncio.get_running_loop())

    def _on_thread(self, delivery: Delivery) -> None:
        # A context of its own: what one input sets in a context variable is not there for the next one on this thread.
        gate = self._gates[delivery.attempt]
        gate.enter()
        if self.limit.is_lowered and (turn := self.limit.turn_of(delivery.attempt, self.held)) is not None:
            turn.wait()
        began = time.monotonic()
        try:
            run = self._run_on_thread if self._spans is None else self._run_in_span
            end = self._contexts.new().run(run, delivery, gate)
        except BaseException as error:
            end = self._without_outcome(delivery, error)
        gate.leave()
        if gate.harm is not None:
            self._retire(gate.harm)
        self._finish(end, began)
        self._sender.flush()
        del self._gates[delivery.attempt]
        if self._gates_gone is not None and not self._gates:
            self._gates_gone.set()

    def _retire(self, harm: str) -> None:
        """An attempt was interrupted where it may have broken something that all inputs here use: no more come here."""
        print(
            f"motet: a cancelled input was interrupted at {harm}, where it may have left a lock taken or a module half "
            "imported. This container takes no more inputs, and ends after those it has.",
            file=sys.stderr,
            flush=True,
        )
        self._sender.queue(StopDelivering())

    def _without_outcome(self, delivery: Delivery, error: BaseException) -> AttemptEnd:
        """The end of an attempt whose outcome could not be made: an input without an end would keep its slot for good."""
        with contextlib.suppress(BaseException):
            traceback.print_exc()
        return self._failed(
            delivery, InternalError(f"no outcome could be made: {type(error).__name__} came instead"), False
        )

    def _run_in_span(self, delivery: Delivery, gate: Gate) -> AttemptEnd:
        assert self._spans is not None
        span = self._spans.begin(delivery)
        end = self._run_on_thread(delivery, gate)
        self._spans.end(span, end)
        return end

    def _run_on_thread(self, delivery: Delivery, gate: Gate) -> AttemptEnd:
        _, call = self._methods[delivery.method]
        window = self._windows.get(delivery.attempt)
        if isinstance(window, StreamWindow):
            return stream_sync(call, delivery, window, self._sender, gate, self._slots.cancelled)
        return self._run_sync(call, delivery, gate, self._slots.cancelled)

    def _finish(self, end: AttemptEnd, began: float, own_tasks: int = 1) -> None:
        """`own_tasks` of ours are on the loop at this moment: one that serves, and the one that calls this."""
        self._slots.release(end.attempt)
        if self.limit.is_lowered:
            self.limit.look(self.held)
        self._windows.pop(end.attempt, None)
        if self._raw_writers is not None and not self._slots:
            self._raw_writers.look(own_tasks)
        self._send(end, began, time.monotonic())

    def _send_one(self, end: AttemptEnd, began: float, finished: float) -> None:
        self._sender.finish(AttemptEnd(end.attempt, end.kind, end.payload, began, finished))

    def _send_batch(self, end: AttemptEnd, began: float, finished: float) -> None:
        assert isinstance(end, BatchEnd)
        for member in end.members:
            self._send_one(member, began, finished)

    # --- cancellation, on the control thread ----------------------------------------------------------------------------

    def cancel(self, attempts: Sequence[int]) -> None:
        """End these attempts if they run: `CancelledError` in a task, `InputCancellation` on a thread.

        One that waits for its thread ends when it gets it. Those that are not here, or were cancelled before, are left alone.
        """
        gates = []
        for attempt in attempts:
            if self._slots.cancel(attempt):
                task = self._tasks.get(attempt)
                if task is not None and self._loop is not None:
                    self._loop.call_soon_threadsafe(task.cancel)
                    continue
                self.limit.give_up(attempt)
                if (window := self._windows.get(attempt)) is not None:
                    window.cancel()
                if (gate := self._gates.get(attempt)) is not None:
                    gates.append(gate)
        for gate in gates:  # last: each may take a moment
            self._interrupter.interrupt(gate)

    def stop(self) -> None:
        """End everything that runs: the container is about to run its exit hooks."""
        self._gates_gone = threading.Event()
        attempts = [*self._tasks, *self._gates]
        if not self._gates:
            self._gates_gone.set()
        self.cancel(attempts)

    def wait_threads(self, patience: float) -> None:
        """After `stop`: let interrupted threads run their `finally` blocks, for `patience` seconds at most."""
        if self._gates_gone is not None:
            self._gates_gone.wait(patience)

    async def wait_tasks(self, patience: float) -> None:
        """The same for tasks, and for threads meanwhile: they may need the loop."""
        waiting: set[asyncio.Future[Any]] = set(self._tasks.values())
        if self._gates:
            waiting.add(asyncio.get_running_loop().run_in_executor(None, self.wait_threads, patience))
        if waiting:
            await asyncio.wait(waiting, timeout=patience)
