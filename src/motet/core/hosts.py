"""The hosts that containers are placed on, where there are several: what each has, and which container has what of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from motet.core.containers import Container
from motet.core.devices import Devices, Holder
from motet.core.placement import Need, Placement, Room, may_ever_have, place
from motet.core.turn import Turn
from motet.model.host import OWN_HOST, HostSpec, HostView
from motet.model.reservation import HostUse


class OwnLimits(Protocol):
    """What the server's own machine may have; see `HostLimits`."""

    @property
    def own(self) -> bool: ...

    @property
    def containers(self) -> int | None: ...

    @property
    def starting(self) -> int: ...

    @property
    def cores(self) -> float | None: ...

    @property
    def cluster(self) -> str: ...


@dataclass(frozen=True, slots=True)
class _PlacedContainer:
    need: Need
    placement: Placement
    holder: Holder


class _HostEntry:
    """A host with what its containers have of it. GPUs are looked for in `held`: few containers have any."""

    __slots__ = ("cpu", "held", "memory_mib", "resources", "spec", "starting", "weight")

    def __init__(self, spec: HostSpec) -> None:
        self.spec = spec
        self.held: dict[str, _PlacedContainer] = {}
        """By container."""
        self.starting: set[str] = set()
        self.cpu = self.memory_mib = self.weight = 0
        self.resources: Counter[str] = Counter()

    def become(self, spec: HostSpec) -> None:
        self.spec = spec

    def take(self, container_id: str, held: _PlacedContainer) -> None:
        self.held[container_id] = held
        self.starting.add(container_id)
        self._add(held.need, 1)

    def give_back(self, container_id: str) -> None:
        self.starting.discard(container_id)
        self._add(self.held.pop(container_id).need, -1)

    def _add(self, need: Need, sign: int) -> None:
        self.cpu += sign * need.cpu
        self.memory_mib += sign * need.memory_mib
        self.weight += sign * need.weight
        for name, amount in need.resources.items():
            self.resources[name] += sign * amount

    def gpus(self, without: Collection[str] = ()) -> dict[str, float]:
        used: dict[str, float] = {}
        for container_id, held in self.held.items():
            if container_id not in without:
                for gpu in held.placement.grant.gpus:
                    used[gpu.uuid] = used.get(gpu.uuid, 0.0) + held.placement.grant.share
        return used


