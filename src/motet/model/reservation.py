"""Reservations: what a cluster is asked to keep for containers, before it is known on which of its nodes."""

from __future__ import annotations

import msgspec

from motet.model.gpu import Gpu, GpuRequest
from motet.model.limits import Name


class RoomAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Room for one container: `cpu` (cores), `memory_mib`, GPUs in order of preference, what else nodes have by name, and
    labels that the node is to have. Hashable: what is alike is asked for together."""

    cpu: float = 0.0
    memory_mib: int = 0
    gpu: tuple[GpuRequest, ...] = ()
    resources: tuple[tuple[Name, float], ...] = ()
    labels: tuple[tuple[Name, Name], ...] = ()


class HostUse(msgspec.Struct, frozen=True, kw_only=True):
    """What containers have of a host: of GPUs, their UUIDs."""

    cpu: float = 0.0
    memory_mib: int = 0
    gpus: frozenset[str] = frozenset()
    resources: dict[str, float] = msgspec.field(default_factory=dict)


class RoomGranted(msgspec.Struct, frozen=True, kw_only=True):
    """Where a cluster keeps what was asked for, and which GPUs that is."""

    host_id: str
    gpus: tuple[Gpu, ...] = ()
