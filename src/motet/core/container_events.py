"""What is heard of containers: from them, of their processes, and from who operates the server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from motet.core import events as e
from motet.core import streams
from motet.core.containers import FROZEN, READY, STARTING, STOPPING, Container
from motet.core.pool import Pool
from motet.core.state import State
from motet.core.turn import Turn
from motet.model.current_attempt import DIED, STOPPED


class ContainerEvents:
    """Takes it in. What comes late, of a container that has ended, is not heard."""

    def __init__(self, state: State) -> None:
        self._containers = state.containers
        self._pools = state.pools

    def changes(self, event: Any, turn: Turn) -> None:
        """One of `CHANGES`."""
        container = self._containers.get(event.container_id)
        if container is not None:
            pool = self._pools[container.function_id]
            CHANGES[type(event)](pool, container, event, turn)
            turn.changed(pool)

    def resumed(self, event: e.ContainerResumed, turn: Turn) -> None:
        """See `ContainerResumed`. Its function must be here: whoever tells of it waits for that."""
        pool = self._pools.get(event.function_id)
        if pool is not None and not pool.closed and event.container_id not in self._containers:
            pool.resumed(event, turn)
            turn.changed(pool)

    def finished(self, event: e.AttemptsFinished, turn: Turn) -> None:
        """Attempts ended. By itself, as it comes with every input."""
        container = self._containers.get(event.container_id)
        if container is not None:
            pool = self._pools[container.function_id]
            pool.finished(container, event.attempts, turn)
            turn.changed(pool)

    def passes(self, event: Any, turn: Turn) -> None:
        """One of `PASSES`."""
        container = self._containers.get(event.container_id)
        if container is not None:
            PASSES[type(event)](self._pools[container.function_id], container, event, turn)


def _ready(pool: Pool, container: Container, event: e.ContainerReady, turn: Turn) -> None:
    if container.state is STARTING:  # it may have been told to end while it started
        pool.became_ready(container, turn)


def _failed(pool: Pool, container: Container, event: e.ContainerFailed, turn: Turn) -> None:
    if container.state is STARTING:
        pool.start_failed(container, event.failure, turn)


def _ended(pool: Pool, container: Container, event: e.ContainerEnded, turn: Turn) -> None:
    pool.losses.ended(container, event.description, turn, blameless=event.blameless)


def _blocked(pool: Pool, container: Container, event: e.ContainerBlocked, turn: Turn) -> None:
    if container.state is not STARTING:
        pool.losses.blocked(container, event.seen, event.not_begun, turn)


def _unblocked(pool: Pool, container: Container, event: e.ContainerUnblocked, turn: Turn) -> None:
    if container.blocked:
        pool.fleet.unblocked(container, turn)


def _silent(pool: Pool, container: Container, event: e.ContainerSilent, turn: Turn) -> None:
    pool.fleet.silent(container, f"it {event.reason}", turn)
    if event.lost and container.state is READY and not container.running:
        pool.losses.evict(container, DIED, f"it {event.reason}", turn, kill=True)


def _heard(pool: Pool, container: Container, event: e.ContainerHeard, turn: Turn) -> None:
    if container.silent is not None:
        pool.fleet.heard(container, turn)


def _froze(pool: Pool, container: Container, event: e.ContainerFrozen, turn: Turn) -> None:
    pool.standstill.froze(container, turn)


def _thawed(pool: Pool, container: Container, event: e.ContainerThawed, turn: Turn) -> None:
    pool.standstill.thawed(container, turn)


def _stood_still(pool: Pool, container: Container, event: e.ContainerStoodStill, turn: Turn) -> None:
    pool.standstill.stood_still(container, event.seconds, turn.now)


def _limited(pool: Pool, container: Container, event: e.InputsLimited, turn: Turn) -> None:
    pool.fleet.limit(container, event.limit)


def _drain_asked(pool: Pool, container: Container, event: e.DrainAsked, turn: Turn) -> None:
    reason = "it was told to end (SIGTERM)" if event.preempted else "it asked for no more inputs"
    pool.fleet.drain(container, reason, turn, hurry=event.preempted)


def _stop_asked(pool: Pool, container: Container, event: e.ContainerStopAsked, turn: Turn) -> None:
    if container.state is STOPPING:
        return
    reason = "an operator stopped it"
    if event.graceful:
        pool.fleet.drain(container, reason, turn)
    else:
        deaf = container.state in (STARTING, FROZEN)
        pool.losses.evict(container, STOPPED, reason, turn, kill=deaf)


def _yielded(pool: Pool, container: Container, event: e.ItemsYielded, turn: Turn) -> None:
    streams.yielded(container, event.attempt, event.items, turn)


def _feed_taken(pool: Pool, container: Container, event: e.FeedTaken, turn: Turn) -> None:
    pool.feeds.taken(container.running.get(event.attempt), event.count)
    streams.feed_taken(container, event.attempt, event.count, turn)


Heard = Callable[[Pool, Container, Any, Turn], None]

CHANGES: dict[type[e.Event], Heard] = {
    e.ContainerReady: _ready,
    e.ContainerFailed: _failed,
    e.ContainerEnded: _ended,
    e.ContainerBlocked: _blocked,
    e.ContainerUnblocked: _unblocked,
    e.ContainerSilent: _silent,
    e.ContainerHeard: _heard,
    e.ContainerFrozen: _froze,
    e.ContainerThawed: _thawed,
    e.InputsLimited: _limited,
    e.DrainAsked: _drain_asked,
    e.ContainerStopAsked: _stop_asked,
}
"""What may let others run, or call for more or fewer containers: the pool is pumped."""

PASSES: dict[type[e.Event], Heard] = {
    e.ContainerStoodStill: _stood_still,
    e.ItemsYielded: _yielded,
    e.FeedTaken: _feed_taken,
}
"""What changes nothing for anybody but one input: these may be many, and cost no look at the pool."""
