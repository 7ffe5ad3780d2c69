"""Containers of a host agent, which outlives this process: started there, and reported here."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import subprocess
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Self

from motet.agent.agent import DEFAULT_GRACE
from motet.agent.agent_process import connected, start_agent
from motet.agent.known_templates import KnownTemplates
from motet.agent.pings import Pings
from motet.backends.base import NOT_STARTED, ContainerEnd, HeldContainer, Launch, Reports, Stream, encoded_env
from motet.backends.channel import Channel
from motet.backends.nvml import find_gpus
from motet.backends.output_pipes import OutputPipes
from motet.backends.template_link import ENTRY
from motet.backends.walls.levels import lacking
from motet.client.peer_process import peer_process
from motet.errors import InternalError, ServiceError
from motet.model.gpu import FoundGpus
from motet.model.isolation import Isolation
from motet.wire.agent import (
    Attach,
    Attached,
    ContainerFroze,
    ContainerIsGone,
    ContainerThawn,
    Detach,
    EndContainerNow,
    FromAgent,
    Holds,
    LaunchContainer,
    Ping,
    Pong,
    TemplateLost,
    TemplateStarted,
    ToAgent,
    agent_frame,
    decode_from_agent,
)

logger = logging.getLogger("motet.server")

ATTACH_TIMEOUT = 10.0
"""Seconds in which an agent that is there must take this server; else it is ended, and another one started."""

START_TIMEOUT = 30.0
"""The same, for one that is just started."""

NAME = "agent"
"""Of the socket of a home's agent, which the next server there finds by it."""

CLOSE_TIMEOUT = 15.0
"""Seconds that an agent may take to end everything."""


class _AttachedContainer:
    """A container that has not been reported as ended."""

    __slots__ = ("pipes",)

    def __init__(self, pipes: OutputPipes) -> None:
        self.pipes = pipes


