"""`python -m motet.agent.agent`: the host agent of a server that stays. It has the containers, and outlives the server.

A server attaches to it over a Unix socket, has it start and end containers, and reads what these write. When the server is gone
the agent keeps everything as it is, for a grace: the next server of the same home attaches, and is told what lives. After the
grace, and when a server ends in order, it ends, and everything with it. Nothing that runs in a container may attach.

Where several servers share a database, the one that comes to lead attaches, with its term, to the agents of those before it on
its machine. Where a server of another machine may come to lead, the one that leads says how soon its agent ends without it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import time

from motet.agent.agent_log import rotate, say
from motet.agent.attached_server import AttachedServer
from motet.agent.held_pipes import HeldPipes
from motet.backends.base import ContainerEnd, Launch, Stream, TemplateEnd
from motet.backends.channel import Channel
from motet.backends.process import ENTRY, ProcessBackend
from motet.client import family
from motet.client.adopted import Adopted
from motet.client.peer_process import PeerProcess, descends_from, peer_process
from motet.client.scratch import Scratch
from motet.wire.agent import (
    Attach,
    Attached,
    ContainerFroze,
    ContainerIsGone,
    ContainerThawn,
    EndContainerNow,
    FromAgent,
    Holds,
    LaunchContainer,
    Leads,
    LedElsewhere,
    Ping,
    Pong,
    TemplateLost,
    TemplateStarted,
    ToAgent,
    agent_frame,
    decode_to_agent,
)

DEFAULT_GRACE = 60.0
"""Seconds that an agent outlives its server, unless that says otherwise (MOTET_AGENT_GRACE)."""

SILENCE = 30.0
"""Seconds without a word of a server that is there, after which the agent notes that."""


class _AgentsContainer:
    """A container that has not ended."""

    __slots__ = ("is_frozen", "note", "pipes")

    def __init__(self, note: bytes, pipes: HeldPipes) -> None:
        self.note = note
        self.pipes = pipes
        self.is_frozen = False


class Agent:
    """Has one server at a time: the last one to attach. `backend` is what starts its containers."""

    def __init__(self, backend: ProcessBackend, grace: float = DEFAULT_GRACE) -> None:
        self._backend = backend
        self._grace = grace
        self._loop = asyncio.get_running_loop()
        self._containers: dict[str, _AgentsContainer] = {}
        self._server: AttachedServer | None = None
        self._callers: dict[Channel[ToAgent], PeerProcess] = {}
        """Whoever is connected, the server among them."""
        self._run = self._term = 0
        """How many servers it has had; and the last term that one of them led with."""
        self._templates: frozenset[int] = frozenset()
        """The processes of its templates that the server knows of."""
        self._over = asyncio.Event()
        self._end: asyncio.TimerHandle | None = None
        self._lapse: asyncio.TimerHandle | None = None
        """When another machine's server leads, if nothing is heard of this one until then."""
        self._heard_at = time.monotonic()

    async def serve(self, listening: socket.socket) -> None:
        """Until there is no server for too long, or one says that it is over. Then everything is gone."""
        await self._backend.open(self)
        self._wait_for_server("none has come yet")
        listening.listen()  # once more: the kernel tells servers who did that last
        listening.setblocking(False)
        self._loop.add_reader(listening.fileno(), self._accept, listening)
        watching = self._loop.create_task(self._watch())
        await self._over.wait()
        watching.cancel()
        self._loop.remove_reader(listening.fileno())
        listening.close()  # before the end of containers is told: no other server finds this one any more
        await self._backend.close()
        if self._server is not None:
            await self._server.channel.flushed()
            self._server.channel.close()

    def end(self) -> None:
        """End, with everything."""
        self._over.set()

    # --- servers come and go ------------------------------------------------------------------------------------------

    def _accept(self, listening: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionAbortedError):
            sock, _ = listening.accept()
            caller = peer_process(sock)
            if caller is None or caller.uid != os.geteuid() or descends_from(caller, os.getpid()):
                say(f"process {caller and caller.pid} may not attach")
                sock.close()
                return
            channel: Channel[ToAgent]
            channel = Channel(
                sock,
                decode_to_agent,
                lambda message: self._received(channel, message),
                lambda: self._is_gone(channel),
            )
            self._callers[channel] = caller

    def _received(self, channel: Channel[ToAgent], message: ToAgent) -> None:
        self._heard_at = time.monotonic()
        if isinstance(message, Attach):
            self._attach(channel, message)
        elif isinstance(message, Leads):
            self._leads(channel, message)
        elif isinstance(message, LedElsewhere):
            if self._server is None and message.term > self._term > 0:
                say(f"a server of another machine leads (term {message.term}): what is left here ends")
                self.end()
        elif self._server is None or channel is not self._server.channel:
            self._hang_up(channel)
        elif isinstance(message, LaunchContainer):
            self._launch(channel, message)
        elif isinstance(message, EndContainerNow):
            self._backend.kill_nowait(message.container_id)
        elif isinstance(message, Ping):
            self._tell(Pong(message.number))
        elif message.everything:
            self.end()
        else:
            channel.close()
            self._is_gone(channel)

    def _attach(self, channel: Channel[ToAgent], message: Attach) -> None:
        before, caller = self._server, self._callers[channel]
        if message.term and (
            message.term < self._term or (before is not None and not before.is_followed_by(caller, message.term))
        ):
            self._hang_up(channel)
            return
        if before is not None and before.channel is not channel:
            if message.term and before.process.pid != caller.pid:
                before.end(message.term)
            self._hang_up(before.channel)
        self._server = AttachedServer(channel, caller, message.term)
        for timer in (self._end, self._lapse):
            if timer is not None:
                timer.cancel()
        self._end = self._lapse = None
        self._grace, self._term = message.grace, max(self._term, message.term)
        # Attempts are numbered by it: those that this server has made already are not to be numbered again by the next one.
        self._run = max(self._run + 1, message.run)
        led = f", which leads with term {message.term}," if message.term else ""
        say(f"server {self._run}{led} is attached; {len(self._containers)} containers live")
        for container_id, held in self._containers.items():
            descriptors, stdout, stderr = held.pipes.attach()
            channel.send_nowait(
                agent_frame(Holds(container_id, held.note, held.is_frozen, stdout, stderr)), descriptors
            )
        templates = self._backend.templates
        self._templates = frozenset(templates)
        self._tell(Attached(self._run, templates[0] if templates else 0, templates=templates))

    def _leads(self, channel: Channel[ToAgent], message: Leads) -> None:
        server = self._server
        if server is None or self._callers[channel].pid != server.process.pid or message.term < self._term:
            self._hang_up(channel)
            return
        server.term = self._term = message.term
        if self._lapse is not None:
            self._lapse.cancel()
        self._lapse = self._loop.call_later(message.seconds, self._lapsed, message) if message.seconds else None

    def _lapsed(self, last: Leads) -> None:
        say(
            f"nothing was heard for {last.seconds:g} s of the server that led with term {last.term}: one of another machine "
            f"leads by now, and runs what {len(self._containers)} containers run here. They end"
        )
        self.end()

    def _hang_up(self, channel: Channel[ToAgent]) -> None:
        self._callers.pop(channel, None)
        channel.close()

    def _is_gone(self, channel: Channel[ToAgent]) -> None:
        self._callers.pop(channel, None)
        if self._server is not None and channel is self._server.channel:
            self._server = None
            for held in self._containers.values():
                held.pipes.detach()
            self._wait_for_server("it is gone")

    def _wait_for_server(self, why: str) -> None:
        say(f"there is no server ({why}); {len(self._containers)} containers live for {self._grace:g} s without one")
        self._end = self._loop.call_later(self._grace, self.end)

    async def _watch(self) -> None:
        """A server that is stopped is not ended for that: it may go on. It is noted, for whoever wonders."""
        noted, adopted = False, Adopted()
        while True:
            await asyncio.sleep(SILENCE / 3)
            adopted.look(self._backend.templates)  # what a template has left behind that was killed
            rotate()
            is_silent = self._server is not None and time.monotonic() - self._heard_at > SILENCE
            if is_silent and not noted:
                say(f"the server has said nothing for {SILENCE:g} s, though it is there: it may be stopped")
            noted = is_silent

    def _tell(self, message: FromAgent) -> None:
        if self._server is not None:
            self._server.channel.send_nowait(agent_frame(message))

    # --- containers ---------------------------------------------------------------------------------------------------

    def _launch(self, channel: Channel[ToAgent], message: LaunchContainer) -> None:
        stdout, stderr, read_stdout, read_stderr = (channel.descriptors.popleft() for _ in range(4))
        pipes = HeldPipes(self._loop, (stdout, stderr), (read_stdout, read_stderr))
        self._containers[message.container_id] = _AgentsContainer(message.note, pipes)
        env = {os.fsdecode(name): os.fsdecode(value) for name, value in message.env.items()}
        launch = Launch(
            container_id=message.container_id,
            address=message.address,
            token=message.token,
            env=env,
            template=message.template,
            limits=message.limits,
            entry=message.entry,
        )
        self._backend.start_nowait(launch, pipes)
        self._tell_templates()

    def _tell_templates(self) -> None:
        """Those that have been started since."""
        before, self._templates = self._templates, frozenset(self._backend.templates)
        for pid in self._templates - before:
            self._tell(TemplateStarted(pid))

    def container_output(self, container_id: str, stream: Stream, data: bytes) -> None:
        """See `Reports`: it is read by the server."""

    def container_frozen(self, container_id: str) -> None:
        """See `Reports`."""
        self._containers[container_id].is_frozen = True
        self._tell(ContainerFroze(container_id))

    def container_thawed(self, container_id: str) -> None:
        """See `Reports`."""
        self._containers[container_id].is_frozen = False
        self._tell(ContainerThawn(container_id))

    def container_ended(self, ended: ContainerEnd) -> None:
        """See `Reports`."""
        held = self._containers.pop(ended.container_id)
        held.pipes.drain_and_close()
        self._tell(ContainerIsGone(ended.container_id, ended.code, ended.reason, ended.blameless))

    def backend_silent(self, reason: str) -> None:
        """See `Reports`: its templates are processes of this machine, whose end the kernel tells."""

    def backend_heard(self) -> None:
        """See `Reports`."""

    def template_ended(self, ended: TemplateEnd) -> None:
        """See `Reports`."""
        say(f"its containers are gone: {ended.reason}" if ended.is_lost else ended.reason)
        self._tell_templates()
        self._tell(TemplateLost(ended.reason, ended.pid, ended.is_lost))

    def backend_lost(self, reason: str) -> None:
        """See `Reports`: what has the templates is this process."""


async def _serve(listening: socket.socket, entry: str) -> None:
    with Scratch("agent") as scratch:
        backend = ProcessBackend(env=os.environ, scratch=scratch.path, left_behind=scratch.path, entry=entry)
        agent = Agent(backend)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, agent.end)
        loop.add_signal_handler(signal.SIGINT, lambda: None)
        await agent.serve(listening)
    say("has ended")


def main() -> None:
    """Serve on the socket that was handed down, until it is over."""
    parser = argparse.ArgumentParser(prog="python -m motet.agent.agent")
    parser.add_argument("--listening", type=int, required=True, help="descriptor of the socket that servers attach to")
    parser.add_argument("--entry", default=ENTRY, help="module:function that runs a container; tests give their own")
    arguments = parser.parse_args()
    # What containers leave behind stays below this process, where the server's door knows it.
    family.adopt_orphans()
    asyncio.run(_serve(socket.socket(fileno=arguments.listening), arguments.entry))


if __name__ == "__main__":
    main()
