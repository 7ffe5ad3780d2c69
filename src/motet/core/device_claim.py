"""What the containers of one pool need of the host's devices, and what the pool is told when there are none."""

from __future__ import annotations

from motet.core.containers import Container
from motet.core.devices import Grant, Holder, Requests
from motet.core.grace import SetAlarm
from motet.core.host import Host, Starter
from motet.core.turn import Turn


class DeviceClaim:
    """One pool's part in the sharing of devices. Without `requests` it needs none, and none of this costs anything."""

    __slots__ = ("_alarm", "_devices", "_host", "_lacks", "requests")

    def __init__(self, requests: Requests, host: Host, alarm: SetAlarm) -> None:
        self.requests = requests
        self._host = host
        self._devices = host.devices
        self._alarm = alarm
        self._lacks = False
        """Inputs want more containers than there are, as opposed to a buffer or a minimum."""

    @property
    def most(self) -> int | None:
        """The containers that the host has devices for at once; None: they need none."""
        return self._devices.most(self.requests) if self.requests else None

    @property
    def refusal(self) -> str | None:
        """Why no container of this function can ever start on this host; None if one can."""
        return self._devices.refusal(self.requests) if self.requests else None

    def shortage(self, starter: Starter) -> str:
        """What keeps containers that are wanted from having a device; empty if nothing does."""
        return self.refusal or (self._devices.shortage(self.requests) if self._host.is_blocked(starter) else "")

    def lack(self, lacks: bool, turn: Turn) -> None:
        """Whether inputs want more containers than there are. If they do, GPUs that turn up later are looked for."""
        if lacks and not self._lacks:
            self.unsettle()
        self._lacks = lacks  # others give way to inputs alone, not to a buffer or a minimum
        if lacks and (moment := self._devices.look_again(self.requests, turn)) is not None:
            self._alarm(moment)

    def unsettle(self) -> None:
        """Something happened that may let somebody have a device: those who wait for one try again."""
        self._devices.unsettle()

    def find(self) -> Grant | None:
        """What a container started now would get; None: it must wait."""
        return self._devices.find(self.requests)

    def soon_gets_any_of(self, grant: Grant) -> bool:
        """Whether a container could have some of these devices as soon as what is told to end has ended."""
        soon = self._devices.find_soon(self.requests)
        return soon is not None and not set(soon.gpus).isdisjoint(grant.gpus)

    def hold(self, container: Container, grant: Grant, holder: Holder) -> None:
        """These are the container's until `release`."""
        if grant.gpus:
            self._devices.hold(container.container_id, grant, holder)

    def release(self, container: Container) -> None:
        """The container is gone."""
        if self._devices.release(container.container_id):
            self._host.devices_changed()

    def make_room(self, holder: Holder, turn: Turn) -> None:
        """Have others' spare containers stop, if inputs wait for a device that those hold."""
        if self._lacks:
            self._devices.make_room(self.requests, holder, turn)
