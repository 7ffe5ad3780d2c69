"""Keeps containers within their limits: by the kernel where it can, and else by looking at them again and again."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path

from motet.backends.base import used_more
from motet.backends.walls.cgroups import ControlGroup, ControlGroups
from motet.backends.walls.usage import disk_of, memory_of
from motet.model.isolation import Limits

logger = logging.getLogger("motet.server")

INTERVAL = 0.5
"""Seconds between two looks."""


class _LimitedContainer:
    """One that has limits. `went_over`: what it took too much of, in words."""

    __slots__ = ("directory", "group", "limits", "pid", "went_over")

    def __init__(self, directory: Path, limits: Limits, group: ControlGroup | None) -> None:
        self.directory = directory
        self.limits = limits
        self.group = group
        self.pid: int | None = None
        self.went_over: str | None = None


class LimitKeeper:
    """Of one backend. `kill` ends a container; called on the loop's thread."""

    def __init__(self, kill: Callable[[str], None], groups: ControlGroups | None = None) -> None:
        self._kill = kill
        self._found_groups: ControlGroups | None = groups
        self._containers: dict[str, _LimitedContainer] = {}
        self._prepared: dict[str, ControlGroup | None] = {}
        """Groups that wait for a container, by their names."""
        self._watching: asyncio.Task[None] | None = None
        self._left: list[ControlGroup] = []
        self._has_told = False

    @property
    def _groups(self) -> ControlGroups:
        """Looked for when the first container has limits."""
        if self._found_groups is None:
            self._found_groups = ControlGroups()
            self._found_groups.remove_left(time.time())
        return self._found_groups

    def prepare(self, name: str, limits: Limits) -> tuple[str, ...]:
        """A container with these limits may start later, in the group of this name; the files that it has to write "0" to.
        Raises `OSError`."""
        if limits == Limits():
            return ()
        group = self._prepared[name] = self._groups.make(name, limits)
        return () if group is None else group.joins

    def give_up(self, name: str) -> None:
        """No container starts in the group of this name."""
        group = self._prepared.pop(name, None)
        if group is not None and not group.remove():
            self._left.append(group)

    def admit(self, container_id: str, directory: Path, limits: Limits, prepared: str | None = None) -> tuple[str, ...]:
        """A container is to start; the files that it has to write "0" to before it takes anything. `prepared`: the name of its
        group, if that was made before. Raises `OSError`."""
        if limits == Limits():
            return ()
        if prepared is None:
            group = self._groups.make(container_id, limits)
        else:
            group = self._prepared.pop(prepared)
            if group is not None and not group.is_there:  # others take it for left behind once it is empty
                group = self._groups.make(prepared, limits)
        self._containers[container_id] = _LimitedContainer(directory, limits, group)
        self._tell_what_is_not_kept(limits)
        if self._watching is None and self._is_watched(limits):
            self._watching = asyncio.get_running_loop().create_task(self._watch())
        return () if group is None else group.joins

    def started(self, container_id: str, pid: int) -> None:
        """Its process is there."""
        if (container := self._containers.get(container_id)) is not None:
            container.pid = pid

    def ended(self, container_id: str) -> str | None:
        """It has ended; why, if that was for going over a limit."""
        container = self._containers.pop(container_id, None)
        if container is None:
            return None
        went_over = container.went_over or _out_of_memory(container)
        if container.group is not None and not container.group.remove():
            self._left.append(container.group)
        self._remove_left()
        return went_over

    def close(self) -> None:
        """All containers have ended."""
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None
        self._remove_left()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL)
            self._remove_left()
            await self.look()
            if not any(self._is_watched(each.limits) for each in self._containers.values()):
                self._watching = None
                return

    async def look(self) -> None:
        """End those that take too much now."""
        for container_id, container in list(self._containers.items()):
            if container.went_over is None and self._is_watched(container.limits):
                over = await asyncio.to_thread(self._over, container)
                if over is not None and container_id in self._containers:
                    container.went_over = over
                    self._kill(container_id)

    def _is_watched(self, limits: Limits) -> bool:
        return limits.disk is not None or limits.memory is not None

    def _over(self, container: _LimitedContainer) -> str | None:
        limits = container.limits
        if (killed := _out_of_memory(container)) is not None:
            return killed
        in_group = container.group is not None and "memory" in container.group.by_kind
        most, pid = limits.memory, container.pid
        if most is not None and pid is not None and not in_group and memory_of(pid) > most:
            return used_more(most, "memory")
        if limits.disk is not None and disk_of(container.directory, pid) > limits.disk:
            return used_more(limits.disk, "disk")
        return None

    def _tell_what_is_not_kept(self, limits: Limits) -> None:
        if limits.cpu is not None and "cpu" not in self._groups.kept and not self._has_told:
            self._has_told = True
            logger.warning("this machine gives no control groups to this user, so that limits of cores are not kept")

    def _remove_left(self) -> None:
        self._left = [group for group in self._left if not group.remove()]


def _out_of_memory(container: _LimitedContainer) -> str | None:
    """Something in it was killed for want of memory: the kernel says no more than that."""
    if container.group is None or container.limits.memory is None or not container.group.ran_out_of_memory:
        return None
    return used_more(container.limits.memory, "memory")
