"""A backend in memory: containers that write and end when a test says so."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

from motet.backends.base import NOT_STARTED, ContainerEnd, Launch, Reports, Stream
from motet.errors import InternalError
from motet.model.gpu import FoundGpus
from motet.model.isolation import Isolation


class FakeBackend:
    """A `Backend` that starts nothing and keeps the same promises.

    `launches` and `kills` record what was asked, in order. A killed container ends with SIGKILL in the next turn of the
    loop, as every report comes in a later turn; `obeys_kills = False` leaves ending it to the test. `refusal`, while it
    is set, is the reason why no container can be started. `gpus` are those that will be found.
    """

    def __init__(self) -> None:
        self.launches: list[Launch] = []
        self.kills: list[str] = []
        self.running: dict[str, Launch] = {}
        self.obeys_kills = True
        self.refusal: str | None = None
        self.gpus = FoundGpus(note="it is made up")
        self._reports: Reports
        self._loop: asyncio.AbstractEventLoop
        self._open = False
        self._written: dict[str, list[tuple[Stream, bytes]]] = {}

    def __repr__(self) -> str:
        return f"FakeBackend(running={list(self.running)}, launches={len(self.launches)}, kills={len(self.kills)})"

    async def open(self, reports: Reports) -> None:
        """See `Backend`."""
        self._reports = reports
        self._loop = asyncio.get_running_loop()
        self._open = True

    def silence(self) -> None:
        """See `Backend`."""

    def lacks(self, isolation: Isolation) -> str | None:
        """See `Backend`: containers that are no processes need no walls."""
        return None

    async def find_gpus(self) -> FoundGpus:
        """See `Backend`."""
        await asyncio.sleep(0)
        return self.gpus

    def start_nowait(self, launch: Launch) -> None:
        """See `Backend`."""
        if not self._open:
            raise InternalError(f"container {launch.container_id} cannot start: the backend is not open")
        if launch.container_id in self.running:
            raise InternalError(f"container {launch.container_id} was started already")
        self.launches.append(launch)
        self.running[launch.container_id] = launch
        if self.refusal is not None:
            self.end(launch.container_id, NOT_STARTED, f"could not be started: {self.refusal}")

    def kill_nowait(self, container_id: str) -> None:
        """See `Backend`."""
        self.kills.append(container_id)
        if self.obeys_kills and container_id in self.running:
            self.end(container_id, -signal.SIGKILL)

    def report_output_nowait(self, container_id: str) -> None:
        """See `Backend`."""
        for stream, data in self._written.pop(container_id, ()):
            self._reports.container_output(container_id, stream, data)

    async def close(self) -> None:
        """See `Backend`."""
        self._open = False
        for container_id in list(self.running):
            self.end(container_id, -signal.SIGKILL)
        # Reports scheduled before this are made before this returns.
        await asyncio.sleep(0)

    def write(self, container_id: str, stream: Stream, data: bytes) -> None:
        """Have a running container write."""
        self._expect(container_id)
        self._written.setdefault(container_id, []).append((stream, data))
        self._later(lambda: self.report_output_nowait(container_id))

    def freeze(self, container_id: str) -> None:
        """Have a running container's process be stopped by a signal."""
        self._expect(container_id)
        self._later(lambda: self._reports.container_frozen(container_id))

    def thaw(self, container_id: str) -> None:
        """Have a frozen container go on."""
        self._expect(container_id)
        self._later(lambda: self._reports.container_thawed(container_id))

    def end(self, container_id: str, code: int, reason: str | None = None) -> None:
        """Have a running container end; from now on it is not among `running`."""
        self._expect(container_id)
        del self.running[container_id]
        ended = ContainerEnd(container_id=container_id, code=code, reason=reason)
        self._later(lambda: self._end(ended))

    def _end(self, ended: ContainerEnd) -> None:
        self.report_output_nowait(ended.container_id)
        self._reports.container_ended(ended)

    def lose(self, reason: str) -> None:
        """Have the place where the containers run vanish, and all of them with it."""
        for container_id in list(self.running):
            self.end(container_id, -signal.SIGKILL, f"was lost because {reason}")
        self._later(lambda: self._reports.backend_lost(reason))

    def _expect(self, container_id: str) -> None:
        if container_id not in self.running:
            raise AssertionError(f"container {container_id} is not running; these are: {list(self.running)}")

    def _later(self, report: Callable[[], None]) -> None:
        self._loop.call_soon(report)
