"""All containers of this machine, each where its isolation level says: as a process, or in an OCI image."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from motet.backends.base import Launch, Reports
from motet.backends.oci.backend import OciBackend
from motet.backends.output_pipes import Pipes
from motet.backends.process import ProcessBackend
from motet.backends.template_link import ENTRY
from motet.backends.walls.levels import lacking
from motet.model.gpu import FoundGpus
from motet.model.isolation import Isolation


class MachineBackend:
    """A `Backend` on this machine. The arguments are those of `ProcessBackend`."""

    def __init__(
        self,
        *,
        env: Mapping[str, str],
        scratch: Path | None = None,
        entry: str = ENTRY,
        left_behind: Path | None = None,
    ) -> None:
        self._processes = ProcessBackend(env=env, scratch=scratch, entry=entry, left_behind=left_behind)
        self._oci = OciBackend(env=env, scratch=scratch, entry=entry)

    def __repr__(self) -> str:
        return f"MachineBackend({self._processes!r}, {self._oci!r})"

    @property
    def templates(self) -> tuple[int, ...]:
        """The pids of the processes that containers are forked from. Those in OCI images are nobody's on this machine."""
        return self._processes.templates

    async def open(self, reports: Reports) -> None:
        """See `Backend`."""
        await self._processes.open(reports)
        await self._oci.open(reports)

    def lacks(self, isolation: Isolation) -> str | None:
        """See `Backend`."""
        return lacking(isolation)

    def silence(self) -> None:
        """See `Backend`."""

    async def find_gpus(self) -> FoundGpus:
        """See `Backend`."""
        return await self._processes.find_gpus()

    def start_nowait(self, launch: Launch, pipes: Pipes | None = None) -> None:
        """See `ProcessBackend`."""
        if launch.template.walls.isolation == "oci":
            self._oci.start_nowait(launch, pipes)
        else:
            self._processes.start_nowait(launch, pipes)

    def kill_nowait(self, container_id: str) -> None:
        """See `Backend`."""
        self._processes.kill_nowait(container_id)
        self._oci.kill_nowait(container_id)

    def report_output_nowait(self, container_id: str) -> None:
        """See `Backend`."""
        self._processes.report_output_nowait(container_id)
        self._oci.report_output_nowait(container_id)

    async def close(self) -> None:
        """See `Backend`."""
        await self._oci.close()
        await self._processes.close()
