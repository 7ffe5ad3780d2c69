"""The host agent of a machine that joins a server elsewhere: it dials in, starts containers, and tells what becomes of them.

It has no listening port. When the connection is gone it dials again, and what runs goes on meanwhile. A server that has given
the host up says which containers it still knows, and the others end. Without any server for the grace, all of them do.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import socket
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from motet.agent.agent_log import say
from motet.agent.hosted_bundles import BundleRoom, HostedBundles, received
from motet.agent.server_line import Relay, ServerLine
from motet.backends.base import NOT_STARTED, Backend, ContainerEnd, Launch, Stream, TemplateEnd
from motet.backends.machine import MachineBackend
from motet.backends.nvml import find_gpus
from motet.client.scratch import Scratch
from motet.errors import Error, InvalidError, ResourceExhaustedError
from motet.model.host import MOST_REASON, HostSpec
from motet.model.isolation import Walls
from motet.wire import codec
from motet.wire import host_messages as m
from motet.wire.framing import FrameReader
from motet.wire.hello import Agreed, Hello, Refused
from motet.wire.message import Message

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 2.0
"""Seconds between two tries to reach the server: they double."""

SILENCE = 10.0
"""Seconds without a question of the server, after which the connection is taken for broken."""

MOST_UNREAD = 16 * 1024 * 1024
"""What the server may be behind in reading of what containers write past their connections."""

TRY_AGAIN = 60.0
"""Seconds after which a bundle that there was no room for is tried again."""

MEMORY_SHARE = 0.9
"""How much of a machine's memory containers may ask for together, unless that is said."""

MIB = 1024 * 1024


def this_machine(
    host_id: str = "",
    *,
    cpu: float | None = None,
    memory_mib: int | None = None,
    containers: int | None = None,
    labels: dict[str, str] | None = None,
    resources: dict[str, float] | None = None,
) -> HostSpec:
    """The machine that this process is on, as a host; what is given counts instead of what is found."""
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / MIB
    return HostSpec(
        host_id=host_id or socket.gethostname(),
        cpu=float(cores) if cpu is None else cpu,
        memory_mib=int(memory * MEMORY_SHARE) if memory_mib is None else memory_mib,
        gpus=find_gpus(os.environ.get("CUDA_VISIBLE_DEVICES")).gpus,
        resources=resources or {},
        labels=labels or {},
        containers=containers,
    )


