"""The deployments of a server that ends with its program."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from motet.model.deployment import DeploymentView
from motet.store.base import KeptDeployment, KeptNotice, KeptSchedule


class MemoryDeployments:
    """See `DeploymentStore`."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, int], KeptDeployment] = {}
        self._schedules: dict[tuple[str, str], KeptSchedule] = {}
        self._notices: dict[str, KeptNotice] = {}

    def add(self, kept: KeptDeployment) -> None:
        """See `DeploymentStore`."""
        self._kept[kept.view.name, kept.view.version] = kept

    def change(self, views: Sequence[DeploymentView]) -> None:
        """See `DeploymentStore`."""
        for view in views:
            key = view.name, view.version
            self._kept[key] = msgspec.structs.replace(self._kept[key], view=view)

    def history(self, name: str) -> list[DeploymentView]:
        """See `DeploymentStore`."""
        return [kept.view for (owner, _), kept in reversed(self._kept.items()) if owner == name]

    def find(self, name: str, version: int) -> KeptDeployment | None:
        """See `DeploymentStore`."""
        return self._kept.get((name, version))

    def serving(self) -> list[KeptDeployment]:
        """See `DeploymentStore`."""
        return [kept for kept in self._kept.values() if kept.view.is_here]

    def bundles(self, keep_versions: int | None) -> set[str]:
        """See `DeploymentStore`."""
        needed: set[str] = set()
        for name in {name for name, _ in self._kept}:
            for place, view in enumerate(self.history(name)):
                if view.is_here or keep_versions is None or place < keep_versions:
                    needed.add(view.bundle)
        return needed

    def last(self, name: str) -> int:
        """See `DeploymentStore`."""
        return max((version for owner, version in self._kept if owner == name), default=0)

    def schedules(self) -> list[KeptSchedule]:
        """See `DeploymentStore`."""
        return list(self._schedules.values())

    def keep_schedule(self, kept: KeptSchedule) -> None:
        """See `DeploymentStore`."""
        self._schedules[kept.app, kept.function] = kept

    def notices(self) -> list[KeptNotice]:
        """See `DeploymentStore`."""
        return list(self._notices.values())

    def keep_notices(self, kept: Sequence[KeptNotice]) -> None:
        """See `DeploymentStore`."""
        for each in kept:
            self._notices.setdefault(each.id, each)

    def forget_notice(self, notice_id: str) -> None:
        """See `DeploymentStore`."""
        self._notices.pop(notice_id, None)

    def close(self) -> None:
        """See `DeploymentStore`."""
