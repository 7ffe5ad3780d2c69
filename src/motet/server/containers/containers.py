"""Containers as the server meets them: launched, connected, writing output, gone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import signal

import msgspec

from motet.backends.base import Backend, ContainerEnd, HeldContainer, Stream, TemplateEnd
from motet.core import events as e
from motet.core.commands import (
    AckItems,
    CancelAttempts,
    DeliverAttempts,
    DeliverBatch,
    FeedAttempt,
    FindGpus,
    KillContainer,
    ResumeContainer,
    StartContainer,
    StopContainer,
)
from motet.errors import ConnectionError, InvalidError, NotFoundError
from motet.records.facts import StallRecord
from motet.server import facts
from motet.server.apps.catalogue import Catalogue
from motet.server.containers.come_back import Inherited, Returning, ReturningSession
from motet.server.containers.heartbeats import Heartbeats
from motet.server.containers.known_container import ContainerNote, KnownContainer, decode_note, encode_note, new_token
from motet.server.containers.on_hosts import OnHosts
from motet.server.containers.output import ContainerOutput, LineSource
from motet.server.containers.sessions import ControlSession, ExecutorSession
from motet.server.containers.unacknowledged import Unacknowledged
from motet.server.containers.walling import Walling, check_may_call
from motet.server.driver import Driver, logger
from motet.server.lines import Lines
from motet.server.peers import Peer
from motet.wire import container_messages as m
from motet.wire.hello import Hello
from motet.wire.log_allowance import LINES_PER_SECOND, log_rate
from motet.wire.message import Message
from motet.wire.output_messages import Stalled

LAST_WORDS_TIMEOUT = 1.0
"""Seconds that a container's connection may stay open after its end (a process it forked may hold it)."""

KILL_TIMEOUT = 10.0
"""Seconds in which the end of a container that was killed must be reported. A process can hang in the kernel (a network file
system, a driver), and a host can be lost."""

LONG_AGO = 3600.0
"""Seconds: the clock of a container that comes back is the server's own if it says any moment of the last so many."""

CUT_TIMEOUT = 2.0
"""The same, for one whose connection has ended: it is dead already, or as good as that."""


