"""Limits that the kernel keeps: a control group for each container that has some, of version 1 or 2, as the machine has it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from motet.model.isolation import Limits

_PERIOD = 100_000
"""Microseconds in which a container may use so much of a core."""
_NAME = "motet"
LEFT_AFTER = 120.0
"""Seconds after which a group without processes belongs to nobody any more."""


class ControlGroups:
    """Those of this machine, which `root` has (tests have their own). What cannot be made is not there: see `kept`."""

    def __init__(self, root: Path = Path("/sys/fs/cgroup"), own: str | None = None) -> None:
        """`own`: what /proc/self/cgroup says."""
        self._root = root
        self._is_v2 = (root / "cgroup.controllers").exists()
        self._own = own if own is not None else _read(Path("/proc/self/cgroup"))
        self._places = self._found()

    @property
    def kept(self) -> frozenset[str]:
        """What the kernel limits here: "memory", "cpu", "pids"."""
        return frozenset(self._places)

    def make(self, name: str, limits: Limits) -> ControlGroup | None:
        """A group with these limits, as far as they can be kept; None if there is nothing to limit. Raises `OSError`."""
        wanted = {kind: place for kind, place in self._places.items() if getattr(limits, kind) is not None}
        if not wanted:
            return None
        group = ControlGroup({kind: place / name for kind, place in wanted.items()})
        try:
            for directory in group.directories:
                directory.mkdir(exist_ok=True)
            for kind, directory in group.by_kind.items():
                self._limit(kind, directory, limits)
        except OSError:
            group.remove()
            raise
        return group

    def remove_left(self, now: float) -> None:
        """Remove groups in which nothing runs, of backends that were killed before they could. `now`: wall clock. A group may
        be empty because its container is about to start: those are younger."""
        for place in set(self._places.values()):
            for group in [*place.iterdir()]:
                with contextlib.suppress(OSError):  # something runs there, or it is no group
                    if now - group.stat().st_mtime > LEFT_AFTER:
                        group.rmdir()

    def _limit(self, kind: str, directory: Path, limits: Limits) -> None:
        if kind == "memory":
            assert limits.memory is not None
            if self._is_v2:
                _write(directory / "memory.max", limits.memory)
                _try(directory / "memory.swap.max", 0)
                _try(directory / "memory.oom.group", 1)
            else:
                _write(directory / "memory.limit_in_bytes", limits.memory)
                _try(directory / "memory.memsw.limit_in_bytes", limits.memory)
        elif kind == "cpu":
            assert limits.cpu is not None
            quota = max(int(limits.cpu * _PERIOD), 1000)
            if self._is_v2:
                _write(directory / "cpu.max", f"{quota} {_PERIOD}")
            else:
                _write(directory / "cpu.cfs_period_us", _PERIOD)
                _write(directory / "cpu.cfs_quota_us", quota)
        else:
            _write(directory / "pids.max", limits.pids)

    def _found(self) -> dict[str, Path]:
        """Where groups for each kind of limit can be made."""
        kinds = ("memory", "cpu", "pids")
        if not self._is_v2:
            places = {kind: self._root / kind / _NAME for kind in kinds if (self._root / kind / "tasks").exists()}
            return {kind: place for kind, place in places.items() if _can_have(place)}
        place = self._root / self._below() / _NAME
        if not _can_have(place):
            return {}
        # Each group says what those below it have.
        controls = [directory / "cgroup.subtree_control" for directory in (place.parent, place)]
        return {kind: place for kind in kinds if all(_try(control, f"+{kind}") for control in controls)}

    def _below(self) -> str:
        """Of version 2: the group below which this user may make some. Root may everywhere."""
        if os.geteuid() == 0:
            return ""
        unified = [line for line in self._own.splitlines() if line.startswith("0::")]
        return unified[0][3:].strip("/") if unified else ""


class ControlGroup:
    """That of one container: a directory for each kind of limit; of version 2 they are one."""

    def __init__(self, by_kind: dict[str, Path]) -> None:
        self.by_kind = by_kind
        self.directories = tuple(dict.fromkeys(by_kind.values()))

    @property
    def joins(self) -> tuple[str, ...]:
        """The files that a process writes "0" to, to be in it with all that it starts."""
        return tuple(str(directory / "cgroup.procs") for directory in self.directories)

    @property
    def is_there(self) -> bool:
        """Whether nobody has removed it."""
        return all(directory.exists() for directory in self.directories)

    @property
    def ran_out_of_memory(self) -> bool:
        """Whether the kernel has killed something in it for that."""
        directory = self.by_kind.get("memory")
        if directory is None:
            return False
        text = _read(directory / "memory.events") or _read(directory / "memory.oom_control")
        return any(line.startswith("oom_kill ") and line.split()[1] != "0" for line in text.splitlines())

    def remove(self) -> bool:
        """Its container has ended; whether it is gone. Processes that die just now keep it a little longer."""
        for directory in self.directories:
            with contextlib.suppress(OSError):
                directory.rmdir()
        return not any(directory.exists() for directory in self.directories)


def _can_have(place: Path) -> bool:
    try:
        place.mkdir(exist_ok=True)
    except OSError:
        return False
    return os.access(place, os.W_OK)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _write(path: Path, value: object) -> None:
    path.write_text(str(value))


def _try(path: Path, value: object) -> bool:
    try:
        path.write_text(str(value))
    except OSError:
        return False
    return True
