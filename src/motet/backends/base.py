"""The seam to a place where containers run: what the server asks of it, and what it reports back.

A backend starts containers, says what they write and how they end, and kills them; it knows nothing of functions or
inputs. Server and containers need share no memory, disk or clock: a container is given an address and a token, and
connects by itself.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from motet.model.gpu import FoundGpus
from motet.model.hidden import hides_secrets
from motet.model.host import OWN_HOST, HostSpec
from motet.model.isolation import NO_LIMITS, Isolation, Limits
from motet.model.template import PLAIN_TEMPLATE, TemplateSpec

Stream = Literal["stdout", "stderr"]

NOT_STARTED = 71
"""The code of a container that could not be started (`EX_OSERR` of sysexits.h)."""


@hides_secrets
@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A container to start. `address` is "unix:/path" or "tcp:host:port"; `env` is its complete environment. `note`: what
    whoever owns it next is to know, if the backend outlives its owner. `template`: what it is forked from; the backend starts
    that when it is first needed, and ends it when nobody has needed it for a while. `entry`:
    "module:function" that it runs, in place of a container that serves a function. `host`: where, if there are several.
    `paths`: files and directories of the program, which are to be there; `bundle`: the digest of its source, which another
    host gets first."""

    container_id: str
    address: str
    token: str
    env: dict[str, str]
    note: bytes = b""
    template: TemplateSpec = PLAIN_TEMPLATE
    limits: Limits = NO_LIMITS
    entry: str = ""
    host: str = OWN_HOST
    paths: tuple[str, ...] = ()
    bundle: str = ""


@hides_secrets
@dataclass(frozen=True, slots=True)
class HeldContainer:
    """A container that a backend had when its owner came: with the note of who started it, and the last of what it has written
    since that one went."""

    container_id: str
    note: bytes
    frozen: bool
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerEnd:
    """How a container ended: an exit status, or minus the number of the signal that killed it.

    `reason` is what the backend knows beyond the code: why a container could not be started, or was lost. `blameless`:
    nothing in it can be the cause, such as where all containers of a place went with it.
    """

    container_id: str
    code: int
    reason: str | None = None
    blameless: bool = False

    @property
    def description(self) -> str:
        """In words, to follow "the container": "exited with status 3", "was killed by signal 9 (SIGKILL)"."""
        return self.reason or describe_exit(self.code)


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateEnd:
    """How a template ended. `pid`: of its process. `is_lost`: nobody ended it; otherwise nobody has needed it."""

    pid: int
    reason: str
    is_lost: bool


def encoded_env(env: Mapping[str, str]) -> dict[bytes, bytes]:
    """An environment as the bytes that it is for the system: names and values need not be UTF-8."""
    return {os.fsencode(name): os.fsencode(value) for name, value in env.items()}


def describe_exit(code: int) -> str:
    """The words for an exit code as `os.waitstatus_to_exitcode` gives it."""
    if code >= 0:
        return f"exited with status {code}"
    try:
        return f"was killed by signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"was killed by signal {-code}"


def used_more(limit: int, what: str) -> str:
    """Why a container was ended that took more bytes of something than it may, to follow "the container"."""
    return f"used more than its {limit / 2**20:g} MiB of {what}, and was ended"


class Reports(Protocol):
    """What a backend tells its owner. Called on the loop's thread, one at a time, never from within `start_nowait`
    or `kill_nowait`; a report may call these itself."""

    def container_output(self, container_id: str, stream: Stream, data: bytes) -> None:
        """Bytes a container wrote, in the order written within one stream; chunks end anywhere, also within a line."""

    def container_frozen(self, container_id: str) -> None:
        """The container's process was stopped from outside (SIGSTOP): it lives, and nothing in it runs.

        Never twice without `container_thawed` in between; stopping and going on at once may pass unreported. A backend
        that cannot know does not report it.
        """

    def container_thawed(self, container_id: str) -> None:
        """A frozen container runs again. One that ends while it is frozen is reported as ended only."""

    def container_ended(self, ended: ContainerEnd) -> None:
        """The last report about a container, exactly one for each `start_nowait`; all of its output came before."""

    def backend_silent(self, reason: str) -> None:
        """What has the containers, another process than this one, does not answer. They may live, and may be lost soon."""

    def backend_heard(self) -> None:
        """It answers again, after `backend_silent`. Not said if it was lost."""

    def template_ended(self, ended: TemplateEnd) -> None:
        """One template is gone. Every container that it had was reported as ended before this; those of other templates are not
        affected, and the next start begins anew. Not reported of those that `close` ends."""

    def backend_lost(self, reason: str) -> None:
        """What ran all the containers is gone. Every container it had was reported as ended before this.

        The backend stays usable: the next start begins anew. Containers started since are not affected.
        """


class HostReports(Reports, Protocol):
    """What a backend that has several hosts tells besides."""

    def host_joined(self, host: HostSpec) -> None:
        """A machine has come that containers may be started on."""

    def host_changed(self, host: HostSpec) -> None:
        """It has more or less than before, leaves, does not answer, or does again."""

    def host_lost(self, host_id: str, reason: str) -> None:
        """It is gone ("has not answered for 5 s"), with all its containers: nothing is reported of these any more."""


class Backend(Protocol):
    """Starts and kills containers. All methods are called on the thread of one running loop, `open` first."""

    async def open(self, reports: Reports) -> None:
        """Get ready to start containers. Raises `ServiceError` if this place cannot run any."""

    def lacks(self, isolation: Isolation) -> str | None:
        """Why containers cannot be started on this isolation level here, and what to do; None if they can. May take 10 ms."""
        ...

    async def find_gpus(self) -> FoundGpus:
        """The GPUs there are now for containers to be given. A container whose environment names some of them by UUID in
        CUDA_VISIBLE_DEVICES sees those alone. May take seconds, during which containers start and end; never raises."""
        ...

    def start_nowait(self, launch: Launch) -> None:
        """Begin to start a container, and return at once.

        A container that cannot be started is reported as ended with code `NOT_STARTED` and the reason. Raises
        `InternalError` if the backend is not open, or has a container of that id.
        """

    def kill_nowait(self, container_id: str) -> None:
        """Begin to end a container and everything it started, without warning. `container_ended` follows.

        Idempotent; ids that are unknown or have ended are ignored.
        """

    def report_output_nowait(self, container_id: str) -> None:
        """Report what a container has written until now, from within this call.

        All that it had written before it did something that the caller knows of. Cheap: it is asked for at most inputs.
        Ids that are unknown or have ended are ignored.
        """

    def silence(self) -> float | None:
        """Seconds for which the process that has the containers has not answered; None if it is this one, or is not there."""
        ...

    async def close(self) -> None:
        """Kill all containers and wait until they are gone, each reported as ended. Idempotent; never raises."""