class AgentBackend:
    """A `Backend` whose containers live on when this process is killed. Made by `attach`, or by `follow`.

    `run`: how many servers this agent has had, this one included. `held`: the containers that lived when this one came.
    """

    def __init__(
        self, directory: Path, env: Mapping[str, str], grace: float, entry: str, name: str = NAME, term: int = 0
    ) -> None:
        self.path = directory / name
        """Of its socket."""
        self._term = term
        """With which it was taken over from a server before this one, if it was."""
        self._env = dict(env)
        self._grace = grace
        self._entry = entry
        self._loop = asyncio.get_running_loop()
        self._channel: Channel[FromAgent] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._reports: Reports | None = None
        self._early: list[FromAgent] = []
        """What was reported before there was anybody to report it to."""
        self._containers: dict[str, _AttachedContainer] = {}
        self._attached: asyncio.Future[Attached | None] = self._loop.create_future()
        """None: it has ended, or keeps to another server."""
        self._gone = asyncio.Event()
        self._closing = False
        self._pings = Pings(lambda number: self._send(Ping(number)), self._silent, self._heard, self._lost)
        self.agent = 0
        """Its pid."""
        self._templates = KnownTemplates()
        self.run = 0
        self.held: list[HeldContainer] = []

    @classmethod
    async def attach(
        cls,
        directory: Path,
        *,
        env: Mapping[str, str],
        grace: float = DEFAULT_GRACE,
        entry: str = ENTRY,
        name: str = NAME,
    ) -> Self:
        """Take over the agent whose socket is in this directory, or start one there. `env` is what it runs in, and its
        template. Raises `ServiceError`."""
        self = cls(directory, env, grace, entry, name)
        try:
            if (sock := connected(self.path)) is not None and await self._take_over(sock):
                return self
            self._start()
            async with asyncio.timeout(START_TIMEOUT):
                is_taken = await self._is_taken()
            if not is_taken:
                raise ServiceError(
                    f"no host agent can be had in {directory}: it has ended, and agent.log there may say why"
                )
        except (OSError, TimeoutError) as error:
            what = str(error) or f"it has not answered within {START_TIMEOUT:g} s"
            raise ServiceError(f"no host agent can be had in {directory}: {what}") from error
        return self

    @classmethod
    async def follow(cls, path: Path, *, grace: float, term: int) -> Self | None:
        """Take over the agent at this socket from a server that led before this one, which leads with `term`. It starts no
        containers any more. None: there is none, or it is another server's."""
        self = cls(path.parent, {}, grace, ENTRY, path.name, term)
        try:
            sock = connected(self.path)
        except OSError as error:
            logger.warning("the host agent at %s cannot be reached: %s", path, error)
            return None
        return self if sock is not None and await self._take_over(sock) else None

    def roots(self) -> tuple[int, ...]:
        """The processes that all containers descend from, but for their own descendants."""
        return tuple(pid for pid in (self.agent, *self._templates.pids) if pid)

    # --- the agent ----------------------------------------------------------------------------------------------------

    async def _take_over(self, sock: socket.socket) -> bool:
        """Whether it has taken this server. One that does not answer is ended."""
        self._use(sock)
        try:
            async with asyncio.timeout(ATTACH_TIMEOUT):
                return await self._is_taken()
        except TimeoutError:
            logger.warning("the host agent, process %d, does not answer: it is ended", self.agent)
            self._give_up()
            return False

    async def _is_taken(self) -> bool:
        attached = await self._attached
        self.run = self.run if attached is None else attached.run
        return attached is not None

    def _use(self, sock: socket.socket) -> None:
        process = peer_process(sock)  # who listened, which is the one that has the socket
        self.agent = 0 if process is None else process.pid
        self._gone.clear()
        self._channel = Channel(sock, decode_from_agent, self._received, self._agent_is_gone)
        self._send(Attach(self._grace, run=self.run, term=self._term))

    def _start(self) -> None:
        """Raises `OSError`."""
        self._process = start_agent(self.path, self._env, self._entry)
        sock = connected(self.path)
        if sock is None:
            raise ServiceError(f"the host agent cannot be reached at {self.path}")
        self._use(sock)
        # The kernel names who listened, which was this process.
        self.agent = self._process.pid

    def _silent(self, seconds: float) -> None:
        reason = f"the host agent, process {self.agent}, has not answered for {seconds:g} s"
        logger.warning("%s", reason)
        if self._reports is not None:
            self._reports.backend_silent(reason)

    def _heard(self) -> None:
        logger.warning("the host agent, process %d, answers again", self.agent)
        if self._reports is not None:
            self._reports.backend_heard()

    def _lost(self) -> None:
        logger.error("the host agent, process %d, is given up: it does not answer", self.agent)
        self._give_up()
        self._agent_is_gone()

    def _give_up(self) -> None:
        """End it. Its template and all containers go with it."""
        self.end_now()
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        self.held = []
        self._attached = self._loop.create_future()

    def _send(self, message: ToAgent, descriptors: tuple[int, ...] = ()) -> None:
        if self._channel is None:
            for descriptor in descriptors:
                os.close(descriptor)
        else:
            self._channel.send_nowait(agent_frame(message), descriptors)

    def _agent_is_gone(self) -> None:
        """Containers go with it, or have gone with it."""
        self._pings.stop()
        self._channel = None
        if not self._closing and not self._term:  # one that was taken over may have another server by now
            self.end_now()  # it may have stopped to talk without ending
            if self._process is not None:
                self._process.wait()  # does not block: see above
        self._gone.set()
        reason = f"the host agent, process {self.agent}, ended"
        why = "was killed when the server ended" if self._closing else f"was lost because {reason}"
        for container_id in list(self._containers):
            self._finish(ContainerEnd(container_id=container_id, code=-signal.SIGKILL, reason=why, blameless=True))
        if not self._attached.done():
            self._attached.set_result(None)
        self._attached = self._loop.create_future()
        if not self._closing and self._reports is not None:
            self._reports.backend_lost(reason)

    def _received(self, message: FromAgent) -> None:
        match message:
            case Attached():
                self._templates.attached(message)
                self._pings.start()
                if not self._attached.done():
                    self._attached.set_result(message)
            case Pong():
                self._pings.answered(message.number)
            case TemplateStarted():
                self._templates.started(message.pid)
            case Holds():
                self._hold(message)
            case _ if self._reports is None:
                self._early.append(message)
            case ContainerFroze():
                self._reports.container_frozen(message.container_id)
            case ContainerThawn():
                self._reports.container_thawed(message.container_id)
            case ContainerIsGone():
                if message.container_id in self._containers:
                    self._finish(
                        ContainerEnd(
                            container_id=message.container_id,
                            code=message.code,
                            reason=message.reason,
                            blameless=message.blameless,
                        )
                    )
            case TemplateLost():
                self._reports.template_ended(self._templates.ended(message))

    def _hold(self, message: Holds) -> None:
        assert self._channel is not None
        stdout, stderr = (self._channel.descriptors.popleft() for _ in range(2))
        received = partial(self._output, message.container_id)
        self._containers[message.container_id] = _AttachedContainer(OutputPipes(self._loop, received, (stdout, stderr)))
        self.held.append(
            HeldContainer(message.container_id, message.note, message.frozen, message.stdout, message.stderr)
        )

    # --- see `Backend` --------------------------------------------------------------------------------------------------

    async def open(self, reports: Reports) -> None:
        """See `Backend`. Of containers that are `held` the owner must know before."""
        self._reports = reports
        early, self._early = self._early, []
        for message in early:
            self._received(message)

    def silence(self) -> float | None:
        """See `Backend`."""
        if self._channel is None:
            return None
        return self._pings.silence

    def lacks(self, isolation: Isolation) -> str | None:
        """See `Backend`."""
        return lacking(isolation)

    async def find_gpus(self) -> FoundGpus:
        """See `Backend`."""
        return await asyncio.to_thread(find_gpus, self._env.get("CUDA_VISIBLE_DEVICES"))

    def start_nowait(self, launch: Launch) -> None:
        """See `Backend`."""
        container_id = launch.container_id
        if self._closing:
            raise InternalError(f"container {container_id} cannot start: the backend is not open")
        if container_id in self._containers:
            raise InternalError(f"container {container_id} was started already")
        try:
            if self._channel is None:
                self._start()
            self._templates.check(launch)
            env = encoded_env(launch.env)
            request = LaunchContainer(
                *(container_id, launch.address, launch.token, env, launch.note),
                *(launch.template, launch.limits, launch.entry),
            )
            pipes = OutputPipes(self._loop, partial(self._output, container_id))
            copies = pipes.copies()
        except (OSError, ValueError, ServiceError) as error:
            reason = f"could not be started: {error}"
            ended = ContainerEnd(container_id=container_id, code=NOT_STARTED, reason=reason)
            self._loop.call_soon(self._report_end, ended)
            return
        self._containers[container_id] = _AttachedContainer(pipes)
        self._send(request, (*pipes.write_ends, *copies))

    def kill_nowait(self, container_id: str) -> None:
        """See `Backend`."""
        if container_id in self._containers:
            self._send(EndContainerNow(container_id))

    def report_output_nowait(self, container_id: str) -> None:
        """See `Backend`."""
        if (container := self._containers.get(container_id)) is not None:
            container.pipes.drain()

    async def close(self) -> None:
        """See `Backend`. The agent ends with them."""
        self._closing = True
        self._pings.stop()
        if self._channel is None:
            return
        self._send(Detach(everything=True))
        try:
            await asyncio.wait_for(self._gone.wait(), CLOSE_TIMEOUT)
        except TimeoutError:
            self._give_up()
            self._agent_is_gone()
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(self._process.wait, CLOSE_TIMEOUT)

    @property
    def has_containers(self) -> bool:
        """Whether any have not been reported as ended."""
        return bool(self._containers)

    def dismiss_nowait(self) -> None:
        """It has no containers, and gets no more: it ends."""
        self._closing = True
        self._pings.stop()
        self._send(Detach(everything=True))

    def end_now(self) -> None:
        """End the agent, and all containers with it, without waiting for that."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self.agent:
                os.kill(self.agent, signal.SIGKILL)

    async def leave(self) -> None:
        """Leave the agent, with all it has, to the next server."""
        self._closing = True
        self._pings.stop()
        if self._channel is not None:
            self._send(Detach(everything=False))
            await self._channel.flushed()
            self._channel.close()
            self._channel = None
        for container in self._containers.values():
            container.pipes.drain_and_close()
        self._containers.clear()

    def _output(self, container_id: str, stream: Stream, data: bytes) -> None:
        if self._reports is not None:
            self._reports.container_output(container_id, stream, data)

    def _finish(self, ended: ContainerEnd) -> None:
        self._containers[ended.container_id].pipes.drain_and_close()
        del self._containers[ended.container_id]
        self._report_end(ended)

    def _report_end(self, ended: ContainerEnd) -> None:
        if self._reports is not None:
            self._reports.container_ended(ended)
