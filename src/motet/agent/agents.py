"""The host agents of a server: the one that starts its containers, and those of servers that led before it on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path

from motet.agent.agent_backend import NAME, AgentBackend
from motet.agent.agent_process import connected
from motet.backends.base import ContainerEnd, HeldContainer, Launch, Reports, Stream, TemplateEnd
from motet.model.gpu import FoundGpus
from motet.model.isolation import Isolation
from motet.wire.agent import LedElsewhere, agent_frame

logger = logging.getLogger("motet.server")


class Agents:
    """A `Backend`. `own` starts all containers. One that is followed only has those that it had; it ends with the last of
    them."""

    def __init__(self, own: AgentBackend, grace: float) -> None:
        self._own = own
        self._grace = grace
        self._all = [own]

    @property
    def agent(self) -> int:
        """The pid of its own one."""
        return self._own.agent

    @property
    def run(self) -> int:
        """How many servers its own one has had, this one included."""
        return self._own.run

    @property
    def paths(self) -> list[Path]:
        """Of the sockets of all of them."""
        return [each.path for each in self._all]

    @property
    def held(self) -> Sequence[HeldContainer]:
        """The containers that lived when this server came."""
        return [*chain.from_iterable(each.held for each in self._all)]

    @property
    def directories(self) -> list[Path]:
        """Those of other servers whose containers live: they come back to where they find these."""
        return sorted({each.path.parent for each in self._all if each.held} - {self._own.path.parent})

    def roots(self) -> tuple[int, ...]:
        """The processes that all containers descend from, but for their own descendants."""
        return tuple(pid for each in self._all for pid in each.roots())

    async def follow(self, directories: Iterable[Path], term: int) -> None:
        """Take over the agents in these directories: this server leads now, with this term."""
        others = [path for directory in directories for path in _sockets(directory) if path != self._own.path]
        found = await asyncio.gather(*(AgentBackend.follow(path, grace=self._grace, term=term) for path in others))
        for agent in filter(None, found):
            if agent.has_containers:
                self._all.append(agent)
            else:
                agent.dismiss_nowait()

    def end_left(self, term: int) -> None:
        """A server of another machine leads with this term: what servers before it have left with agents of this home ends."""
        for path in _sockets(self._own.path.parent):
            with contextlib.suppress(OSError):
                if path != self._own.path and (sock := connected(path)) is not None:
                    with sock:
                        sock.sendall(agent_frame(LedElsewhere(term)))

    async def open(self, reports: Reports) -> None:
        """See `Backend`."""
        await self._own.open(reports)
        for agent in self._all[1:]:
            await agent.open(_FollowedReports(reports, lambda agent=agent: self._ended(agent)))  # type: ignore[misc]

    def _ended(self, agent: AgentBackend) -> None:
        """One of its containers has."""
        if not agent.has_containers and agent in self._all:
            self._all.remove(agent)
            agent.dismiss_nowait()

    def lacks(self, isolation: Isolation) -> str | None:
        """See `Backend`."""
        return self._own.lacks(isolation)

    async def find_gpus(self) -> FoundGpus:
        """See `Backend`."""
        return await self._own.find_gpus()

    def start_nowait(self, launch: Launch) -> None:
        """See `Backend`."""
        self._own.start_nowait(launch)

    def kill_nowait(self, container_id: str) -> None:
        """See `Backend`."""
        for each in self._all:
            each.kill_nowait(container_id)

    def report_output_nowait(self, container_id: str) -> None:
        """See `Backend`."""
        for each in self._all:
            each.report_output_nowait(container_id)

    def silence(self) -> float | None:
        """See `Backend`."""
        return self._own.silence()

    async def close(self) -> None:
        """See `Backend`. The agents end with them."""
        await asyncio.gather(*(each.close() for each in self._all))

    def end_now(self) -> None:
        """End the agents, and all containers with them, without waiting for that."""
        for each in self._all:
            each.end_now()

    async def leave(self) -> None:
        """Leave the agents, with all they have, to the next server."""
        for each in self._all:
            await each.leave()


class _FollowedReports:
    """What an agent tells that starts nothing more: of its containers alone."""

    def __init__(self, reports: Reports, ended: Callable[[], None]) -> None:
        self._reports = reports
        self._ended = ended

    def container_output(self, container_id: str, stream: Stream, data: bytes) -> None:
        self._reports.container_output(container_id, stream, data)

    def container_frozen(self, container_id: str) -> None:
        self._reports.container_frozen(container_id)

    def container_thawed(self, container_id: str) -> None:
        self._reports.container_thawed(container_id)

    def container_ended(self, ended: ContainerEnd) -> None:
        self._reports.container_ended(ended)
        self._ended()

    def template_ended(self, ended: TemplateEnd) -> None:
        self._reports.template_ended(ended)

    def backend_silent(self, reason: str) -> None:
        """Its containers answer for themselves, and it is noted."""

    def backend_heard(self) -> None:
        """See above."""

    def backend_lost(self, reason: str) -> None:
        """Each of its containers has been reported as ended."""
        logger.error("%s: it had containers of a server before this one", reason)


def _sockets(directory: Path) -> list[Path]:
    """Of agents that a server with this directory has started."""
    try:
        return sorted(path for path in directory.glob(f"{NAME}*") if path.is_socket())
    except OSError:  # it is another user's
        return []
