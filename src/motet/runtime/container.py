"""The life of a container: connect, load, enter, serve, exit. In a template it begins without a connection (`prepare`)."""

from __future__ import annotations

import atexit
import contextlib
import contextvars
import inspect
import os
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Literal

import msgspec

from motet.client.connection import Connection
from motet.client.gate import shield_cancellation
from motet.client.link import SocketLink
from motet.client.resuming_link import ResumingLink
from motet.client.sockets import connect, send_all
from motet.context.container import enter_container, provide
from motet.errors import ConnectionError
from motet.model.function import FunctionSpec
from motet.model.ids import split_input_id
from motet.runtime.attempts.outcomes import describe_start_failure
from motet.runtime.attribution import context_propagation, own_tasks
from motet.runtime.cancellation.keyboard_interrupts import KeyboardInterrupts
from motet.runtime.cancellation.signalled_thread import let_callers_wait
from motet.runtime.control import Control, WayBack
from motet.runtime.executor import Executor
from motet.runtime.kept_attempts import KeptAttempts
from motet.runtime.lifecycle import leaving
from motet.runtime.lifecycle.preemption import Preemption
from motet.runtime.loading import surroundings
from motet.runtime.loading.loader import Hook, Service, load, quiet_declarations
from motet.runtime.loop import paused_loop
from motet.runtime.loop.loop_choice import LoopChoice
from motet.runtime.loop.user_loop import UserLoop
from motet.runtime.output import standard_streams
from motet.runtime.output.started_processes import Processes
from motet.runtime.processes import forked_child
from motet.runtime.processes.orphans import Orphans
from motet.runtime.receivers import BlockingReceiver, LoopReceiver
from motet.runtime.sender import Sender
from motet.runtime.snapshot import Snapshot
from motet.runtime.stalls.stalls import Stall
from motet.runtime.stalls.stuck import Stuck, stuck_after
from motet.runtime.stalls.watchdog import BLOCKED_AFTER, Watchdog, blocked_after
from motet.wire import codec
from motet.wire.container_messages import (
    ClockRead,
    Configure,
    LimitInputs,
    Ready,
    StartFailed,
    StopDelivering,
    Unblocked,
)
from motet.wire.framing import FrameReader
from motet.wire.hello import Hello, Refused
from motet.wire.log_allowance import LIVE_LINES, log_rate
from motet.wire.message import Message
from motet.wire.output_messages import Stalled, Written
from motet.wire.template import Fork

LAST_ACKNOWLEDGEMENTS = 2.0
"""Seconds that a container which has been stopped stays for outcomes that their callers may not have."""


def main(fork: Fork) -> int:
    """Run a container until its server stops it or is gone. Returns its exit status. Begins in its scratch directory."""
    return _ContainerLife().begin(fork)


def prepare(configuration: bytes) -> _ContainerLife:
    """A container without a name, as far as its code can be had without a server: imported, and with the hooks run that are for
    a memory snapshot."""
    container = _ContainerLife()
    container.prepare(msgspec.msgpack.decode(configuration, type=Configure))
    return container


def _come_back(fork: Fork, role: Literal["control", "executor"]) -> socket.socket:
    return connect(fork.address, Hello(role, fork.token, fork.container_id, resumes=True))


def _read_configuration(sock: socket.socket) -> Configure:
    """The first message. The server sends no more before it is told `Ready`."""
    reader = FrameReader()
    while count := sock.recv_into(reader.buffer()):
        for frame in reader.received(count):
            message = codec.decode_to_executor(frame)[0]
            if isinstance(message, Configure):
                # At once: all moments that this container tells are of this clock, which may not be the server's.
                send_all(sock, b"".join(codec.frames((ClockRead(time.monotonic()),))))
                return message
            if isinstance(message, Refused):
                raise message.error("this container")
    raise ConnectionError("the server closed the connection before it configured this container")


def _connect_client(fork: Fork, *, survives: bool) -> Connection:
    connection = Connection()
    link = ResumingLink if survives else SocketLink
    link(fork.address, Hello("client", fork.token, fork.container_id, confirms=survives), connection)
    return connection