class JoinedAgent:
    """`run` it, on the running loop. `grace`: seconds that containers live without a server; `drain_grace`: that they have when
    the host leaves. `bundles`: the directory where the source of apps is kept, which is this agent's alone; None: it is
    forgotten with the agent."""

    def __init__(
        self,
        line: ServerLine,
        token: str,
        host: HostSpec,
        scratch: Path,
        *,
        grace: float = 60.0,
        drain_grace: float = 30.0,
        backend: Backend | None = None,
        bundles: Path | None = None,
    ) -> None:
        self._line = line
        self._token = token
        self._agent = secrets.token_hex(8)
        self._containers: dict[str, str] = {}
        """Those that have not ended, with the digests of their bundles."""
        self._bundles = HostedBundles(
            *(line, token, self._agent, bundles or scratch / "bundles"), self._containers.values, self._cannot
        )
        self._host = replace(host, bundles=self._bundles.trees)
        self._grace = grace
        self._drain_grace = drain_grace
        self._backend: Backend = backend or MachineBackend(env=dict(os.environ), scratch=scratch, left_behind=scratch)
        self._relay = Relay(line, scratch / "server")
        self._writer: asyncio.StreamWriter | None = None
        self._preparing: dict[str, asyncio.Task[None]] = {}
        """Those of them whose bundle is on its way."""
        self._over = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._doom: asyncio.TimerHandle | None = None
        self._has_joined = self._leaves_out = False

    async def run(self) -> None:
        """Until it is told to `end`, or the server sends it away. Raises `Error` if the server cannot be reached at first, or
        does not take this host."""
        await self._backend.open(self)
        await self._relay.open()
        talking = asyncio.create_task(self._talk_again_and_again())
        over = asyncio.create_task(self._over.wait())
        try:
            await asyncio.wait({talking, over}, return_when=asyncio.FIRST_COMPLETED)
            if talking.done():
                talking.result()
        finally:
            for task in (talking, over):
                task.cancel()
            await asyncio.gather(talking, over, return_exceptions=True)
            for task in self._preparing.values():
                task.cancel()
            await asyncio.gather(*self._preparing.values(), return_exceptions=True)
            await self._bundles.close()
            await self._backend.close()
            await self._relay.close()

    def end(self) -> None:
        """End now, with everything."""
        self._over.set()

    @property
    def is_connected(self) -> bool:
        """Whether it is a host of its server now."""
        return self._writer is not None

    async def leave(self) -> None:
        """Have no more containers started here, wait for those that there are, for the grace, and end."""
        self._is_now(replace(self._host, leaving="is to be turned off"))
        say(f"leaves: {len(self._containers)} containers may finish what they run, for {self._drain_grace:g} s")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._drain_grace + 5):
                await self._empty.wait()
        self._over.set()

    # --- the server -----------------------------------------------------------------------------------------------------

    async def _talk_again_and_again(self) -> None:
        pause = FIRST_PAUSE
        while not self._over.is_set():
            try:
                reader, writer = await self._line.dial()
                try:
                    await self._talk(reader, writer)
                finally:
                    if self._writer is not None:
                        pause = FIRST_PAUSE
                    self._writer = None
                    writer.close()
                why = "it closed the connection"
            except (Error, OSError, TimeoutError) as error:
                if not self._has_joined:
                    raise
                why = str(error) or "it has not asked whether this host is there"
            if self._doom is None and self._containers:
                self._doom = asyncio.get_running_loop().call_later(self._grace, self._end_all)
            say(
                f"there is no server ({why}); {len(self._containers)} containers live for {self._grace:g} s without one"
            )
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until the server closes the connection, or says nothing for too long."""
        hello = Hello("host", self._token)
        joins = m.HostJoins(self._host, self._agent, tuple(sorted(self._containers)))
        writer.write(b"".join(codec.frames([hello, joins])))
        frames = FrameReader()
        while True:
            async with asyncio.timeout(SILENCE):
                data = await reader.read(256 * 1024)
            if not data:
                return
            for message in received(frames, data):
                self._received(message, writer)

    def _received(self, message: Any, writer: asyncio.StreamWriter) -> None:
        match message:
            case Agreed():
                pass
            case Refused():
                raise message.error("this host")
            case m.HostIsWelcome():
                if self._doom is not None:
                    self._doom.cancel()
                    self._doom = None
                self._writer, self._has_joined = writer, True
                for container_id in self._containers.keys() - set(message.known):
                    say(f"container {container_id} was given up by the server, and ends")
                    self._end(container_id)
                say(f"has joined the server at {self._line.address} as {self._host.host_id}")
            case m.AskHost():
                self._tell(m.HostAnswers(message.number))
            case m.StartHosted():
                self._start(message)
            case m.EndHosted():
                self._end(message.container_id)
            case m.HostWillNeed():
                self._bundles.will_need(message.bundles)
            case m.SendHostAway():
                say("the server has ended, and everything here ends with it")
                self._end_all()

    def _tell(self, *messages: Message) -> None:
        """If there is a server: what it does not hear it learns from what this host holds when it is back."""
        if self._writer is not None:
            self._writer.write(b"".join(codec.frames(messages)))

    # --- containers -----------------------------------------------------------------------------------------------------

    def _start(self, message: m.StartHosted) -> None:
        if message.container_id in self._containers:
            return
        self._containers[message.container_id] = message.bundle
        self._empty.clear()
        if problem := self._why_not(message):
            self._ended_soon(message.container_id, f"could not be started: {problem}")
        elif message.bundle and not self._bundles.here(message.bundle):
            task = asyncio.get_running_loop().create_task(self._prepare(message))
            self._preparing[message.container_id] = task
        else:
            self._start_now(message)

    async def _prepare(self, message: m.StartHosted) -> None:
        """Start it once its source is here."""
        container_id = message.container_id
        try:
            await self._bundles.have(message.bundle)
        except Error as error:
            # Where there is no room for it, it is started elsewhere: nobody has tried twice.
            blameless = isinstance(error, ResourceExhaustedError)
            reason = f"could not be started: host {self._host.host_id} could not get its source: {error}"
            self.container_ended(
                ContainerEnd(container_id=container_id, code=NOT_STARTED, reason=reason, blameless=blameless)
            )
        else:
            del self._preparing[container_id]
            self._start_now(message)

    def _end(self, container_id: str) -> None:
        if (task := self._preparing.pop(container_id, None)) is not None:
            task.cancel()
            self._ended_soon(container_id, None, -signal.SIGKILL)
        else:
            self._backend.kill_nowait(container_id)

    def _cannot(self, digest: str, why: str) -> None:
        """It has no room for a bundle: for a while containers of it are for other hosts."""
        say(why)
        self._is_now(replace(self._host, without={**self._host.without, digest: why[:MOST_REASON]}))
        asyncio.get_running_loop().call_later(TRY_AGAIN, self._may_have_room, digest)

    def _may_have_room(self, digest: str) -> None:
        self._is_now(replace(self._host, without={it: why for it, why in self._host.without.items() if it != digest}))

    def _is_now(self, host: HostSpec) -> None:
        self._host = host
        self._tell(m.HostTells(host))

    def _start_now(self, message: m.StartHosted) -> None:
        self._backend.start_nowait(
            Launch(
                container_id=message.container_id,
                address=self._relay.address,
                token=message.token,
                env={os.fsdecode(name): os.fsdecode(value) for name, value in message.env.items()},
                template=message.template,
                limits=message.limits,
                entry=message.entry,
            )
        )

    def _why_not(self, message: m.StartHosted) -> str:
        """What this container needs that is not here; empty: nothing."""
        if message.template.walls != Walls():  # they show directories of the server's machine
            return f"host {self._host.host_id} has no walls: isolation levels are for the server's own machine"
        for path in message.paths:
            if not os.path.exists(path):
                return (
                    f"host {self._host.host_id} does not have {path}, which the program is run from: have the "
                    "same files there, or end its agent"
                )
        return ""

    def _ended_soon(self, container_id: str, reason: str | None, code: int = NOT_STARTED) -> None:
        ended = ContainerEnd(container_id=container_id, code=code, reason=reason)
        asyncio.get_running_loop().call_soon(self.container_ended, ended)

    def _end_all(self) -> None:
        self._doom = None
        for container_id in list(self._containers):
            self._end(container_id)

    def container_output(self, container_id: str, stream: Stream, data: bytes) -> None:
        """See `Reports`. What a server that does not read is behind with is bounded: beyond that, lines are left out."""
        if self._writer is not None and self._writer.transport.get_write_buffer_size() > MOST_UNREAD:
            if not self._leaves_out:
                say("the server does not read: what containers write past their connections is left out")
            self._leaves_out = True
            return
        self._leaves_out = False
        self._tell(m.HostedWrote(container_id, stream, data))

    def container_frozen(self, container_id: str) -> None:
        """See `Reports`."""
        self._tell(m.HostedFroze(container_id))

    def container_thawed(self, container_id: str) -> None:
        """See `Reports`."""
        self._tell(m.HostedFroze(container_id, thawed=True))

    def container_ended(self, ended: ContainerEnd) -> None:
        """See `Reports`."""
        self._containers.pop(ended.container_id, None)
        self._preparing.pop(ended.container_id, None)
        if not self._containers:
            self._empty.set()
        self._tell(m.HostedEnded(ended.container_id, ended.code, ended.reason, ended.blameless))

    def backend_silent(self, reason: str) -> None:
        """See `Reports`: its templates are processes of this machine, whose end the kernel tells."""

    def backend_heard(self) -> None:
        """See `Reports`."""

    def template_ended(self, ended: TemplateEnd) -> None:
        """See `Reports`."""
        if ended.is_lost:
            say(ended.reason)

    def backend_lost(self, reason: str) -> None:
        """See `Reports`: what has the templates is this process."""


async def join(
    address: str,
    token: str,
    fingerprint: str,
    host: HostSpec,
    *,
    home: Path,
    grace: float = 60.0,
    drain_grace: float = 30.0,
) -> None:
    """Have this machine be a host of the server there, until SIGTERM or SIGINT: then it leaves; a second one ends it. What
    containers need is kept under `home`. Raises `Error`."""
    if not token:
        raise InvalidError(
            "a host needs a token with the right 'host' (MOTET_TOKEN); `motet token new NAME --right host` makes one"
        )
    with Scratch("host") as scratch, contextlib.closing(BundleRoom(home)) as room:
        line = ServerLine(address, fingerprint)
        agent = JoinedAgent(line, token, host, scratch.path, grace=grace, drain_grace=drain_grace, bundles=room.path)
        loop = asyncio.get_running_loop()
        leaving: list[asyncio.Task[None]] = []

        def asked() -> None:
            if leaving:
                agent.end()
            else:
                leaving.append(loop.create_task(agent.leave()))

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, asked)
        try:
            await agent.run()
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)
            for task in leaving:
                task.cancel()
