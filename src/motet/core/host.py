"""What one machine can bear: limits and devices that all pools share, and the line for a container to be started."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from motet.core.commands import SeekRoom
from motet.core.devices import Devices, Grant, MissingGpu
from motet.core.hosts import HostLedger
from motet.core.shares import Share
from motet.core.start_line import StartLine
from motet.core.turn import Turn
from motet.model.reservation import RoomAsked


@dataclass(frozen=True, slots=True, kw_only=True)
class HostLimits:
    """At most `containers` live on the host (None: any number), however many pools may have; `containers_per_pool` stands in
    where a function sets no `max_containers`; at most `starting` containers start at the same time (more would only slow each
    other). Seconds that a container has: `stop_grace` once it was asked to stop, `drain_grace` to finish its inputs when it
    must go, `freeze_grace` when its process was stopped (SIGSTOP). At most `waiting` inputs of a pool wait for a container, or
    `waiting_spawned` of spawned calls (Modal's numbers). `missing_gpu`: what becomes of inputs whose function asks for GPUs
    that the host lacks: they fail, wait, or run without; where several hosts are, or `own` says that none of its containers run
    on the server's own machine, they wait. `cores`: that machine's, to weigh it against other hosts by. `cluster`: what has
    more room than its hosts say ("the Ray cluster"), which is then sought there (`SeekRoom`); empty: hosts are all there is.
    `unasked_cpu`: the cores that a container has which asks for none."""

    containers: int | None = None
    containers_per_pool: int = 32
    starting: int = 8
    stop_grace: float = 30.0
    drain_grace: float = 30.0
    freeze_grace: float = 10.0
    waiting: int = 2_000
    waiting_spawned: int = 1_000_000
    missing_gpu: MissingGpu = "error"
    own: bool = True
    cores: float | None = None
    cluster: str = ""
    unasked_cpu: float = 0.0


DEFAULT_LIMITS = HostLimits()


class Starter(Protocol):
    """Somebody who wants `wanted` more containers, and starts one when told to."""

    wanted: int

    @property
    def share(self) -> Share:
        """That of its app."""
        ...

    @property
    def is_owed_one(self) -> bool:
        """It has none, and inputs of running containers wait for it: these cannot end before it has one."""
        ...

    @property
    def takes_over(self) -> bool:
        """It has none, and takes the place of a function that has some, which go when it has one."""
        ...

    @property
    def is_awaited(self) -> bool:
        """It has none, and whoever deployed it waits for one."""
        ...

    @property
    def lacks_one(self) -> bool:
        """Inputs want more containers than it has, as opposed to a buffer or a minimum."""
        ...

    @property
    def spare_since(self) -> float | None:
        """Since when it has had an idle container that it does not need; None if it has none."""
        ...

    def give_up_spare(self, turn: Turn) -> None:
        """Stop that one for the sake of another."""
        ...

    @property
    def live(self) -> int:
        """How many of its containers start or serve."""
        ...

    @property
    def asked(self) -> RoomAsked | None:
        """What each of its containers asks of a cluster; None: no cluster can have them."""
        ...

    def leaving(self) -> Sequence[object]:
        """Its containers that were told to end, and have not ended."""
        ...

    def give_up_busy(self, turn: Turn) -> None:
        """Have the least busy one end once it has finished what it has, for the sake of another's share."""
        ...

    def start(self, turn: Turn) -> bool:
        """False: there is no device for it now."""
        ...

    def soon_gets_any_of(self, grant: Grant) -> bool:
        """Whether it can have some of these devices as soon as what is told to end has ended."""
        ...

    def make_room(self, turn: Turn) -> None:
        """Have others give up a device for it if they can."""
        ...


class Host:
    """The limits, how much of them is in use now, and who wants more. Where there are several `hosts`, all of them together."""

    __slots__ = (
        "_blocked", "_capped", "_crowded", "_line", "_members", "_sought", "containers", "devices", "draining", "hosts",
        "leaving", "limits", "starting",
    )  # fmt: skip

    def __init__(self, limits: HostLimits) -> None:
        self.limits = limits
        self.starting = 0
        self.containers = 0
        """Those that have not ended; sandboxes are counted as containers."""
        self.leaving = 0
        """Of these, the ones that are stopping."""
        self.draining = 0
        """The ones that stop once they hold nothing."""
        self.devices = Devices(limits.missing_gpu)
        self.hosts = HostLedger(limits, self.devices)
        self._line: StartLine[Starter] = StartLine()
        self._blocked: dict[Starter, None] = {}
        """Those that wait for a device, or for room on some host, in order; they are back at the head of the line when there
        may be one."""
        self._crowded: dict[Starter, None] = {}
        """Those that wait until the host has fewer containers; then they are back at the head of the line, those with inputs
        first."""
        self._capped: dict[Starter, None] = {}
        """Those whose app or principal has as many containers as it may."""
        self._members: dict[Starter, None] = {}
        self._sought: tuple[tuple[RoomAsked, int], ...] = ()

    def join(self, starter: Starter) -> None:
        """It may have containers here."""
        self._members[starter] = None

    def leave(self, starter: Starter) -> None:
        """It has none any more, and wants none."""
        self._line.remove(starter)
        for place in (self._members, self._blocked, self._crowded, self._capped):
            place.pop(starter, None)

    def queue(self, starter: Starter) -> None:
        """Let it stand in line while it wants containers; one that stands there already keeps its place."""
        if starter.wanted <= 0:
            self._line.remove(starter)
            for place in (self._blocked, self._crowded, self._capped):
                place.pop(starter, None)
        elif starter in self._crowded or starter in self._capped:
            if starter.is_owed_one:
                # Beyond the limit: inputs that hold slots wait for it, and no container would ever end to make room.
                self._crowded.pop(starter, None)
                self._capped.pop(starter, None)
                self._line.add(starter, needs=True)
            elif starter in self._capped and not _is_capped(starter):
                self._capped.pop(starter)
                self._line.add(starter, needs=starter.lacks_one)
        elif starter not in self._blocked:
            self._line.add(starter, needs=starter.lacks_one)

    def is_blocked(self, starter: Starter) -> bool:
        """It stands in line, and no device is free for it, or no host has room for it."""
        return starter in self._blocked

    def shortage(self, starter: Starter) -> str:
        """Why there is no room for it now; empty if there is, or it waits for something else."""
        if starter in self._capped:
            return starter.share.shortage()
        if starter not in self._crowded:
            return ""
        if self.hosts.are_several:
            return f"{self.containers} containers run, and no host may have another"
        return (
            f"{self.containers} containers run on this host, which may have {self.limits.containers} "
            "(MOTET_CONTAINERS_PER_HOST)"
        )

    def container_started(self) -> None:
        """One more is there, and starts."""
        self.starting += 1
        self.containers += 1

    def takes_sandbox(self) -> bool:
        """Whether one more may have the place of a container: one that is free, that of a container which was told to end, or
        of an idle one that nobody needs. A sandbox does not wait until that has ended."""
        limit = self.limits.containers
        return limit is None or self._lasting < limit or self._spare_here() is not None

    def sandbox_started(self, turn: Turn) -> None:
        """One more has the place of a container; an idle one makes way for it if there is no other."""
        self.containers += 1
        self.hosts.add_sandboxes(1)
        limit, spare = self.limits.containers, self._spare_here()
        if limit is not None and self._lasting > limit and spare is not None:
            spare.give_up_spare(turn)

    def sandbox_ended(self) -> None:
        """There is room for another."""
        self.hosts.add_sandboxes(-1)
        self.container_ended(was_leaving=False)

    @property
    def _lasting(self) -> int:
        """Of the server's own machine, where sandboxes are: containers and sandboxes, without those that are known to go."""
        return self.hosts.on_own if self.hosts.are_several else self.containers - self.leaving

    def _spare_here(self) -> Starter | None:
        """Whoever has an idle container to spare there, the longest idle one."""
        return None if self.hosts.are_several else self._longest_spare()

    def start_is_over(self) -> None:
        """One that was starting is ready, or never will be."""
        self.starting -= 1

    def container_leaves(self) -> None:
        """One was told to end."""
        self.leaving += 1

    def drains(self, count: int) -> None:
        """So many more are to stop once they hold nothing."""
        self.draining += count

    def container_ended(self, *, was_leaving: bool) -> None:
        """There is room for another."""
        self.containers -= 1
        self.leaving -= was_leaving
        self._let_in()

    def _let_in(self) -> None:
        if self._crowded or self._capped:
            self._put_first({**self._capped, **self._crowded})
            self._crowded, self._capped = {}, {}

    def hosts_changed(self) -> None:
        """There are others, or they have more or less: whoever waits for room may have its turn."""
        self._let_in()
        self.room_changed()

    def room_changed(self) -> None:
        """Devices were found, or something that a host has was released: those that wait for any may have their turn."""
        if self._blocked:
            self._put_first(self._blocked)
            self._blocked = {}

    def _put_first(self, waited: dict[Starter, None]) -> None:
        """Back to the head of the line; those whose inputs need none go behind all others."""
        self._line.put_first(waited, [each for each in (*waited, *self._line) if each.lacks_one])

    def is_promised(self, grant: Grant) -> bool:
        """Whether inputs wait for these devices, and get them as soon as what is told to end has ended."""
        return any(starter.lacks_one and starter.soon_gets_any_of(grant) for starter in self._blocked)

    def start_next(self, turn: Turn) -> None:
        """Start containers while there is room: one for each in turn, so that no pool, app or principal starves another."""
        most_starting = self.limits.starting if not self.hosts.are_several else self.hosts.most_starting
        while self._line and self.starting < most_starting:
            starter = self._line.pop()
            if _is_capped(starter):
                self._capped[starter] = None
            elif self._is_full and not starter.is_owed_one:
                # Out of the line until a container ends: it must not be looked at again with every event.
                self._crowded[starter] = None
            elif starter.start(turn):
                self.queue(starter)
            else:
                # It does not hold up those behind it, which may need no device; and others may have one to spare.
                self._blocked[starter] = None
                self.devices.unsettle()
        if self.devices.unsettled:
            self.devices.settle()
            for starter in self._blocked:
                starter.make_room(turn)
        if self._crowded:
            self._make_room(turn)
            self._even_out(turn)
        if self._capped:
            self._make_room_within_shares(turn)
        if self.limits.cluster:
            self._seek_room(turn)

    def _seek_room(self, turn: Turn) -> None:
        sought: dict[RoomAsked, int] = {}
        for starter in self._blocked:
            if (asked := starter.asked) is not None:
                sought[asked] = sought.get(asked, 0) + starter.wanted
        wanted = tuple(sought.items())
        if wanted != self._sought:
            self._sought = wanted
            turn.commands.append(SeekRoom(wanted))

    @property
    def _is_full(self) -> bool:
        if self.hosts.are_several:
            return self.hosts.is_full
        return self.limits.containers is not None and self.containers >= self.limits.containers

    def _make_room(self, turn: Turn) -> None:
        """Have the longest idle containers that nobody needs stop: one for each pool whose inputs need one."""
        needed = sum(starter.lacks_one for starter in self._crowded)
        while self.leaving < needed:
            spare = self._longest_spare()
            if spare is None:
                return
            spare.give_up_spare(turn)

    def _longest_spare(self) -> Starter | None:
        """Who has the container that has been idle longest and that nobody needs."""
        spare = [(since, member) for member in self._members if (since := member.spare_since) is not None]
        return min(spare, key=lambda pair: pair[0])[1] if spare else None

    def _even_out(self, turn: Turn) -> None:
        """Where nobody has one to spare: who needs one, and whose app or principal has fewer than another's by more than one,
        gets one of those once that has finished what it runs. One in a turn: each is seen to come in the next."""
        needy = [starter for starter in self._crowded if starter.lacks_one][self.leaving + self.draining :]
        for share in sorted(dict.fromkeys(each.share for each in needy), key=_wealth):
            rich = (each for each in self._members if each.live and _lead(each.share, share) > 1)
            giver = max(rich, key=lambda each: (*_wealth(each.share), each.live), default=None)
            if giver is not None:
                giver.give_up_busy(turn)
                return

    def _make_room_within_shares(self, turn: Turn) -> None:
        """Where an app or principal may have no more, its longest idle container goes if another function of it needs one."""
        needy = (each for each in self._capped if each.lacks_one or each.is_awaited)
        for full in dict.fromkeys(full for each in needy if (full := each.share.full) is not None):
            members = [each for each in self._members if full in (each.share, each.share.whole)]
            spare = [(since, member) for member in members if (since := member.spare_since) is not None]
            if spare and not any(member.leaving() for member in members):
                min(spare, key=lambda pair: pair[0])[1].give_up_spare(turn)


def _is_capped(starter: Starter) -> bool:
    """Whether its app or its principal may have no more. What takes over from another is let in: that one goes for it."""
    if starter.share.full is None or starter.is_owed_one:
        return False
    return not starter.takes_over or starter.share.is_doubled


def _wealth(share: Share) -> tuple[int, int]:
    """How many containers its principal has, and how many it has itself."""
    return share.live if share.whole is None else share.whole.live, share.live


def _lead(share: Share, other: Share) -> int:
    """How many containers more one share has: its principal's more than the other's principal, or, of one principal, its own
    more than the other."""
    if share is other:
        return 0
    if share.whole is other.whole or share.whole is None or other.whole is None:
        return share.live - other.live
    return share.whole.live - other.whole.live
