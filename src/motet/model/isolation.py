"""Walls around containers, and how much each may take."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

Isolation = Literal["process", "bubblewrap", "oci"]
"""How far containers are kept from the machine and from each other. Users know it as the *isolation level*."""

LEAST_MEMORY_MIB = 64
"""Of a limit of memory."""
LEAST_CPU = 0.05
"""Of a limit of cores."""
PIDS_WITHIN_WALLS = 1024
"""Processes and threads that a container within walls may have."""

FIRST_APP_USER = 0x78000000
APP_USERS = 0x07FFFFFF
"""How many there are, beyond users, what systemd hands out, and containers that other programs run."""


def is_app_user(uid: int) -> bool:
    """Whether it is a user that an app has of its own."""
    return FIRST_APP_USER <= uid < FIRST_APP_USER + APP_USERS


def no_snapshots(functions: Iterable[str], isolation: Isolation) -> str:
    """That functions which ask for memory snapshots have none on this level, which they did not choose themselves."""
    return (
        f"enable_memory_snapshot has no effect on the isolation level {isolation!r} (for {', '.join(functions)}): containers "
        "there are forked from a process in which no code of theirs has run"
    )


def is_below(path: str, directories: Iterable[str]) -> bool:
    """Whether it is one of these directories, or lies in one."""
    return any(path == each or path.startswith(f"{each}/") for each in directories)


class Mount(msgspec.Struct, frozen=True, kw_only=True):
    """A file or directory of the host that containers see, under the same or another path."""

    source: str
    target: str
    writable: bool = False


class Walls(msgspec.Struct, frozen=True, kw_only=True):
    """What containers see of the machine, and as whom. `mounts`, in order: on top of what the level shows by itself. `uid`:
    None is that of whoever starts them. `hidden`: directories that nobody is to see, where they lie below what is shown.
    `gpus`: with the devices of GPUs."""

    isolation: Isolation = "process"
    mounts: tuple[Mount, ...] = ()
    network: bool = True
    uid: int | None = None
    hidden: tuple[str, ...] = ()
    gpus: bool = False

    @property
    def own_user(self) -> int | None:
        """The user of its app that a process without other walls becomes."""
        return self.uid if self.isolation == "process" else None


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much one container may take at most; None is not limited. `cpu` counts cores, `memory` and `disk` bytes, `pids`
    processes and threads."""

    cpu: float | None = None
    memory: int | None = None
    pids: int | None = None
    disk: int | None = None


NO_LIMITS = Limits()
