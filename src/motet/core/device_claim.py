"""What one pool's containers ask of hosts and devices, and what it is told when there is no room for one."""

from __future__ import annotations

from collections.abc import Collection

from motet.core.containers import Container
from motet.core.devices import Grant, Holder, Requests
from motet.core.grace import SetAlarm
from motet.core.host import Host, Starter
from motet.core.placement import Need, Placement
from motet.core.turn import Turn
from motet.model.host import OWN_HOST

_HERE = Placement(OWN_HOST, Grant((), 1.0))


class DeviceClaim:
    """One pool's part in the sharing of devices and hosts. Where the server's own machine is the only host, and no GPU is asked
    for, none of this costs anything."""

    __slots__ = ("_alarm", "_asks_of_host", "_devices", "_host", "_hosts", "_lacks", "need", "requests")

    def __init__(self, need: Need, host: Host, alarm: SetAlarm) -> None:
        self.need = need
        self.requests: Requests = need.gpu
        self._asks_of_host = bool(need.resources or need.labels)
        self._host = host
        self._hosts = host.hosts
        self._devices = host.devices
        self._alarm = alarm
        self._lacks = False
        """Inputs want more containers than there are, as opposed to a buffer or a minimum."""

    @property
    def _looks(self) -> bool:
        """There is something to be looked for: several hosts, or what a host is to have or be like."""
        return self._asks_of_host or self._hosts.are_several

    @property
    def most(self) -> int | None:
        """The containers that there are devices for at once; None: they need none, or what hosts will have is not known."""
        return self._devices.most(self.requests) if self.requests and not self._looks else None

    @property
    def refusal(self) -> str | None:
        """Why no container of this function can ever start; None if one can, or another host may bring what it needs."""
        return self._devices.refusal(self.requests) if self.requests and not self._looks else None

    def shortage(self, starter: Starter) -> str:
        """What keeps containers that are wanted from having room or a device; empty if nothing does."""
        if self._looks:
            return self._hosts.shortage(self.need) if self._host.is_blocked(starter) else ""
        if not self.requests:
            return ""
        return self.refusal or (self._devices.shortage(self.requests) if self._host.is_blocked(starter) else "")

    def lack(self, lacks: bool, turn: Turn) -> None:
        """Whether inputs want more containers than there are. If they do, GPUs that turn up later are looked for."""
        if lacks and not self._lacks:
            self.unsettle()
        self._lacks = lacks  # others give way to inputs alone, not to a buffer or a minimum
        if (
            lacks
            and self.requests
            and self._host.limits.own
            and (moment := self._devices.look_again(self.requests, turn)) is not None
        ):
            self._alarm(moment)

    def unsettle(self) -> None:
        """Something happened that may let somebody have a device or room: those who wait for some try again."""
        self._devices.unsettle()

    def find(self, fleet: Collection[Container], *, beyond: bool = False) -> Placement | None:
        """Where a container of this fleet that is started now would go, and what it would get; None: it must wait."""
        if self._looks:
            return self._hosts.place(self.need, fleet, beyond=beyond)
        if not self.requests:
            return _HERE
        grant = self._devices.find(self.requests)
        return None if grant is None else Placement(OWN_HOST, grant)

    def soon_gets_any_of(self, grant: Grant, fleet: Collection[Container]) -> bool:
        """Whether a container could have some of these devices as soon as what is told to end has ended."""
        if self._looks:
            placed = self._hosts.place_soon(self.need, fleet)
            soon = None if placed is None else placed.grant
        else:
            soon = self._devices.find_soon(self.requests)
        return soon is not None and not set(soon.gpus).isdisjoint(grant.gpus)

    def hold(self, container: Container, placement: Placement, holder: Holder) -> None:
        """This is the container's until `release`."""
        self._hosts.hold(container.container_id, self.need, placement, holder)
        if placement.grant.gpus and placement.host_id == OWN_HOST:
            self._devices.hold(container.container_id, placement.grant, holder)

    def started(self, container: Container) -> None:
        """It starts no longer."""
        self._hosts.started(container.container_id)
        if self._hosts.are_several:
            self._host.room_changed()  # a host lets a few start at a time

    def release(self, container: Container) -> None:
        """The container is gone."""
        had_devices = bool(self.requests) and self._devices.release(container.container_id)
        if self._hosts.release(container.container_id) or had_devices:
            self._host.room_changed()

    def make_room(self, fleet: Collection[Container], holder: Holder, turn: Turn) -> None:
        """Have others' spare containers stop, if inputs wait for what those hold."""
        if not self._lacks:
            return
        if self._looks:
            if self._hosts.are_all_there_is:
                self._hosts.make_room(self.need, fleet, holder, turn)
        else:
            self._devices.make_room(self.requests, holder, turn)
