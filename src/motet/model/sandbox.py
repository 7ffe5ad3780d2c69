"""What a sandbox is: the command that it runs, and what is told of it while it runs and after its end."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from motet.model.function import Resources
from motet.model.hidden import hides_secrets
from motet.model.image import ImageSpec
from motet.model.isolation import Isolation
from motet.model.limits import Moment, Name

DEFAULT_TIMEOUT = 300.0
MAX_TIMEOUT = 24 * 3600.0
MAX_ARGUMENT_BYTES = 128 * 1024
"""Of a command with all its arguments, as one system call takes them in any case."""
MAX_TAGS = 50
MAX_CHUNK_BYTES = 1024 * 1024
"""Of a file, or of what goes into or comes out of a process, in one message."""
MAX_ENVIRONMENT_BYTES = 512 * 1024

MAIN = ""
"""The id of the process that a sandbox was created with: its end is the sandbox's."""

PREFIX = "sb-"
"""How ids of sandboxes begin; a sandbox is known to its backend by the same id."""

TIMED_OUT = 124
TERMINATED = 137
"""Codes of sandboxes that did not end by themselves, as in Modal."""
EXEC_TIMED_OUT = -1
"""The code of a process that ran longer than its own `timeout`, as in Modal."""

Argument = Annotated[str, msgspec.Meta(max_length=MAX_ARGUMENT_BYTES)]
Chunk = Annotated[bytes, msgspec.Meta(max_length=MAX_CHUNK_BYTES)]
Path = Annotated[str, msgspec.Meta(max_length=4096)]
Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Size = Annotated[int, msgspec.Meta(ge=0, le=2**62)]

SandboxEnd = Literal["", "exited", "timeout", "idle", "terminated", "lost"]
"""How a sandbox ended: its command did, its `timeout` or `idle_timeout` was over, somebody ended it, or its process is gone.
Empty while it runs."""


class PtySize(msgspec.Struct, array_like=True, frozen=True):
    """Of a terminal."""

    rows: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 24
    columns: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 80


@hides_secrets
class ProcessSpec(msgspec.Struct, array_like=True, frozen=True):
    """A command to run in a sandbox. `workdir`: empty: the sandbox's. `env` comes on top of the sandbox's. `timeout`: seconds
    it may run; None: as long as the sandbox. `pty`: it gets a terminal of this size. `keeps_stdout`: somebody will read it."""

    command: tuple[Argument, ...]
    workdir: Path = ""
    env: dict[str, str] = {}
    timeout: Moment | None = None
    pty: PtySize | None = None
    keeps_stdout: bool = True
    keeps_stderr: bool = True


@hides_secrets
class SandboxSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A sandbox as it was asked for.
    `command`: empty: none, the sandbox waits for commands until its end. `workdir`: empty: a
    directory of its own. `idle_timeout`: seconds without a command of `exec`, or input, after which it ends. `env`: what it has
    besides PATH, HOME and the like. `isolation`: None: what the server says."""

    command: tuple[Argument, ...] = ()
    timeout: Moment = DEFAULT_TIMEOUT
    idle_timeout: Moment | None = None
    workdir: Path = ""
    env: dict[str, str] = msgspec.field(default_factory=dict)
    name: Name = ""
    tags: dict[str, str] = msgspec.field(default_factory=dict)
    resources: Resources = Resources()
    image: ImageSpec = ImageSpec()
    isolation: Isolation | None = None
    block_network: bool = False
    encrypted_ports: tuple[Port, ...] = ()
    unencrypted_ports: tuple[Port, ...] = ()
    pty: PtySize | None = None
    h2_ports: tuple[Port, ...] = ()


class SandboxView(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to see of a sandbox. `began_at`, `ended_at`: wall clock. `ended_at`, `returncode`: None while it runs.
    `reason`: of its end, in words."""

    sandbox_id: str
    app_id: str
    app_name: str
    name: str
    tags: dict[str, str]
    command: tuple[str, ...]
    isolation: str
    began_at: float
    timeout: float
    ended: SandboxEnd = ""
    ended_at: float | None = None
    returncode: int | None = None
    reason: str = ""
    encrypted_ports: tuple[int, ...] = ()
    unencrypted_ports: tuple[int, ...] = ()
    h2_ports: tuple[int, ...] = ()


FileKind = Literal["file", "directory", "symlink", "other"]


class SandboxFile(msgspec.Struct, array_like=True, frozen=True):
    """A file or directory in a sandbox. `modified_at`: wall clock of its machine."""

    name: str
    path: str
    kind: FileKind
    size: int
    mode: int
    owner: str
    group: str
    modified_at: float
    target: str | None = None


FileChange = Literal["Access", "Create", "Modify", "Remove", "Unknown"]


class SandboxFileChanged(msgspec.Struct, array_like=True, frozen=True):
    """Something that happened to a file that is watched; two paths where it was renamed."""

    kind: FileChange
    paths: tuple[str, ...]
