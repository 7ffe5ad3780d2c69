"""The life of a container as the engine sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from motet.core.inputs import Input
from motet.errors import InternalError
from motet.model.host import OWN_HOST
from motet.model.outcome import AttemptEnd

UNLIMITED = 1 << 62
"""Attempts at a time, for a container that takes as many as its pool may give it."""

STARTING, READY, FROZEN, DRAINING, STOPPING, ENDED = "starting", "ready", "frozen", "draining", "stopping", "ended"

TRANSITIONS: dict[str, dict[str, str]] = {
    STARTING: {"became_ready": READY, "stopped": STOPPING, "ended": ENDED},
    READY: {"drained": DRAINING, "froze": FROZEN, "stopped": STOPPING, "ended": ENDED},
    FROZEN: {"thawed": READY, "stopped": STOPPING, "ended": ENDED},
    DRAINING: {"recovered": READY, "stopped": STOPPING, "ended": ENDED},
    STOPPING: {"ended": ENDED},
    ENDED: {},
}
"""State -> event -> next state. Only a ready container is given attempts; a draining one finishes those it holds; nothing
runs in a frozen one (SIGSTOP), and it does not count as one of its pool's containers."""


class Container:
    """One container: its state and the attempts it holds.

    `running` maps an attempt's number to its input, or to None once the input ended without the container having let
    go of it (cancelled, timed out): the slot stays taken; `stuck` are those it should have let go of long ago. A batch has
    one entry, under its first attempt's number: one of its inputs that somebody waits for, or None.
    `blocked`: its event loop does not turn. `silent`: it does not answer, and how that is known. `exclusive`: it runs a group
    of suspects and gets nothing else. `failed`: it could not start. `leaving`: why it takes no more inputs and goes when it
    holds none, perhaps in a `hurry`; None while it stays.
    `takes_inputs`: anybody's inputs may be sent there, if it has room.
    """

    __slots__ = (
        "blocked",
        "container_id",
        "exclusive",
        "failed",
        "finished",
        "froze_at",
        "function_id",
        "history",
        "host",
        "hurry",
        "idle_since",
        "leaving",
        "limit",
        "running",
        "silent",
        "started_at",
        "state",
        "stuck",
        "takes_inputs",
        "was_frozen",
    )

    def __init__(self, container_id: str, now: float, reason: str, function_id: str = "", host: str = OWN_HOST) -> None:
        self.container_id = container_id
        self.function_id = function_id
        self.host = host
        """Where it is."""
        self.state = STARTING
        self.running: dict[int, Input | None] = {}
        self.limit = UNLIMITED
        """Attempts that it takes at a time at most, where its code has lowered that."""
        self.takes_inputs = False
        self.exclusive = False
        self.blocked = False
        self.silent: str | None = None
        self.failed = False
        self.leaving: str | None = None
        self.hurry = False
        self.froze_at: float | None = None
        """Since when its process is stopped; None while it runs."""
        self.was_frozen = (0.0, 0.0)
        """From when to when, the last time."""
        self.stuck: set[int] = set()
        self.started_at = now
        self.idle_since = now
        self.finished = 0
        self.history = [(now, f"started: {reason}")]

    # --- its state ----------------------------------------------------------------------------------------------------

    def move(self, event: str, now: float, reason: str = "") -> None:
        """Go where `TRANSITIONS` says; an event this state does not allow raises and changes nothing."""
        try:
            self.state = TRANSITIONS[self.state][event]
        except KeyError:
            raise InternalError(f"container cannot be {event} while {self.state}: {self.story()}") from None
        self.history.append((now, f"{event}: {reason}" if reason else event))
        if event == "became_ready":
            self.idle_since = now  # nobody could use it before
        self._look_at_reach()

    @property
    def caused(self) -> str | None:
        """The event that follows at once from its state and what holds of it; None if it stays where it is."""
        return next((cause.event for cause in CAUSED.get(self.state, ()) if cause.holds(self)), None)

    def leave(self, reason: str, *, hurry: bool = False) -> None:
        """It is to take no more inputs, and to go: as soon as its state lets it."""
        self.leaving = reason
        self.hurry |= hurry  # a host that takes it away does so whoever else wants it gone

    def fail(self) -> None:
        """It cannot start."""
        self.failed = True

    def freeze(self, now: float) -> None:
        """Its process was stopped, unless it is already."""
        if self.froze_at is None:
            self.froze_at = now

    def thaw(self, now: float) -> None:
        """Its process runs again, if it did not."""
        if self.froze_at is not None:
            self.was_frozen, self.froze_at = (self.froze_at, now), None

    def block(self, now: float) -> None:
        """Its event loop does not turn."""
        self.blocked = True
        self.history.append((now, "its event loop is blocked"))
        self._look_at_reach()

    def unblock(self, now: float) -> None:
        """It turns again."""
        self.blocked = False
        self.history.append((now, "its event loop turns again"))
        self._look_at_reach()

    def be_silent(self, reason: str, now: float) -> None:
        """It does not answer."""
        if self.silent is None:
            self.history.append((now, reason))
        self.silent = reason
        self._look_at_reach()

    def be_heard(self, now: float) -> None:
        """It answers again."""
        self.silent = None
        self.history.append((now, "it answers again"))
        self._look_at_reach()

    @property
    def is_held_up(self) -> bool:
        """It takes nothing for a while, though it counts."""
        return self.blocked or self.silent is not None

    def set_aside(self, exclusive: bool) -> None:
        """It is for suspects alone, or for anybody again."""
        self.exclusive = exclusive
        self._look_at_reach()

    def limit_to(self, limit: int) -> None:
        """It takes at most so many attempts at a time from now on."""
        self.limit = max(1, limit)

    def _look_at_reach(self) -> None:
        # Kept, because it is asked with every delivery and every end of an attempt, and changes with few of them.
        self.takes_inputs = self.state is READY and not (self.exclusive or self.is_held_up)

    # --- the attempts it holds ----------------------------------------------------------------------------------------

    def hold(self, items: Iterable[Input]) -> None:
        """It was given attempts at these, each in a slot of its own."""
        running = self.running
        for item in items:
            running[item.attempt] = item

    def fill(self, number: int, item: Input | None) -> None:
        """One slot holds this input, or a batch of which it is one that somebody waits for; None: what nobody waits for."""
        self.running[number] = item

    def let_go(self, ends: Iterable[AttemptEnd], now: float) -> list[tuple[Input | None, AttemptEnd]]:
        """Attempts of it ended: those that it held, each with its input. What it does not hold is stale."""
        running = self.running
        gone = []
        for end in ends:
            if end.attempt in running:
                gone.append((running.pop(end.attempt), end))
        self.finished += len(gone)
        if gone and not running:
            self.idle_since = now
        if self.stuck:
            self.stuck &= running.keys()
        return gone

    def let_go_of_batch(self, number: int, now: float) -> None:
        """All that a slot held has ended."""
        del self.running[number]
        if not self.running:
            self.idle_since = now
        self.stuck.discard(number)

    def count_finished(self, inputs: int) -> None:
        """So many inputs of batches ended."""
        self.finished += inputs

    def give_up(self, number: int) -> None:
        """It should have let go of this attempt, for which nobody waits, long ago."""
        self.stuck.add(number)

    def lose_all(self) -> None:
        """What it held is no longer there."""
        self.running.clear()
        self.stuck.clear()

    def story(self) -> str:
        """Why it is where it is, for humans."""
        steps = "; ".join(f"{at:.3f} {what}" for at, what in self.history)
        return f"{self.container_id} {self.state} with {len(self.running)} running: {steps}"

    def __repr__(self) -> str:
        return f"<Container {self.story()}>"


class Cause(NamedTuple):
    """A move that nobody has to ask for: the event, when it follows, in words and as a question to the container."""

    event: str
    when: str
    holds: Callable[[Container], bool]


CAUSED: dict[str, tuple[Cause, ...]] = {
    READY: (
        Cause("froze", "its process is stopped", lambda it: it.froze_at is not None),
        Cause("drained", "it is leaving", lambda it: it.leaving is not None),
    ),
    FROZEN: (Cause("thawed", "its process runs", lambda it: it.froze_at is None),),
    DRAINING: (
        # First: one that drains only because of an attempt that does not end is as good as any other when it has ended.
        Cause(
            "recovered",
            "it is not leaving, nothing is stuck in it, its process runs",
            lambda it: it.leaving is None and not it.stuck and it.froze_at is None,
        ),
        Cause("stopped", "it is empty", lambda it: not it.running),
    ),
}
"""State -> the moves that follow from it at once, the first that does first. The fleet makes them after every change of a
container, so that no state has to be looked after by whoever changes what it depends on."""