class _ContainerLife:
    """Made before user code is imported. `begin` it once, in the process that is the container; `prepare` it before, or not."""

    def __init__(self) -> None:
        self._spec: FunctionSpec
        self._executor_socket: socket.socket
        self._control: Control
        self._way_back: WayBack | None = None
        self._kept: KeptAttempts | None = None
        self._sender = Sender()
        self._outputs = standard_streams.install(self._sender)
        self._outputs.write_raw()
        self._own_tasks = own_tasks.OwnTasks()
        self._keyboard_interrupts = KeyboardInterrupts()
        self._loop: UserLoop | None = None
        context_propagation.install(self._outputs)
        own_tasks.hide_threads()
        self._own_tasks.install()
        self._keyboard_interrupts.install()
        let_callers_wait()
        paused_loop.install(lambda: self._loop)
        self._processes = Processes(self._outputs)
        self._processes.install()
        self._loop_choice = LoopChoice()
        self._context = contextvars.copy_context()
        self._executor: Executor | None = None
        self._blocked_after = 0.0
        self._entering = 0.0
        self._snapshot: Snapshot | None = None
        provide(self)
        quiet_declarations()

    # --- see `PreparedContainer` --------------------------------------------------------------------------------------

    def prepare(self, configuration: Configure) -> None:
        """Have the code, and what hooks for a memory snapshot make, without a server."""
        self._spec = configuration.spec
        surroundings.take_temporary_directory()
        enter_container("")
        self._snapshot = Snapshot()
        surroundings.enter_program(configuration)
        surroundings.enter_app(configuration, self._snapshot.connect)
        self._snapshot.take(configuration.spec)
        self._outputs.flush()

    @property
    def has_failed(self) -> bool:
        """The import, or a hook, has raised what the container is to tell."""
        return self._snapshot is not None and self._snapshot.failed is not None

    @property
    def obstacle(self) -> str | None:
        """What the code has done that a container must do by itself."""
        return None if self._snapshot is None else self._snapshot.obstacle

    def begin(self, fork: Fork) -> int:
        """Run the container until its server stops it or is gone. Returns its exit status."""
        surroundings.carry_name(fork.container_id)
        scratch = surroundings.take_temporary_directory()
        enter_container(fork.container_id)
        executor_socket = connect(fork.address, Hello("executor", fork.token, fork.container_id))
        control_socket = connect(fork.address, Hello("control", fork.token, fork.container_id))
        configuration = _read_configuration(executor_socket)
        if self._snapshot is None:
            surroundings.enter_program(configuration)
        else:
            self._snapshot.restore()
        surroundings.enter_workdir(configuration)
        surroundings.enter_app(configuration, lambda: _connect_client(fork, survives=configuration.survives))
        self._spec = configuration.spec
        if configuration.survives:
            self._way_back = partial(_come_back, fork)
            self._kept = KeptAttempts()
        self._connect(executor_socket, control_socket)
        # After that of the streams, so before it at the end: the last lines of all.
        atexit.register(surroundings.tell_what_goes, scratch)
        return self._run()

    def _connect(self, executor_socket: socket.socket, control_socket: socket.socket) -> None:
        for sock in (executor_socket, control_socket):
            forked_child.has_none_of(sock.fileno())
        self._executor_socket = executor_socket
        self._sender.resume(executor_socket, ())
        self._outputs.sort()
        self._processes.know_streams()
        Orphans().install()
        self._keyboard_interrupts.alone = self._spec.concurrency.max_inputs == 1
        self._control = Control(control_socket, self._sender)
        self._control.start()

    # --- see `ContainerControl` ---------------------------------------------------------------------------------------

    @property
    def input_concurrency(self) -> int:
        """How many inputs it may run at once."""
        return self._spec.concurrency.max_inputs if self._executor is None else self._executor.input_concurrency

    def set_input_concurrency(self, value: int) -> None:
        """Run at most so many inputs at once from now on; those that run go on. Not before the container serves."""
        if self._executor is None:
            raise RuntimeError("Input concurrency can be set in functions, and not while the container starts.")
        self._executor.limit.change(value, self._executor.held)
        with shield_cancellation():
            self._sender.send(LimitInputs(self._executor.limit.value))

    def stop_fetching_inputs(self) -> None:
        """Take no more inputs; finish those held, then end. Idempotent."""
        self._sender.drains = True
        with shield_cancellation():
            self._sender.send(StopDelivering())

    # --- its life -----------------------------------------------------------------------------------------------------

    def _run(self) -> int:
        service = self._start("loading", self._load)
        if service is None:
            return 1
        began = time.monotonic()
        if self._start("entering", lambda: self._enter(service)) is None:
            return 1
        self._entering = time.monotonic() - began
        self._serve(service)
        return self._exit(service)

    def _load(self) -> Service:
        # Here, where a value that is none is told as a failure to load.
        self._blocked_after = blocked_after(os.environ)
        self._outputs.limit(log_rate(os.environ), is_watched=bool(os.environ.get(LIVE_LINES)))
        if self._snapshot is not None:
            self._snapshot.raise_failure("loading")
        service = load(self._spec, None if self._snapshot is None else self._snapshot.instance)
        forked_child.leave()
        # Hooks run in this one context, and inputs in copies of it: they see what enter hooks set.
        self._context = contextvars.copy_context() if self._snapshot is None else self._snapshot.context
        return service

    def _start(self, phase: Literal["loading", "entering"], step: Callable[[], Service]) -> Service | None:
        try:
            return step()
        except BaseException as error:
            self._sender.send(StartFailed(phase, describe_start_failure(error)))
            return None

    def _enter(self, service: Service) -> Service:
        """Enter hooks, then the startup of web apps; their shutdown comes before the exit hooks."""
        if self._snapshot is None:
            self._run_hooks(service.snapshot)
        else:
            self._snapshot.raise_failure("entering")
        self._run_hooks(service.enter)
        if not any(method.web for method in self._spec.methods):
            return service
        # Late: most containers serve no requests.
        from motet.runtime.web.making import make_app

        max_inputs = self._spec.concurrency.max_inputs
        for method in self._spec.methods:
            if method.web is not None:
                app = make_app(service.methods[method.name], method.web, max_inputs)
                self._user_loop().run(app.start(max_inputs))
                if method.web.kind == "server":
                    leaving.leave_out_threads()
                service.serve(method.name, app)
        return service

    def _run_hooks(self, hooks: list[Hook]) -> Service:
        for hook in hooks:
            result = self._context.run(hook)
            if inspect.isawaitable(result):
                self._user_loop().run(result)
            forked_child.leave()
        return Service({}, [], [])

    def _user_loop(self) -> UserLoop:
        """The one loop that all async user code of this container runs on."""
        if self._loop is None:
            loop = self._loop_choice.make(self._spec)
            self._loop = UserLoop(loop, self._context, self._spec.concurrency.max_inputs)
            self._loop.on_cancelled = self._ask_for_replacement
            self._own_tasks.loop, self._own_tasks.main = self._loop.loop, self._loop.main
            self._outputs.raw_writers.loop = self._loop.loop
        return self._loop

    def _serve(self, service: Service) -> None:
        if any(method.is_async for method in self._spec.methods):
            self._user_loop()
        loop = None if self._loop is None else self._loop.loop
        receiver: BlockingReceiver | LoopReceiver
        if self._loop is not None:
            receiver = LoopReceiver(self._executor_socket, self._loop, self._kept)
        else:
            receiver = BlockingReceiver(self._executor_socket, self._kept)
            self._control.hear_signals()  # a loop does so by itself
        executor = Executor(
            self._spec,
            service,
            self._sender,
            loop,
            receiver.run_main,
            receiver.idle,
            self._outputs.raw_writers,
            self._context,
            self._kept,
        )
        self._executor = executor
        self._sender.survives = self._way_back is not None
        self._control.serve(executor, receiver, self._way_back)
        # One input alone keeps nobody waiting.
        if self._spec.concurrency.max_inputs > 1 and (self._blocked_after or self._loop is not None):
            executor.watchdog = Watchdog(
                self._spec.name,
                loop,
                lambda: executor.held,
                self._blocked_after or BLOCKED_AFTER,
                self._tell_stall if self._blocked_after else lambda *_: None,
                Stuck(
                    stuck_after(self._spec.timeout),
                    lambda: self._tell_soon(executor.hold()),
                    lambda: self._tell_soon(Unblocked()),
                ),
            )
        if not self._control.stop_asked:
            receiver.run(executor, self._say_ready)

    def _tell_soon(self, message: Message) -> None:
        with contextlib.suppress(OSError):  # the server is gone
            self._sender.queue(message)
            self._sender.flush()

    def _tell_stall(self, stall: Stall, now: float, warning: str | None) -> None:
        """Say it to the input that kept the others waiting, for it is that one's code that has to change."""
        call_id, index = split_input_id(stall.sight.input_id) if stall.sight.input_id is not None else ("", -1)
        what = f"kept the {'event loop' if stall.kept == 'loop' else 'GIL'} at {stall.sight.place}"
        self._sender.queue(Stalled(call_id, index, now - stall.seconds, now, what))
        with contextlib.suppress(OSError):
            if warning is not None:
                self._sender.write(Written(now, call_id, index, "system", [warning]), len(warning))
            self._sender.flush()

    def _say_ready(self) -> None:
        self._outputs.raw_writers.look(own_tasks=1)
        self._sender.queue(Ready(self._entering))
        self._sender.flush()
        # Not before: a container that serves nothing yet has nothing to finish, and ends by the signal.
        Preemption(self._ask_for_drain).install()
        self._keyboard_interrupts.take_over()

    def _ask_for_drain(self) -> None:
        self._sender.drains = True
        with contextlib.suppress(OSError, ConnectionError):  # it has just ended, or its server has
            self._sender.send(StopDelivering(preempted=True))

    def _ask_for_replacement(self) -> None:
        """What the enter hooks opened has failed, such as a task of a task group: no more inputs for it."""
        if self._control.stop_asked:
            return
        print(
            "motet: the task that ran this container's enter hooks was cancelled, as a task group does when one of its tasks "
            "fails. The container takes no more inputs; its exit hooks run when those it has have ended.",
            file=sys.stderr,
            flush=True,
        )
        self._sender.drains = True
        with contextlib.suppress(OSError, ConnectionError):
            self._sender.send(StopDelivering())

    def _exit(self, service: Service) -> int:
        """Exit hooks, in order; one that raises does not keep the next from running. Then what still runs."""
        status = 0
        if self._executor is not None and self._executor.watchdog is not None and self._blocked_after:
            self._executor.watchdog.say_repeats()
        for hook in service.exit:
            try:
                self._run_hooks([hook])
            except BaseException as error:
                describe_start_failure(error)
                status = 1
        if self._loop is not None:
            self._loop.close(leaving.end_tasks(self._loop.shutdown_asyncgens))
        if self._kept is not None:
            self._kept.wait_acknowledged(LAST_ACKNOWLEDGEMENTS)
        return status
