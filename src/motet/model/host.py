"""Hosts as values: what a machine that runs containers has, and what a container asks of one."""

from __future__ import annotations

import posixpath
from typing import Literal

import msgspec

from motet.model.gpu import Gpu, GpuRequest
from motet.model.limits import Name

Placing = Literal["pack", "spread"]
"""How hosts are chosen: those that are in use, or those with the fewest containers of the function."""

OWN_HOST = ""
"""The id of the server's own machine."""


class HostSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A machine that runs containers beside the server's own. `cpu` (cores), `memory_mib` and `resources` (whatever its owner
    counts, by name) are what containers on it may ask for together, None: it does not count that; `containers`, how many may
    be there at the same time. `labels` say what it is like. `leaving`: why it gets no more containers and those that it has are
    to end soon; `silent`: why it is not known to be there; both are empty of one that is well. `bundles`: the directory in
    which bundles lie there, each under its digest; empty: it takes none. `without`: bundles that it could not have, by
    digest, and why."""

    host_id: Name
    cpu: float | None = None
    memory_mib: int | None = None
    gpus: tuple[Gpu, ...] = ()
    resources: dict[Name, float] = msgspec.field(default_factory=dict)
    labels: dict[Name, Name] = msgspec.field(default_factory=dict)
    containers: int | None = None
    leaving: str = ""
    silent: str = ""
    bundles: str = ""
    without: dict[Name, str] = msgspec.field(default_factory=dict)

    @property
    def takes_containers(self) -> bool:
        """Whether containers may be started there now."""
        return not self.leaving and not self.silent


class HostView(msgspec.Struct, frozen=True, kw_only=True):
    """A host as the outside sees it, with what its containers have of it."""

    host: HostSpec
    containers: int
    starting: int
    cpu: float
    memory_mib: int
    gpus: float


MOST_WORDS = 256
"""Labels, resources and GPUs of one host, of each."""


MOST_REASON = 1024
"""Characters of why a host could not have something."""


def _is_plain_directory(path: str) -> bool:
    """Whether it is an absolute path that leads where it seems to."""
    return path.isprintable() and len(path) <= 1024 and posixpath.isabs(path) and posixpath.normpath(path) == path


def why_not_a_host(host: HostSpec) -> str:
    """What is wrong with what a machine says of itself; empty: nothing."""
    amounts = (host.cpu, host.memory_mib, host.containers, *host.resources.values())
    if not host.host_id or len(host.host_id) > 255 or not host.host_id.isprintable():
        return "a host has a name, of at most 255 printable characters (--name)"
    if not all(each is None or 0 <= each < 2**53 for each in amounts):  # NaN is not in there
        return f"host {host.host_id}: what it has are amounts from 0 on"
    if max(len(host.labels), len(host.resources), len(host.gpus), len(host.without)) > MOST_WORDS:
        return f"host {host.host_id}: it may have {MOST_WORDS} labels, resources and GPUs each, and not more"
    if len({gpu.uuid for gpu in host.gpus}) != len(host.gpus):
        return f"host {host.host_id}: two of its GPUs have the same UUID"
    return _why_no_bundles(host)


def _why_no_bundles(host: HostSpec) -> str:
    if host.bundles and not _is_plain_directory(host.bundles):
        return f"host {host.host_id}: the directory of its bundles is to be absolute, and is {host.bundles[:256]!r}"
    if any(len(why) > MOST_REASON for why in host.without.values()):
        return f"host {host.host_id}: why it lacks a bundle takes more than {MOST_REASON} characters"
    return ""


def gpus_in_words(requests: tuple[GpuRequest, ...]) -> str:
    """What is asked for, in order of preference: "2 x H100 or 1 x L4"."""
    return " or ".join(
        f"{request.count:g} x {request.kind}{f'-{request.memory_gb}GB' if request.memory_gb else ''}"
        f"{'!' if request.exact else ''}"
        for request in requests
    )
