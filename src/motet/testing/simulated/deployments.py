"""What has been deployed in a simulated world, on its disk: it outlives servers, and one that was replaced changes nothing."""

from __future__ import annotations

from collections.abc import Sequence

from motet.errors import ServiceError
from motet.model.deployment import DeploymentView
from motet.server.deployments.unkept import MemoryDeployments
from motet.store.base import KeptDeployment, KeptNotice, KeptSchedule
from motet.testing.simulated.disk import SimulatedDisk, SimulatedJournal


class SimulatedDeployments:
    """See `DeploymentStore`: another one, for the server that has this opening of the disk's journal."""

    def __init__(self, inner: MemoryDeployments, disk: SimulatedDisk, journal: SimulatedJournal) -> None:
        self._inner = inner
        self._disk = disk
        self._journal = journal

    def _check(self) -> None:
        if self._disk.problem:
            raise ServiceError(f"the deployments cannot be written: {self._disk.problem}")
        if self._journal.is_cut_off:
            raise ServiceError("the deployments cannot be written: the database does not answer")
        if self._journal.term != self._disk.term:
            raise ServiceError("the deployments cannot be written: another server leads")

    def add(self, kept: KeptDeployment) -> None:
        """See `DeploymentStore`."""
        self._check()
        self._inner.add(kept)

    def change(self, views: Sequence[DeploymentView]) -> None:
        """See `DeploymentStore`."""
        self._check()
        self._inner.change(views)

    def history(self, name: str) -> list[DeploymentView]:
        """See `DeploymentStore`."""
        return self._inner.history(name)

    def find(self, name: str, version: int) -> KeptDeployment | None:
        """See `DeploymentStore`."""
        return self._inner.find(name, version)

    def serving(self) -> list[KeptDeployment]:
        """See `DeploymentStore`."""
        return self._inner.serving()

    def bundles(self, keep_versions: int | None) -> set[str]:
        """See `DeploymentStore`."""
        return self._inner.bundles(keep_versions)

    def last(self, name: str) -> int:
        """See `DeploymentStore`."""
        return self._inner.last(name)

    def schedules(self) -> list[KeptSchedule]:
        """See `DeploymentStore`."""
        return self._inner.schedules()

    def keep_schedule(self, kept: KeptSchedule) -> None:
        """See `DeploymentStore`."""
        self._check()
        self._inner.keep_schedule(kept)

    def notices(self) -> list[KeptNotice]:
        """See `DeploymentStore`."""
        return self._inner.notices()

    def keep_notices(self, kept: Sequence[KeptNotice]) -> None:
        """See `DeploymentStore`."""
        self._check()
        self._inner.keep_notices(kept)

    def forget_notice(self, notice_id: str) -> None:
        """See `DeploymentStore`."""
        self._check()
        self._inner.forget_notice(notice_id)

    def close(self) -> None:
        """See `DeploymentStore`."""
