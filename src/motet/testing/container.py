"""A container in this process: speaks the wire to a server, and runs user code on the virtual loop."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from contextvars import Context, copy_context
from functools import partial
from typing import Any, Protocol, TypeVar, cast

from motet.backends.base import Launch
from motet.client.gate import Gate
from motet.errors import InputCancellation, UnimplementedError
from motet.model.function import FunctionSpec, MethodSpec
from motet.model.outcome import AttemptEnd, Delivery, OutcomeKind
from motet.runtime.attempts import batch
from motet.runtime.attempts.attempt import RunningAttempt
from motet.runtime.attempts.outcomes import describe_start_failure, failed
from motet.runtime.attempts.streams import StreamWindow
from motet.runtime.attempts.ways import way_of
from motet.runtime.attribution.input_contexts import InputContexts
from motet.runtime.loading.loader import Hook, Service, load
from motet.runtime.sender import Sender
from motet.runtime.slots import Slots
from motet.testing.attempts import AttemptLog
from motet.testing.pipe import Pipe
from motet.testing.stepped import SteppedThread, current_stepped
from motet.testing.virtual_loop import VirtualLoop
from motet.wire import codec
from motet.wire import container_messages as m
from motet.wire.hello import Hello
from motet.wire.message import Message

T = TypeVar("T")
LOST_SERVER = 69


class ContainerOwner(Protocol):
    """Where a container runs."""

    attempts: AttemptLog

    def connect(self, role: str, receive: Callable[[memoryview], None], closed: Callable[[], None]) -> Pipe: ...

    def configured(self, configuration: m.Configure) -> None: ...

    def end(self, container_id: str, code: int) -> None: ...


class _Vanished(BaseException):
    """Unwinds sync code of a container that is gone. (A real one takes its threads with it without a word.)"""


class _ParkingWindow(StreamWindow):
    """For a sync generator: parks its thread instead of blocking it."""

    def __init__(self) -> None:
        super().__init__()
        self._unpark: Callable[[], object] | None = None

    def grant(self, count: int) -> None:
        super().grant(count)
        if self._unpark is not None:
            unpark, self._unpark = self._unpark, None
            unpark()

    def take(self) -> None:
        thread = current_stepped()
        while self._credit <= 0 and thread is not None:
            thread.park(until=self._keep)
        super().take()

    def _keep(self, unpark: Callable[[], object]) -> None:
        self._unpark = unpark


class WorldContainer:
    """One container of a `World`: what a test may look at and point to.

    `host` is the name of the machine that it is on, `function` the name of the function it serves ("" until it has been told),
    `state` "starting", "ready", "stopping" or "ended", and `running` how many attempts it holds.
    """

    def __init__(self, launch: Launch, loop: VirtualLoop, place: ContainerOwner) -> None:
        self.container_id = launch.container_id
        self.host = "host-1"
        self.function = ""
        self.state = "starting"
        self._launch = launch
        self._loop = loop
        self._place = place
        self._spec: FunctionSpec | None = None
        self._service = Service({}, [], [])
        self._slots = Slots(1)
        self._stop_asked = asyncio.Event()
        self._context = copy_context()
        self._contexts: InputContexts | None = None
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._threads: dict[int, SteppedThread] = {}
        self._windows: dict[int, StreamWindow] = {}
        self.pipes: dict[str, Pipe] = {}
        """Its connections, by role."""

    def __repr__(self) -> str:
        return f"<WorldContainer {self.container_id} of {self.function}: {self.state}, {self.running} running>"

    @property
    def running(self) -> int:
        return len(self._slots)

    # --- its life -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Connect; the rest follows from what the server says."""
        if self.state == "ended":
            return
        for role, receive in (("executor", self._on_executor), ("control", self._on_control)):
            pipe = self.pipes[role] = self._place.connect(role, receive, self._lost_server)
            pipe.send(Hello(cast(Any, role), self._launch.token, self.container_id))

    def preempt(self) -> None:
        """It is told to end, and tells the server."""
        self._send(m.StopDelivering(preempted=True))

    def vanish(self) -> None:
        """It is gone, with all it ran; its connections end."""
        self.state = "ended"
        for pipe in self.pipes.values():
            pipe.close()
        for task in list(self._tasks.values()):
            task.cancel()
        for thread in list(self._threads.values()):
            self._loop.call_soon(thread.throw, _Vanished(), context=Context())

    def _lost_server(self) -> None:
        if self.state != "ended":
            self._end(LOST_SERVER)

    def _end(self, code: int) -> None:
        if self.state != "ended":
            self._place.end(self.container_id, code)

    def _send(self, message: Message) -> None:
        if self.state != "ended":
            self.pipes["executor"].send(message)

    async def _begin(self, spec: FunctionSpec) -> None:
        self._spec, self.function = spec, spec.name
        self._slots = Slots(spec.concurrency.max_inputs)
        phase: Any = "loading"
        try:
            self._service = load(spec)
            if spec.batching is not None:
                methods = self._service.methods
                self._service.methods = {it.name: batch.Batched(it, methods[it.name]) for it in spec.methods}
            phase = "entering"
            await self._run_hooks(self._service.enter)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._send(m.StartFailed(phase, describe_start_failure(error)))
            self._end(1)
            return
        if self.state == "starting":
            self.state = "ready"
            self._contexts = InputContexts(self._context)
            self._send(m.Ready())
            await self._stop_asked.wait()
            await self._exit()

    async def _run_hooks(self, hooks: list[Hook]) -> None:
        for hook in hooks:
            if inspect.iscoroutinefunction(getattr(hook, "func", hook)):
                await hook()
            else:
                await self._on_thread(-1, partial(self._context.run, hook))

    def _stop(self) -> None:
        """End what runs; exit hooks run in the task of the enter hooks, if these have been run."""
        if self.state in ("stopping", "ended"):
            return
        entered = self.state == "ready"
        self.state = "stopping"
        self._stop_asked.set()
        self._cancel(list(self._slots_held()))
        if not entered:
            self._end(0)

    async def _exit(self) -> None:
        while self._tasks.keys() - {0}:
            await asyncio.wait([task for number, task in self._tasks.items() if number])
        code = 0
        try:
            await self._run_hooks(self._service.exit)
        except Exception as error:
            describe_start_failure(error)
            code = 1
        self._end(code)

    # --- what the server says -----------------------------------------------------------------------------------------

    def _on_executor(self, frame: memoryview) -> None:
        if self.state == "ended":
            return
        for message in codec.decode_to_executor(frame):
            if isinstance(message, m.Configure):
                self._configured(message)
                self._place.configured(message)
                self._task(0, self._begin(message.spec), self._context)
            elif isinstance(message, m.Deliver):
                for delivery in message.attempts:
                    self._run(delivery)
            elif isinstance(message, m.DeliverBatched):
                self._run(batch.batch_of(message.attempts))

    def _configured(self, message: m.Configure) -> None:
        """It learns what it serves."""

    def _on_control(self, frame: memoryview) -> None:
        if self.state == "ended":
            return
        for message in codec.decode_to_control(frame):
            self._hear(message)

    def _hear(self, message: object) -> None:
        if isinstance(message, m.AckAttemptItems):
            window = self._windows.get(message.attempt)
            if window is not None:
                window.grant(message.count)
        elif isinstance(message, m.Cancel):
            self._cancel(message.attempts)
        elif isinstance(message, m.AskStandstill):
            self._send(m.StoodStill(0.0))
        elif isinstance(message, m.Stop):
            self._stop()

    def _slots_held(self) -> list[int]:
        return [number for number in self._tasks if number]

    def _cancel(self, attempts: list[int]) -> None:
        for attempt in attempts:
            if self._slots.cancel(attempt):
                thread = self._threads.get(attempt)
                if thread is not None:
                    thread.throw(InputCancellation("Input was cancelled"))
                else:
                    self._tasks[attempt].cancel()

    # --- running ------------------------------------------------------------------------------------------------------

    def _run(self, delivery: Delivery) -> None:
        if self._slots.take(delivery.attempt):
            cancelled = failed if self._spec is None or self._spec.batching is None else batch.failed_batch
            self._finish(delivery, cancelled(delivery, asyncio.CancelledError()))
            return
        assert self._contexts is not None
        members = delivery.members if isinstance(delivery, batch.BatchDelivery) else [delivery]
        self._place.attempts.began(self.function, self.container_id, self.host, members, self._loop.time())
        self._task(delivery.attempt, self._attempt(delivery), self._contexts.new())

    async def _attempt(self, delivery: Delivery) -> None:
        try:
            end = await self._outcome(delivery)
        finally:
            self._slots.release(delivery.attempt)
            self._windows.pop(delivery.attempt, None)
        self._finish(delivery, end)

    def _finish(self, delivery: Delivery, end: AttemptEnd) -> None:
        self._slots.release(delivery.attempt)
        ends = end.members if isinstance(end, batch.BatchEnd) else [end]
        if self.state != "ended":
            self._place.attempts.ended(self.container_id, ends, self._loop.time())
            self._have_ended(ends)
        self._send(m.Finished(ends))

    def _have_ended(self, ends: list[AttemptEnd]) -> None:
        """These are the outcomes that it has to offer."""

    async def _outcome(self, delivery: Delivery) -> AttemptEnd:
        assert self._spec is not None
        method: MethodSpec = next(it for it in self._spec.methods if it.name == delivery.method)
        if method.web is not None:
            raise UnimplementedError(
                "web functions do not run in motet.testing; call the app itself with its own test client"
            )
        call = self._service.methods[delivery.method]
        sender = cast(Sender, _ItemSender(self._send))
        batched = self._spec.batching is not None
        window = (StreamWindow() if method.is_async else _ParkingWindow()) if method.is_generator else None
        gate = None if method.is_async else Gate()
        fail = partial(self._failed, batch.failed_batch if batched else failed)
        attempt = RunningAttempt(call, delivery, gate, sender, window, self._slots.cancelled, fail)
        if window is not None:
            self._windows[delivery.attempt] = window
        way = way_of(method, batched=batched)
        end: AttemptEnd = await (
            way(attempt) if method.is_async else self._on_thread(delivery.attempt, partial(way, attempt))
        )
        return end

    def _failed(
        self, fail: Callable[..., AttemptEnd], delivery: Delivery, error: BaseException, cancelled: bool = False
    ) -> AttemptEnd:
        if self.state == "ended":  # it was killed: nobody is there to be told
            return AttemptEnd(delivery.attempt, OutcomeKind.CANCELLED, b"")
        return fail(delivery, error, cancelled)

    async def _on_thread(self, number: int, call: Callable[[], T]) -> T:
        """Run sync code where it may park. Its result, or what it raised."""
        over: asyncio.Future[T] = self._loop.create_future()

        def work() -> None:
            try:
                result = call()
            except BaseException as error:
                if not over.done():
                    over.set_exception(error if isinstance(error, Exception) else RuntimeError(repr(error)))
            else:
                if not over.done():
                    over.set_result(result)

        thread = self._threads[number] = SteppedThread(self._loop, work)
        # Not from within this task: nothing may run in the name of a task while another one is in progress.
        self._loop.call_soon(thread.start)
        try:
            return await over
        finally:
            self._threads.pop(number, None)

    def _task(self, number: int, steps: Any, context: Context) -> None:
        task = self._tasks[number] = self._loop.create_task(steps, context=context)
        task.add_done_callback(partial(self._ended, number))

    def _ended(self, number: int, task: asyncio.Task[None]) -> None:
        if self._tasks.get(number) is task:
            del self._tasks[number]
        if not task.cancelled() and (error := task.exception()) is not None and self.state != "ended":
            self._loop.call_exception_handler({"message": "a container's task failed", "exception": error})
            self._end(1)


class _ItemSender:
    """The part of a sender that one stream uses: each item leaves at once."""

    def __init__(self, send: Callable[[Message], None]) -> None:
        self.queue = send
        self.streaming_tasks = 0

    def flush(self) -> None:
        """Nothing is kept."""