class HostLedger:
    """Those that have joined and, unless the limits say otherwise, the server's own machine, whose GPUs `devices` has."""

    __slots__ = ("_delay", "_devices", "_known", "_limits", "_where", "are_several", "sandboxes")

    def __init__(self, limits: OwnLimits, devices: Devices) -> None:
        self._limits = limits
        self._devices = devices
        self._known: dict[str, _HostEntry] = {}
        if limits.own:
            self._known[OWN_HOST] = _HostEntry(HostSpec(host_id=OWN_HOST, containers=limits.containers))
        self._where: dict[str, str] = {}
        """The host of each container that has been placed."""
        self.sandboxes = 0
        """Those on the server's own machine, each in the place of a container."""
        self._delay = ""
        self.are_several = not limits.own
        """There is more to choose from than the server's own machine. While there is not, all are there, and nothing is looked
        for."""

    def __contains__(self, host_id: str) -> bool:
        return host_id in self._known

    # --- they come, change and go ----------------------------------------------------------------------------------------

    def put(self, spec: HostSpec) -> None:
        """It is there, or has changed."""
        known = self._known.get(spec.host_id)
        if known is None:
            self._known[spec.host_id] = _HostEntry(spec)
        else:
            known.become(spec)
        self._count()

    def add_sandboxes(self, count: int) -> None:
        """The server's own machine has so many more."""
        self.sandboxes += count

    def remove(self, host_id: str) -> None:
        """It is gone; each of its containers has been `release`d."""
        self._known.pop(host_id, None)
        self._count()

    def _count(self) -> None:
        self.are_several = not self._limits.own or len(self._known) > 1

    def tell_delay(self, why: str) -> None:
        """Why room that was sought on the cluster does not come for now; empty: it may."""
        self._delay = why

    @property
    def are_all_there_is(self) -> bool:
        """There is no more room than they have: no cluster is behind them, or that has none for now."""
        return not self._limits.cluster or bool(self._delay)

    def spec(self, host_id: str) -> HostSpec | None:
        """What it has; None: there is no such host."""
        known = self._known.get(host_id)
        return None if known is None else known.spec

    # --- who has what -----------------------------------------------------------------------------------------------------

    @property
    def is_full(self) -> bool:
        """No host that takes containers may have another, whatever that asks for."""
        rooms = [self._room(known) for known in self._known.values() if known.spec.takes_containers]
        return bool(rooms) and all(room.is_full for room in rooms)

    @property
    def most_starting(self) -> int:
        """How many containers may start at the same time on all hosts together."""
        return self._limits.starting * max(1, len(self._known))

    def place(
        self, need: Need, fleet: Iterable[Container], without: Collection[str] = (), *, beyond: bool = False
    ) -> Placement | None:
        """Where a container of this fleet would be started, as if others (`without`) had gone; see `placement.place`."""
        need = self._to_be_had(need)
        alike = Counter(container.host for container in fleet) if need.where == "spread" else Counter()
        rooms = [self._room(known, without, alike) for known in self._known.values()]
        return place(need, rooms, beyond=beyond)

    def _to_be_had(self, need: Need) -> Need:
        """Without GPUs that no host has, if the server is told to do without."""
        if not need.gpu or self._devices.missing != "ignore" or any(map(partial(may_ever_have, need), self._specs)):
            return need
        return replace(need, gpu=())

    @property
    def _specs(self) -> list[HostSpec]:
        return [self._room(known).host for known in self._known.values()]

    def place_soon(self, need: Need, fleet: Iterable[Container]) -> Placement | None:
        """The same, once all that was told to end has ended."""
        return self.place(need, fleet, self._leaving(self._holders))

    @property
    def _holders(self) -> dict[Holder, None]:
        return dict.fromkeys(held.holder for known in self._known.values() for held in known.held.values())

    def _leaving(self, holders: Iterable[Holder]) -> set[str]:
        return {container.container_id for holder in holders for container in holder.leaving()}

    def _room(self, known: _HostEntry, without: Collection[str] = (), alike: Mapping[str, int] | None = None) -> Room:
        spec, is_own = known.spec, known.spec.host_id == OWN_HOST
        gpus = known.gpus(without) if spec.gpus else {}
        if is_own and self._devices.gpus:
            spec = HostSpec(host_id=OWN_HOST, containers=spec.containers, gpus=self._devices.gpus)
            gpus = self._devices.used(without)
        gone = [held.need for each in without if (held := known.held.get(each)) is not None]
        resources: Mapping[str, int] = known.resources
        if any(need.resources for need in gone):
            resources = known.resources.copy()
            for need in gone:
                resources.subtract(need.resources)
        return Room(
            host=spec,
            containers=len(known.held) - len(gone) + (self.sandboxes if is_own else 0),
            weight=known.weight - sum(need.weight for need in gone),
            cpu=known.cpu - sum(need.cpu for need in gone),
            memory_mib=known.memory_mib - sum(need.memory_mib for need in gone),
            resources=resources,
            gpus=gpus,
            alike=0 if alike is None else alike.get(spec.host_id, 0),
            starts=None if gone else max(0, self._limits.starting - len(known.starting)),
            cores=self._limits.cores if is_own else None,
        )

    def hold(self, container_id: str, need: Need, placement: Placement, holder: Holder) -> None:
        """This is the container's until `release`."""
        if placement.host_id not in self._known:
            # A server before this one had placed it there.
            self.put(HostSpec(host_id=placement.host_id, silent="has not joined again yet"))
        self._known[placement.host_id].take(container_id, _PlacedContainer(need, placement, holder))
        self._where[container_id] = placement.host_id

    def started(self, container_id: str) -> None:
        """It starts no longer."""
        self._known[self._where[container_id]].starting.discard(container_id)

    def release(self, container_id: str) -> bool:
        """The container is gone. Whether that may make room for one that could not be placed."""
        self._known[self._where.pop(container_id)].give_back(container_id)
        return self.are_several

    def make_room(self, need: Need, fleet: Collection[Container], asker: Holder, turn: Turn) -> None:
        """Have spare containers of others stop, if that makes room for what is asked and those that leave anyway do not."""
        holders = self._holders
        gone = self._leaving(holders)
        if self.place(need, fleet, gone):
            return
        spare = [(container, holder) for holder in holders if holder is not asker for container in holder.spare()]
        spare.sort(key=lambda one: one[0].idle_since)
        for number, (last, _) in enumerate(spare, 1):
            gone.add(last.container_id)
            if placed := self.place(need, fleet, gone):
                for container, holder in spare[:number]:
                    if container.host == placed.host_id:
                        holder.give_way(container, turn)
                return

    # --- in words -----------------------------------------------------------------------------------------------------------

    def shortage(self, need: Need) -> str:
        """What a container that cannot start waits for."""
        if self._limits.cluster and need.own_host:
            return f"waiting for {need}, and it has no containers: they run on {self._limits.cluster}"
        if self._limits.cluster:
            return f"waiting for {need} on {self._limits.cluster}{f': {self._delay}' if self._delay else ''}"
        hosts = self._specs
        if not hosts:
            return f"waiting for a host: {need} is asked for, and none has joined yet"
        able = [host for host in hosts if may_ever_have(need, host)]
        count = f"{len(hosts)} host{'s' if len(hosts) > 1 else ''}"
        if not able:
            for host in hosts:
                if need.bundle in host.without:
                    why = f"{_name(host)} has no room for its source: {host.without[need.bundle]}"
                    break
            else:
                why = (
                    f"no host has that ({count}; motet host list shows what they have). Ask for less, or have a host join "
                    "that has it"
                )
            return f"waiting for {need}: {why}"
        away = [host for host in able if not host.takes_containers]
        if len(away) == len(able):
            return f"waiting for {need}: {_name(away[0])} has it, and {away[0].silent or away[0].leaving}"
        return f"waiting for {need}: taken on {len(able)} of {count}"

    @property
    def on_own(self) -> int:
        """How many containers and sandboxes the server's own machine has."""
        known = self._known.get(OWN_HOST)
        return self.sandboxes + (0 if known is None else len(known.held))

    def uses(self) -> dict[str, HostUse]:
        """What containers have of each, by host."""
        return {
            host_id: HostUse(
                cpu=known.cpu / 10_000,
                memory_mib=known.memory_mib,
                gpus=frozenset(known.gpus()),
                resources={name: amount / 10_000 for name, amount in known.resources.items()},
            )
            for host_id, known in self._known.items()
        }

    def views(self) -> list[HostView]:
        """All of them, as the outside sees them."""
        return [
            HostView(
                host=room.host,
                containers=room.containers,
                starting=len(known.starting),
                cpu=room.cpu / 10_000,
                memory_mib=room.memory_mib,
                gpus=sum(room.gpus.values()),
            )
            for known in self._known.values()
            for room in (self._room(known),)
        ]

    def check(self, containers: Iterable[Container]) -> dict[str, bool]:
        """What must hold, by name, and whether it does."""
        rooms = [self._room(known) for known in self._known.values()]
        placed = {container.container_id: container.host for container in containers}
        return {
            "each container is on one host": placed
            == self._where
            == {container_id: host_id for host_id, known in self._known.items() for container_id in known.held},
            "hosts give no more than they have": all(room.fits(Need()) for room in rooms),
            "no device of a host is promised twice": all(
                used <= 1 + 1e-9 for known in self._known.values() for used in known.gpus().values()
            ),
            "what is held adds up": all(
                (known.cpu, known.memory_mib, known.weight)
                == tuple(
                    sum(amounts)
                    for amounts in (
                        [held.need.cpu for held in known.held.values()],
                        [held.need.memory_mib for held in known.held.values()],
                        [held.need.weight for held in known.held.values()],
                    )
                )
                for known in self._known.values()
            ),
        }


def _name(host: HostSpec) -> str:
    return f"host {host.host_id}" if host.host_id != OWN_HOST else "the server's own machine"
