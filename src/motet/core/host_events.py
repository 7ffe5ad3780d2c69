"""What is heard of hosts: they come, change, and are lost with all that they have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from motet.core import events as e
from motet.core.containers import Container
from motet.core.state import State
from motet.core.turn import Turn
from motet.model.host import OWN_HOST


class HostEvents:
    """Takes it in. What comes late, of a host that is not there, is not heard; the server's own machine does not come or go."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._host = state.host
        self.handlers: dict[type[e.Event], Callable[[Any, Turn], None]] = {
            e.HostJoined: self._joined,
            e.HostChanged: self._changed,
            e.HostLost: self._lost,
            e.RoomDelayed: self._room_delayed,
        }

    def _joined(self, event: e.HostJoined, turn: Turn) -> None:
        if event.host.host_id != OWN_HOST:
            self._host.hosts.put(event.host)
            self._look_again(event.host.leaving, event.host.host_id, turn)

    def _changed(self, event: e.HostChanged, turn: Turn) -> None:
        if event.host.host_id in self._host.hosts:
            self._joined(e.HostJoined(event.host), turn)

    def _lost(self, event: e.HostLost, turn: Turn) -> None:
        if event.host_id == OWN_HOST or event.host_id not in self._host.hosts:
            return
        reason = f"was lost with its host: {event.host_id} {event.reason}"
        for container in self._containers(event.host_id):
            pool = self._state.pools[container.function_id]
            pool.losses.ended(container, reason, turn, blameless=True)
            turn.changed(pool)
        self._host.hosts.remove(event.host_id)
        self._look_again("", event.host_id, turn)

    def _room_delayed(self, event: e.RoomDelayed, turn: Turn) -> None:
        was_there = self._host.hosts.are_all_there_is
        self._host.hosts.tell_delay(event.why)
        if self._host.hosts.are_all_there_is and not was_there:  # now idle containers may make way
            self._host.devices.unsettle()
            self._host.room_changed()

    def _look_again(self, leaving: str, host_id: str, turn: Turn) -> None:
        self._host.hosts_changed()
        for pool in self._state.pools.values():
            if pool.fleet.gpu or pool.size.wanted:  # what it may have, and what it waits for, is another thing now
                turn.changed(pool)
        if leaving:
            for container in self._containers(host_id):
                pool = self._state.pools[container.function_id]
                pool.fleet.drain(container, f"its host {leaving}", turn, hurry=True)
                turn.changed(pool)

    def _containers(self, host_id: str) -> list[Container]:
        return [container for container in self._state.containers.values() if container.host == host_id]
