"""Hosts as values: what a machine that runs containers has, and what a container asks of one."""

from __future__ import annotations

import msgspec

from motet.model.gpu import Gpu, GpuRequest
from motet.model.limits import Name

OWN_HOST = ""
"""The id of the server's own machine."""


class HostSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A machine that runs containers beside the server's own. `cpu` (cores), `memory_mib` and `resources` (whatever its owner
    counts, by name) are what containers on it may ask for together, None: it does not count that; `containers`, how many may
    be there at the same time. `labels` say what it is like. `leaving`: why it gets no more containers and those that it has are
    to end soon; `silent`: why it is not known to be there; both are empty of one that is well."""

    host_id: Name
    cpu: float | None = None
    memory_mib: int | None = None
    gpus: tuple[Gpu, ...] = ()
    resources: dict[Name, float] = msgspec.field(default_factory=dict)
    labels: dict[Name, Name] = msgspec.field(default_factory=dict)
    containers: int | None = None
    leaving: str = ""
    silent: str = ""

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


def why_not_a_host(host: HostSpec) -> str:
    """What is wrong with what a machine says of itself; empty: nothing."""
    amounts = (host.cpu, host.memory_mib, host.containers, *host.resources.values())
    if not host.host_id or len(host.host_id) > 255 or not host.host_id.isprintable():
        return "a host has a name, of at most 255 printable characters (--name)"
    if not all(each is None or 0 <= each < 2**53 for each in amounts):  # NaN is not in there
        return f"host {host.host_id}: what it has are amounts from 0 on"
    if max(len(host.labels), len(host.resources), len(host.gpus)) > MOST_WORDS:
        return f"host {host.host_id}: it may have {MOST_WORDS} labels, resources and GPUs each, and not more"
    if len({gpu.uuid for gpu in host.gpus}) != len(host.gpus):
        return f"host {host.host_id}: two of its GPUs have the same UUID"
    return ""


def gpus_in_words(requests: tuple[GpuRequest, ...]) -> str:
    """What is asked for, in order of preference: "2 x H100 or 1 x L4"."""
    return " or ".join(
        f"{request.count:g} x {request.kind}{f'-{request.memory_gb}GB' if request.memory_gb else ''}"
        f"{'!' if request.exact else ''}"
        for request in requests
    )
