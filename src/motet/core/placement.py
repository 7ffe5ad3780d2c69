"""Which host gets a container: from what it asks for, and from what each host has and has given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from msgspec.structs import replace

from motet.core.devices import Grant, Requests
from motet.core.devices import place as place_devices
from motet.model.function import Resources
from motet.model.host import OWN_HOST, HostSpec, gpus_in_words
from motet.model.reservation import RoomAsked

Where = Literal["pack", "spread"]

_PARTS = 10_000
"""Amounts are added up as whole numbers of parts: sums of floats drift."""

_UNASKED = _PARTS
"""What a container weighs that asks for no CPU: a core, as far as choosing goes. It may be started where none is free."""


def _parts(amount: float) -> int:
    return round(amount * _PARTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What one container asks of its host. `cpu` and `resources` are in parts of 1/10,000; 0: whatever is left.
    `own_host`: it runs on the server's own machine alone. `bundle`: what it needs the source of."""

    cpu: int = 0
    memory_mib: int = 0
    gpu: Requests = ()
    resources: Mapping[str, int] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    where: Where = "pack"
    own_host: bool = False
    bundle: str = ""

    @classmethod
    def of(cls, resources: Resources, *, own_host: bool = False, bundle: str = "", unasked_cpu: float = 0.0) -> Need:
        """That of each container of a function. Of a request and a limit, the request is reserved. `unasked_cpu`: cores for who
        asks for none."""
        cpu = resources.cpu[0] if isinstance(resources.cpu, tuple) else resources.cpu
        memory = resources.memory_mib[0] if isinstance(resources.memory_mib, tuple) else resources.memory_mib
        cpu, memory, gpu = _parts(cpu or unasked_cpu), memory or 0, resources.gpu
        return cls(
            cpu=cpu,
            memory_mib=memory,
            gpu=gpu,
            resources={name: _parts(amount) for name, amount in resources.custom},
            labels=dict(resources.labels),
            where=resources.placement,
            own_host=own_host,
            bundle=bundle,
        )

    @property
    def weight(self) -> int:
        """How much of a host it is taken to keep busy, in parts of a core."""
        return self.cpu or _UNASKED

    @property
    def asked(self) -> RoomAsked:
        """What a cluster is asked to reserve for it."""
        return RoomAsked(
            cpu=self.cpu / _PARTS,
            memory_mib=self.memory_mib,
            gpu=self.gpu,
            resources=tuple(sorted((name, amount / _PARTS) for name, amount in self.resources.items())),
            labels=tuple(sorted(self.labels.items())),
        )

    def __str__(self) -> str:
        asked = [
            gpus_in_words(self.gpu),
            f"{self.cpu / _PARTS:g} CPU" if self.cpu else "",
            f"{self.memory_mib} MiB of memory" if self.memory_mib else "",
            *(f"{amount / _PARTS:g} x {name}" for name, amount in self.resources.items()),
            *(f"the label {name}={value}" for name, value in self.labels.items()),
        ]
        words = ", ".join(filter(None, asked)) or "a container"
        return (
            f"{words} on the server's own machine (its files or walls are not on other hosts)"
            if self.own_host
            else words
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A host, and what its containers have: in parts, and of each GPU by its UUID. `alike`: how many of them are of the
    function that asks. `starts`: how many more may start now, None: any number. `cores`: what to weigh it by if it does not
    count CPU."""

    host: HostSpec
    containers: int = 0
    weight: int = 0
    cpu: int = 0
    memory_mib: int = 0
    resources: Mapping[str, int] = field(default_factory=dict)
    gpus: Mapping[str, float] = field(default_factory=dict)
    alike: int = 0
    starts: int | None = None
    cores: float | None = None

    @property
    def is_full(self) -> bool:
        """It may have no more containers, whatever they ask for."""
        return self.host.containers is not None and self.containers >= self.host.containers

    def lacks(self, need: Need) -> bool:
        """Whether the source of such a container cannot be had on another host than the server's own machine."""
        return not self.host.bundles or need.bundle in self.host.without

    def fits(self, need: Need) -> bool:
        """Whether there is enough left of all but GPUs."""
        host = self.host
        return (
            (host.host_id == OWN_HOST or not (need.own_host or (need.bundle and self.lacks(need))))
            and (host.cpu is None or self.cpu + need.cpu <= _parts(host.cpu))
            and (host.memory_mib is None or self.memory_mib + need.memory_mib <= host.memory_mib)
            and all(
                self.resources.get(name, 0) + amount <= _parts(host.resources.get(name, 0.0))
                for name, amount in need.resources.items()
            )
            and all(host.labels.get(name) == value for name, value in need.labels.items())
        )

    def load_with(self, need: Need) -> float:
        """How busy it would be, 1.0 being a container that keeps it busy for each core."""
        cores = self.cores if self.host.cpu is None else self.host.cpu
        if cores:
            return (self.weight + need.weight) / _parts(cores)
        return (self.containers + 1) / (self.host.containers or 1_000)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a container goes, with which devices."""

    host_id: str
    grant: Grant


def place(need: Need, rooms: Sequence[Room], *, beyond: bool = False) -> Placement | None:
    """The host that a container is started on now; None: it must wait. `beyond`: it may be one container too many there.

    Of GPUs the first request that any host can meet counts. Of the hosts that will do, one without GPUs comes first for who
    asks for none. Then: a host that is in use before one that is not, the busiest first while each container has a core, the
    least busy one when none has (`pack`); or the one with fewest containers of that function, then the least busy (`spread`).
    Equals go by their order.
    """
    fitting = [
        room
        for room in rooms
        if room.host.takes_containers and room.starts != 0 and (beyond or not room.is_full) and room.fits(need)
    ]
    if need.gpu:
        for request in need.gpu:
            granted = [
                (room, grant)
                for room in fitting
                if (grant := place_devices((request,), room.host.gpus, room.gpus)) is not None
            ]
            if granted:
                room, grant = min(granted, key=lambda pair: _rank(need, pair[0]))
                return Placement(room.host.host_id, grant)
        return None
    if not fitting:
        return None
    return Placement(min(fitting, key=lambda room: _rank(need, room)).host.host_id, Grant((), 1.0))


def _rank(need: Need, room: Room) -> tuple[bool, bool, float, float]:
    wastes = bool(room.host.gpus) and not need.gpu
    load = room.load_with(need)
    if need.where == "spread":
        return wastes, False, room.alike, load
    if load > 1:
        return wastes, True, 0.0, load
    return wastes, False, float(not room.containers), -load


def may_ever_have(need: Need, host: HostSpec) -> bool:
    """Whether a host that has nothing else, answers and stays can have such a container."""
    return place(need, [Room(host=replace(host, leaving="", silent=""))]) is not None
