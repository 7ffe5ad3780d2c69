"""The life of a container as the engine sees it."""

from __future__ import annotations

from motet.core.inputs import Input
from motet.errors import InternalError

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
    `blocked`: its event loop does not turn. `exclusive`: it runs a group of suspects and gets nothing else. `failed`: it could
    not start. `parting`: why it is to drain once it is ready, and whether in a hurry. `leaving`: it drains for another reason
    than what is stuck in it, and so stays on its way out when nothing is any more.
    """

    __slots__ = (
        "blocked",
        "container_id",
        "exclusive",
        "failed",
        "finished",
        "froze_at",
        "history",
        "idle_since",
        "leaving",
        "limit",
        "parting",
        "ready_at",
        "running",
        "started_at",
        "state",
        "stuck",
        "was_frozen",
    )

    def __init__(self, container_id: str, now: float, reason: str) -> None:
        self.container_id = container_id
        self.state = STARTING
        self.running: dict[int, Input | None] = {}
        self.limit = UNLIMITED
        """Attempts that it takes at a time at most, where its code has lowered that."""
        self.exclusive = False
        self.blocked = False
        self.failed = False
        self.leaving = False
        self.froze_at: float | None = None
        self.was_frozen = (0.0, 0.0)
        """From when to when, the last time."""
        self.parting: tuple[str, bool] | None = None
        self.stuck: set[int] = set()
        self.started_at = now
        self.ready_at: float | None = None
        self.idle_since = now
        self.finished = 0
        self.history = [(now, f"started: {reason}")]

    @property
    def takes_inputs(self) -> bool:
        """Anybody's inputs may be sent there, if it has room."""
        return self.state is READY and not self.exclusive and not self.blocked

    def move(self, event: str, now: float, reason: str = "") -> None:
        """Go where `TRANSITIONS` says; an event this state does not allow raises and changes nothing."""
        try:
            self.state = TRANSITIONS[self.state][event]
        except KeyError:
            raise InternalError(f"container cannot be {event} while {self.state}: {self.story()}") from None
        self.history.append((now, f"{event}: {reason}" if reason else event))

    def story(self) -> str:
        """Why it is where it is, for humans."""
        steps = "; ".join(f"{at:.3f} {what}" for at, what in self.history)
        return f"{self.container_id} {self.state} with {len(self.running)} running: {steps}"

    def __repr__(self) -> str:
        return f"<Container {self.story()}>"
