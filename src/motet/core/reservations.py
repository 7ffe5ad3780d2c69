"""What a cluster is to reserve: from what containers wait for, and from what those that run have of what is reserved.

What is reserved on a node adds up to what its host has, so a container may be placed on what others had before it, and on
several small reservations together. What no container has needed for a while is given back. Pure: moments come in.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from motet.core.devices import place
from motet.model.gpu import Gpu
from motet.model.reservation import HostUse, RoomAsked, RoomGranted

JOIN_PATIENCE = 60.0
"""Seconds that a host has to join on whose node something is reserved."""

MOST_PENDING = 256
"""Reservations that a cluster is asked for and has not made: enough for an autoscaler to see how much is missing."""

_ROUNDING = 1e-6


@dataclass(slots=True)
class Reservation:
    """One of them. `granted`: where it is, once it is made; `spare_since`: when nobody began to need it."""

    number: int
    asked: RoomAsked
    since: float
    granted: RoomGranted | None = None
    spare_since: float | None = None

    def made(self, granted: RoomGranted) -> None:
        """It is there."""
        self.granted, self.spare_since = granted, None

    def is_needed(self) -> None:
        """By a container that is there."""
        self.spare_since = None

    def is_spare(self, now: float) -> None:
        """By none."""
        self.spare_since = now if self.spare_since is None else self.spare_since


@dataclass(slots=True)
class _Amounts:
    """What there is of one host."""

    cpu: float = 0.0
    memory_mib: int = 0
    gpus: dict[str, Gpu] = field(default_factory=dict)
    resources: dict[str, float] = field(default_factory=dict)

    def add(self, reservation: Reservation) -> None:
        asked, granted = reservation.asked, reservation.granted
        self.cpu += asked.cpu
        self.memory_mib += asked.memory_mib
        for name, amount in asked.resources:
            self.resources[name] = self.resources.get(name, 0.0) + amount
        for gpu in () if granted is None else granted.gpus:
            self.gpus[gpu.uuid] = gpu

    def without(self, use: HostUse) -> _Amounts:
        return _Amounts(
            self.cpu - use.cpu,
            self.memory_mib - use.memory_mib,
            {uuid: gpu for uuid, gpu in self.gpus.items() if uuid not in use.gpus},
            {name: amount - use.resources.get(name, 0.0) for name, amount in self.resources.items()},
        )

    def has(self, asked: RoomAsked) -> bool:
        """Whether there is as much, of all but GPUs."""
        return (
            self.cpu + _ROUNDING >= asked.cpu
            and self.memory_mib >= asked.memory_mib
            and all(self.resources.get(name, 0.0) + _ROUNDING >= amount for name, amount in asked.resources)
        )

    def take(self, asked: RoomAsked, gpus: Sequence[Gpu]) -> None:
        self.cpu -= asked.cpu
        self.memory_mib -= asked.memory_mib
        for name, amount in asked.resources:
            self.resources[name] -= amount
        for gpu in gpus:
            del self.gpus[gpu.uuid]


@dataclass(frozen=True, slots=True)
class ReservationPlan:
    """What to do: reservations to ask for, and numbers of those to give up. `smaller`: the hosts that have less then, which are
    to be told first."""

    ask: tuple[Reservation, ...]
    give_up: tuple[int, ...]
    smaller: tuple[str, ...]


class Reservations:
    """All of one server. `keep`: seconds for which what nobody needs is kept."""

    def __init__(self, keep: float) -> None:
        self._keep = keep
        self._numbers = itertools.count(1)
        self._all: dict[int, Reservation] = {}

    def __len__(self) -> int:
        return len(self._all)

    @property
    def pending(self) -> list[Reservation]:
        """Those that the cluster has not made, the oldest first."""
        return [each for each in self._all.values() if each.granted is None]

    @property
    def all(self) -> list[Reservation]:
        """Every one, the oldest first."""
        return list(self._all.values())

    def of_host(self, host_id: str) -> list[Reservation]:
        """Those that are made there."""
        return [each for each in self._all.values() if each.granted is not None and each.granted.host_id == host_id]

    @property
    def hosts(self) -> dict[str, None]:
        """Where there are any."""
        return dict.fromkeys(each.granted.host_id for each in self._all.values() if each.granted is not None)

    def granted(self, number: int, granted: RoomGranted) -> bool:
        """The cluster has made it. False: it is not wanted any more."""
        reservation = self._all.get(number)
        if reservation is None:
            return False
        reservation.made(granted)
        return True

    def lost(self, number: int) -> None:
        """The cluster does not have it any more. Idempotent."""
        self._all.pop(number, None)

    def plan(self, wanted: Sequence[tuple[RoomAsked, int]], uses: Mapping[str, HostUse], now: float) -> ReservationPlan:
        """What is to be done, and count it as done. `uses`: of the hosts that have joined."""
        free = {host_id: self._amounts(host_id).without(use) for host_id, use in uses.items()}
        coming = Counter(
            each.asked for each in self._all.values() if each.granted is not None and each.granted.host_id not in uses
        )
        ask: list[Reservation] = []
        give_up: list[int] = []
        smaller: dict[str, None] = {}
        pending = self.pending
        room = MOST_PENDING - len(pending)
        wants = dict(wanted)
        for asked in dict.fromkeys((*wants, *(each.asked for each in pending))):
            alike = [each for each in pending if each.asked == asked]
            lacks = _lacking(asked, wants.get(asked, 0) - coming[asked], free)
            for _ in range(min(lacks - len(alike), room)):
                ask.append(Reservation(next(self._numbers), asked, now))
                room -= 1
            give_up += [each.number for each in alike[max(lacks, 0) :]]
        for host_id in self.hosts:
            keep = self._keep if host_id in uses else max(self._keep, JOIN_PATIENCE)
            for each in self._spare(host_id, uses.get(host_id), now):
                if each.spare_since is not None and now - each.spare_since >= keep:
                    give_up.append(each.number)
                    smaller[host_id] = None
        for number in give_up:
            del self._all[number]
        for each in ask:
            self._all[each.number] = each
        return ReservationPlan(tuple(ask), tuple(give_up), tuple(smaller))

    def _amounts(self, host_id: str) -> _Amounts:
        found = _Amounts()
        for each in self.of_host(host_id):
            found.add(each)
        return found

    def _spare(self, host_id: str, use: HostUse | None, now: float) -> list[Reservation]:
        """Those of a host that could all go at once; since when is noted. Those that have been spare for longest come first."""
        left = self._amounts(host_id).without(use or HostUse())
        spare = []
        for each in sorted(self.of_host(host_id), key=lambda each: (each.spare_since or now, -each.number)):
            gpus = () if each.granted is None else each.granted.gpus
            if left.has(each.asked) and all(gpu.uuid in left.gpus for gpu in gpus):
                left.take(each.asked, gpus)
                each.is_spare(now)
                spare.append(each)
            else:
                each.is_needed()
        return spare


def _lacking(asked: RoomAsked, count: int, free: Mapping[str, _Amounts]) -> int:
    """How many of so many containers have no room on hosts, which is taken from `free` for those that have."""
    for amounts in free.values():
        while count > 0 and amounts.has(asked):
            grant = place(asked.gpu, list(amounts.gpus.values()), {}) if asked.gpu else None
            if asked.gpu and grant is None:
                break
            amounts.take(asked, () if grant is None else grant.gpus)
            count -= 1
    return count
