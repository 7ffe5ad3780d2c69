"""The GPUs of a host: which container has which, and what is said to those that get none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from motet.core.commands import FindGpus
from motet.core.containers import Container
from motet.core.turn import Turn
from motet.model.gpu import FoundGpus, Gpu, GpuRequest

LOOK_AGAIN = 60.0
"""Seconds between two looks for GPUs that functions wait for and the host does not have."""

MissingGpu = Literal["error", "wait", "ignore"]

Requests = tuple[GpuRequest, ...]
"""What a container of a function needs, in order of preference."""

# Shares are added up in floating point: ten times 0.1 is less than 1, and 0.7 + 0.2 + 0.1 may be more.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Grant:
    """Devices for one container, all of one kind, and how much of each."""

    gpus: tuple[Gpu, ...]
    share: float


class Holder(Protocol):
    """Whose containers hold devices."""

    def leaving(self) -> list[Container]:
        """Containers that were told to end, and have not ended."""
        ...

    def spare(self) -> list[Container]:
        """Idle containers that it can do without, the longest idle first."""
        ...

    def give_way(self, container: Container, turn: Turn) -> None:
        """Stop a spare container."""
        ...


def place(requests: Requests, gpus: Sequence[Gpu], used: Mapping[str, float]) -> Grant | None:
    """The devices a container gets: of the first request that can be met now. A share goes where it leaves least."""
    for request in requests:
        for alike in request.choices(gpus):
            if request.is_share:
                room = [gpu for gpu in alike if used.get(gpu.uuid, 0.0) + request.count <= 1 + _ROUNDING]
                if room:
                    return Grant((max(room, key=lambda gpu: used.get(gpu.uuid, 0.0)),), request.count)
            else:
                free = [gpu for gpu in alike if gpu.uuid not in used]
                if len(free) >= request.count:
                    return Grant(tuple(free[: int(request.count)]), 1.0)
    return None


class Devices:
    """What is known of the host's GPUs, and who holds them. `missing`: what becomes of requests for what the host lacks."""

    __slots__ = ("_found", "_held", "_looked_at", "_looking", "_most", "missing", "unsettled")

    def __init__(self, missing: MissingGpu) -> None:
        self.missing = missing
        self._found: FoundGpus | None = None
        self._looking = False
        self._looked_at = 0.0
        self._held: dict[str, tuple[Grant, Holder]] = {}
        """By container."""
        self._most: dict[Requests, int] = {}
        self.unsettled = False
        """Something happened since `make_room` was last tried that may let it succeed now."""

    # --- what there is ------------------------------------------------------------------------------------------------

    def look(self, turn: Turn) -> None:
        """Have the host's GPUs found, unless they are."""
        if self._found is None:
            self._look(turn)

    def look_again(self, requests: Requests, turn: Turn) -> float | None:
        """Have them found once more if this waits for what is not there; until when not to ask again, if it does."""
        if self.missing != "wait" or self._looking or self._room_for(requests):
            return None
        if turn.now >= self._looked_at + LOOK_AGAIN:
            self._look(turn)
        return self._looked_at + LOOK_AGAIN

    def _look(self, turn: Turn) -> None:
        if not self._looking:  # all that wait for GPUs share one look, which takes a while
            self._looking = True
            self._looked_at = turn.now
            turn.commands.append(FindGpus())

    def found(self, found: FoundGpus) -> None:
        """These are there."""
        self._looking = False
        self._found = found
        self._most.clear()  # how many of each request fit follows from what is there

    def most(self, requests: Requests) -> int | None:
        """The containers that the host has devices for at once; 1 if it may yet turn out to have any. None: they need
        none."""
        if not requests or self._does_without(requests):
            return None
        if self._found is None:
            return 1
        return self._room_for(requests) or int(self.missing == "wait")

    def _does_without(self, requests: Requests) -> bool:
        return self.missing == "ignore" and self._found is not None and not self._room_for(requests)

    def _room_for(self, requests: Requests) -> int:
        known = self._most.get(requests)
        if known is None and self._found is not None:
            used: dict[str, float] = {}
            known = 0
            while grant := place(requests, self._found.gpus, used):
                known += 1
                for gpu in grant.gpus:
                    used[gpu.uuid] = used.get(gpu.uuid, 0.0) + grant.share
            self._most[requests] = known
        return known or 0

    def unsettle(self) -> None:
        """Something happened that may let somebody have a device: those who wait for one are to try again."""
        self.unsettled = True

    def settle(self) -> None:
        """They are being given a try."""
        self.unsettled = False

    @property
    def gpus(self) -> tuple[Gpu, ...]:
        """Those that are known to be there."""
        return () if self._found is None else self._found.gpus

    # --- who has what -------------------------------------------------------------------------------------------------

    def find(self, requests: Requests) -> Grant | None:
        """What a container started now would get; None: it must wait."""
        if not requests or self._does_without(requests):
            return Grant((), 1.0)
        return None if self._found is None else place(requests, self._found.gpus, self.used())

    def find_soon(self, requests: Requests) -> Grant | None:
        """What a container would get once all that was told to end has ended; None: it must wait for others."""
        return None if self._found is None else place(requests, self._found.gpus, self.used(self._leaving))

    def hold(self, container_id: str, grant: Grant, holder: Holder) -> None:
        """These are the container's until `release`."""
        self._held[container_id] = (grant, holder)

    def release(self, container_id: str) -> bool:
        """The container is gone. False if it held nothing."""
        return self._held.pop(container_id, None) is not None

    def make_room(self, requests: Requests, asker: Holder, turn: Turn) -> None:
        """Have spare containers of others stop, if that frees what is asked for and those that leave anyway do not."""
        if self._found is None or self.find_soon(requests):
            return
        holders = self._holders
        gone = self._leaving
        spare = [(container, holder) for holder in holders if holder is not asker for container in holder.spare()]
        spare = [one for one in spare if one[0].container_id in self._held]  # others were started without any
        spare.sort(key=lambda one: one[0].idle_since)
        for number, (last, _) in enumerate(spare, 1):
            gone.add(last.container_id)
            if grant := place(requests, self._found.gpus, self.used(gone)):
                for container, holder in spare[:number]:
                    if set(grant.gpus) & set(self._held[container.container_id][0].gpus):
                        holder.give_way(container, turn)
                return

    @property
    def _holders(self) -> dict[Holder, None]:
        return dict.fromkeys(holder for _, holder in self._held.values())

    @property
    def _leaving(self) -> set[str]:
        return {container.container_id for holder in self._holders for container in holder.leaving()}

    def used(self, without: Collection[str] = ()) -> dict[str, float]:
        """How much of each device is taken, untouched ones left out; as if these containers had gone."""
        used: dict[str, float] = {}
        for container_id, (grant, _) in self._held.items():
            if container_id not in without:
                for gpu in grant.gpus:
                    used[gpu.uuid] = used.get(gpu.uuid, 0.0) + grant.share
        return used

    # --- in words -----------------------------------------------------------------------------------------------------

    def refusal(self, requests: Requests) -> str | None:
        """Why this can never run here; None if it can, or is to wait."""
        if self.missing != "error" or self._found is None or self._room_for(requests):
            return None
        return (
            f"it asks for gpu={_asked(requests)}, and {self._inventory()}. Ask for what is there, or set "
            "MOTET_MISSING_GPU to 'wait' to have its inputs wait, or to 'ignore' to run them without"
        )

    def shortage(self, requests: Requests) -> str:
        """What a container that cannot start waits for."""
        if self._found is None:
            return "waiting for a GPU: looking for those of this host"
        return f"waiting for a GPU: {_asked(requests)} is asked for, and {self._inventory()}"

    def _inventory(self) -> str:
        found = self._found or FoundGpus()
        if not found.gpus:
            return f"this host has no GPU ({found.note})"
        used = self.used()
        total = Counter(gpu.kind for gpu in found.gpus)
        free = Counter(gpu.kind for gpu in found.gpus if gpu.uuid not in used)
        return "this host has " + ", ".join(f"{n} {kind} ({free[kind]} free)" for kind, n in total.items())

    def check(self) -> dict[str, bool]:
        """What must hold, by name, and whether it does."""
        whole = [gpu.uuid for grant, _ in self._held.values() if grant.share == 1 for gpu in grant.gpus]
        every = [gpu.uuid for grant, _ in self._held.values() for gpu in grant.gpus]
        return {
            "no device is promised twice": all(used <= 1 + _ROUNDING for used in self.used().values()),
            "whole devices are not shared": all(every.count(uuid) == 1 for uuid in whole),
        }


def _asked(requests: Requests) -> str:
    return " or ".join(f'"{request}"' for request in requests)