class Containers:
    """Carries out commands about containers on one backend, and reports what becomes of them."""

    def __init__(
        self,
        driver: Driver,
        backend: Backend,
        catalogue: Catalogue,
        lines: Lines,
        base_env: dict[str, str],
        stop_grace: float,
        walling: Walling,
        inherited: Inherited | None = None,
    ) -> None:
        self.walling = walling
        self._driver = driver
        self._backend = backend
        self._catalogue = catalogue
        self._lines = lines
        self._base_env = base_env
        self._stop_grace = stop_grace
        self._containers: dict[str, KnownContainer] = {}
        self._search: asyncio.Task[None] | None = None
        self.unacknowledged = None if inherited is None else Unacknowledged(self._acknowledge)
        """None: containers end with their server, and keep nothing for another."""
        self.given = None if self.unacknowledged is None else self.unacknowledged.given
        first_attempt = 0 if inherited is None else inherited.first_attempt
        self.returning = Returning(driver, catalogue, self._kill, self.unacknowledged, first_attempt)
        self.heartbeats = Heartbeats(driver, self._containers)
        self.on_hosts = OnHosts(driver, catalogue, self._containers, self.heartbeats, self._end_unheard)
        for each in () if inherited is None else inherited.held:
            self._await(each)

    # --- commands -----------------------------------------------------------------------------------------------------

    def start(self, command: StartContainer) -> None:
        container_id, function_id = command.container_id, command.function_id
        configuration = self.on_hosts.configuration(function_id, command.host)
        env = self.walling.environment(self._base_env, configuration, container_id, command.gpus)
        rate = LINES_PER_SECOND
        with contextlib.suppress(InvalidError):  # the container will say so
            rate = log_rate(env) * configuration.spec.concurrency.max_inputs
        app_id, name = configuration.app_id, configuration.spec.name
        note = ContainerNote(function_id, app_id, name, new_token(), env, command.gpus, rate, host=command.host)
        # Before it is started: the backend may report of it at once, and it connects when it likes.
        self._know(container_id, note)
        noted = b"" if self.unacknowledged is None else encode_note(note)
        launch = self.walling.launch(configuration, container_id, env, note.token, noted, command.gpus, command.host)
        self._backend.start_nowait(launch)

    def _know(self, container_id: str, note: ContainerNote) -> KnownContainer:
        output = ContainerOutput(
            LineSource(note.app_id, note.function_id, note.function_name, container_id),
            self._lines,
            lambda: self._backend.report_output_nowait(container_id),
            self._driver.clock,
        )
        output.limit(note.lines_per_second)
        container = self._containers[container_id] = KnownContainer(note, output)
        return container

    def stop(self, command: StopContainer) -> None:
        container = self._containers.get(command.container_id)
        if container is None:
            return
        if container.control is None:  # it has not connected: nobody there could be told
            self._kill(command.container_id)
        else:
            container.control.send((m.Stop(self._stop_grace),))

    def kill(self, command: KillContainer) -> None:
        self._kill(command.container_id)

    def _kill(self, container_id: str, timeout: float = KILL_TIMEOUT) -> None:
        """Have it end, and count on its end being reported by then: nobody waits for longer."""
        self._backend.kill_nowait(container_id)
        container = self._containers.get(container_id)
        if container is not None and container.ended is None:
            container.doom.set(timeout, self._give_up, container_id, timeout)

    def _give_up(self, container_id: str, timeout: float) -> None:
        """Go on as if it had ended. Whatever it or its backend says later is not heard any more."""
        container = self._containers.get(container_id)
        if container is None or container.ended is not None:
            return
        reason = f"was killed, and its end was not reported within {timeout:g} s: it is given up"
        logger.warning("container %s %s", container_id, reason)
        # As if its backend had said so: what that says later finds nobody.
        blameless = container.note.host in self.on_hosts.silent
        self._end_unheard(
            container,
            ContainerEnd(container_id=container_id, code=-signal.SIGKILL, reason=reason, blameless=blameless),
        )

    def _end_unheard(self, container: KnownContainer, ended: ContainerEnd) -> None:
        container.ended = ended
        self._gone(ended.container_id)
        for peer in (container.executor, container.control):
            if peer is not None:
                peer.close()

    def kill_all(self) -> None:
        """End everything that runs: the server breaks off."""
        for container_id in self._containers:
            self._backend.kill_nowait(container_id)

    def find_gpus(self, command: FindGpus) -> None:
        # Held: a loop knows its tasks weakly.
        self._search = asyncio.get_running_loop().create_task(self._find_gpus())

    async def _find_gpus(self) -> None:
        try:
            self._driver.take(e.GpusFound(await self._backend.find_gpus()))
        except Exception as error:  # inputs wait for the answer
            self._driver.fail(error)

    def function_of(self, container_id: str) -> str:
        """The function that a container serves. Raises `NotFoundError`."""
        return self._find(container_id).function_id

    def environment(self, container_id: str) -> dict[str, str]:
        """What a container was started with. Raises `NotFoundError`."""
        return self._find(container_id).env

    def _find(self, container_id: str) -> KnownContainer:
        container = self._containers.get(container_id)
        if container is None:
            raise NotFoundError(f"no container {container_id} runs on this server")
        return container

    def deliver(self, command: DeliverAttempts) -> None:
        self._deliver(command, m.Deliver(command.attempts))

    def deliver_batch(self, command: DeliverBatch) -> None:
        self._deliver(command, m.DeliverBatched(command.attempts), together=True)

    def _deliver(self, command: DeliverAttempts | DeliverBatch, message: Message, *, together: bool = False) -> None:
        container = self._containers.get(command.container_id)
        if container is None:
            return
        if container.executor is None:  # cut off, and its end is not reported yet: what is not there was not lost there
            given_back = [each.attempt for each in command.attempts]
            self._driver.take(e.ContainerBlocked(command.container_id, command.attempts[-1].attempt, given_back))
            return
        container.output.delivered(command.attempts, together=together)
        if self.unacknowledged is not None:
            self.unacknowledged.delivered(command.container_id, command.attempts)
        container.executor.send((message,))

    def feed(self, command: FeedAttempt) -> None:
        self._to_executor(command.container_id, m.FeedItems(command.attempt, command.items))

    def ack(self, command: AckItems) -> None:
        self._to_control(command.container_id, m.AckAttemptItems(command.attempt, command.count))

    def cancel(self, command: CancelAttempts) -> None:
        self._to_control(command.container_id, m.Cancel(command.attempts))

    def ask_standstill(self, seconds: float) -> None:
        """The server stood still for so long: have containers say whether they did, too."""
        for container in self._containers.values():
            if container.control is not None and container.executor is not None:
                container.asked.append(seconds)
                container.control.send((m.AskStandstill(),))

    def stood_still(self, container_id: str, seconds: float) -> list[e.Event]:
        """A container's answer. It counts for no more than the server's own standstill, and only if it was asked for."""
        container = self._containers.get(container_id)
        if container is None:
            return []
        if not container.asked:  # a container that tells of standstills by itself would buy its inputs time
            return []
        counted = min(seconds, container.asked.popleft())
        stood_still = [e.ContainerStoodStill(container_id, counted)] if counted > 0 else []
        return [*stood_still, *self.heartbeats.answered(container_id, container)]

    def resume(self, command: ResumeContainer) -> None:
        self._to_executor(command.container_id, m.Resume())

    def _to_executor(self, container_id: str, message: Message) -> None:
        container = self._containers.get(container_id)
        if container is not None and container.executor is not None:
            container.executor.send((message,))

    def _to_control(self, container_id: str, message: Message) -> None:
        container = self._containers.get(container_id)
        if container is not None and container.control is not None:
            container.control.send((message,))

    # --- containers of a server before this one -------------------------------------------------------------------------

    def _await(self, held: HeldContainer) -> None:
        """It lives, as its backend says: it comes back by itself."""
        try:
            note = decode_note(held.note)
        except msgspec.MsgspecError:
            logger.exception(
                "container %s of a server before this one is ended: its note cannot be read", held.container_id
            )
            self._backend.kill_nowait(held.container_id)
            return
        container = self._know(held.container_id, note)
        container.frozen = held.frozen
        container.output.written("stdout", held.stdout)
        container.output.written("stderr", held.stderr)
        self.returning.await_container(held.container_id, container)

    async def take_over(self) -> None:
        """Wait until containers that lived when this server began are back, or are gone: what they run would be run once more
        before that."""
        self.heartbeats.start()
        if any(container.note.gpus for container in self._containers.values()):
            # Before they are the engine's: it would not know that there is room for them.
            self._driver.take(e.GpusFound(await self._backend.find_gpus()))
        await self.returning.all_back()

    def _acknowledge(self, container_id: str, attempts: list[int]) -> None:
        self._to_control(container_id, m.AckOutcomes(attempts))

    # --- connections --------------------------------------------------------------------------------------------------

    def check(self, hello: Hello) -> None:
        """Raise `ConnectionError` unless the hello is that of a container of ours."""
        container = self._containers.get(hello.container_id)
        if container is None or not secrets.compare_digest(container.note.token.encode(), hello.token.encode()):
            raise ConnectionError("not a container of this server")
        if hello.role == "client":
            check_may_call(self._catalogue.configuration(container.function_id).spec)

    def executor(self, hello: Hello, peer: Peer) -> ExecutorSession | ReturningSession:
        """A container's executor connected: tell it what it serves, unless it knows."""
        container = self._containers[hello.container_id]
        if container.executor is not None:
            raise ConnectionError("this container's executor is connected already")
        is_returning = hello.container_id in self.returning
        if hello.resumes != is_returning:
            raise ConnectionError("this container is expected to begin, and not to come back, or the other way round")
        container.executor = peer
        if is_returning:
            session = ExecutorSession(
                hello.container_id, self._driver, self, container.output, self.unacknowledged, LONG_AGO
            )
            return self.returning.begins(hello.container_id, session)
        self._driver.tell(facts.ContainerConnected(hello.container_id))
        # Before its configuration is sent, for the session notes when that was: the answer tells the container's clock.
        session = ExecutorSession(hello.container_id, self._driver, self, container.output, self.unacknowledged)
        configuration = self.on_hosts.configuration(container.function_id, container.note.host)
        survives = self.unacknowledged is not None
        peer.send((msgspec.structs.replace(configuration, survives=survives),))
        return session

    def control(self, hello: Hello, peer: Peer) -> ControlSession:
        self._containers[hello.container_id].control = peer
        return ControlSession()

    # --- reports of the backend -----------------------------------------------------------------------------------------

    def container_output(self, container_id: str, stream: Stream, data: bytes) -> None:
        container = self._containers.get(container_id)
        if container is not None:
            # Its end is reported after this, which the engine must not miss.
            self._driver.guard(container.output.written, stream, data)

    def container_frozen(self, container_id: str) -> None:
        if (container := self._containers.get(container_id)) is not None:
            container.frozen = True  # for `ready`, which may be heard after this
            self._driver.take(e.ContainerFrozen(container_id))

    def container_thawed(self, container_id: str) -> None:
        if (container := self._containers.get(container_id)) is not None:
            container.frozen = False
            self._driver.take(e.ContainerThawed(container_id))

    def ready(self, container_id: str, entering: float) -> list[e.Event]:
        """A container says that it is ready. What it said just before it froze may be heard only after that report."""
        container = self._containers.get(container_id)
        self._driver.tell(facts.ContainerEntered(container_id, entering))
        if container is not None:
            container.output.ready()
        ready: list[e.Event] = [e.ContainerReady(container_id)]
        return [*ready, e.ContainerFrozen(container_id)] if container is not None and container.frozen else ready

    def stalled(self, container_id: str, stall: Stalled) -> None:
        """An input kept the others of its container waiting; its moments are of the server's clock."""
        began, ended = map(self._driver.clock.wall, (stall.began, stall.ended))
        self._driver.tell(StallRecord(container_id, stall.call_id, stall.index, began, ended, stall.what))

    def container_ended(self, ended: ContainerEnd) -> None:
        container = self._containers.get(ended.container_id)
        if container is None or container.ended is not None:  # it was given up
            return
        container.ended = ended  # from here on its connection has `LAST_WORDS_TIMEOUT`, and then nobody listens
        if container.executor is None:
            self._gone(ended.container_id)
        else:
            # What it sent before its end (outcomes, why it could not start) may still be on the way here.
            asyncio.get_running_loop().call_later(LAST_WORDS_TIMEOUT, self._gone, ended.container_id)

    def executor_gone(self, container_id: str) -> None:
        """A container's executor connection ended; everything it sent has been read."""
        container = self._containers.get(container_id)
        if container is None:
            return
        container.executor = None  # nothing can be delivered any more, whatever the engine still believes
        if container.ended is None:
            # Cut off or dead: either way it can serve nobody. Its backend reports how it ended.
            self._kill(container_id, CUT_TIMEOUT)
        else:
            self._gone(container_id)

    def _gone(self, container_id: str) -> None:
        self._driver.guard(self._report_end, container_id)

    def _report_end(self, container_id: str) -> None:
        container = self._containers.pop(container_id, None)
        if container is None or container.ended is None:
            return
        ended = container.ended
        container.doom.cancel()
        container.output.close()
        self.returning.is_gone(container_id)
        description = ended.description
        if ended.code != 0 and container.output.last_errors:
            description += "; the last lines of its stderr:\n" + "\n".join(container.output.last_errors) + "\n"
        self._driver.tell(facts.ContainerGone(ended.container_id, ended.description))
        self._driver.take(e.ContainerEnded(ended.container_id, description, ended.blameless))

    def backend_silent(self, reason: str) -> None:
        self._driver.guard(self.heartbeats.host_silent, reason)

    def backend_heard(self) -> None:
        self._driver.guard(self.heartbeats.host_heard)

    def template_ended(self, ended: TemplateEnd) -> None:
        logger.log(logging.ERROR if ended.is_lost else logging.INFO, "%s", ended.reason)

    def backend_lost(self, reason: str) -> None:
        logger.error("the container backend was lost: %s", reason)
        self.backend_heard()
