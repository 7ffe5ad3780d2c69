"""What a history tells, by what it is about: inputs, containers, clients and servers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from motet.testing.history_events import (
    AttemptBegan,
    BoundsDeclared,
    CancelAsked,
    ContainerBegan,
    ContainerVanished,
    Event,
    Fault,
    InputSubmitted,
    ItemsMade,
    ItemsSeen,
    MomentCame,
    OutcomeDenied,
    OutcomeOffered,
    OutcomeSeen,
    ScheduleDeclared,
    ServerBegan,
    Settled,
    SpawnAcknowledged,
)

ENDINGS = frozenset({"kill"})
"""Kinds of faults after which a client may be told that there is nothing for it to wait for."""

TURNED_AWAY = frozenset({"exited with status 69"})
"""Why a container ends to which nobody did anything but the platform."""

PATIENCE = 50.0
"""Seconds without a server that clients bear at least."""

UNNOTICED = 45.0
"""Seconds for which a client may still speak to a server that is gone: it is silent for 30, and the next may stand still."""

NEVER = float("inf")


@dataclass(slots=True)
class InputTold:
    """All that is told of one input."""

    submitted: InputSubmitted
    acknowledged_at: float = NEVER
    cancelled_at: float = NEVER
    began: list[AttemptBegan] = field(default_factory=list)
    offered: list[OutcomeOffered] = field(default_factory=list)
    yielded: list[ItemsMade] = field(default_factory=list)
    items: list[ItemsSeen] = field(default_factory=list)
    seen: list[OutcomeSeen] = field(default_factory=list)
    denied: list[OutcomeDenied] = field(default_factory=list)

    def take(self, event: Event) -> None:
        match event:
            case SpawnAcknowledged():
                self.acknowledged_at = min(self.acknowledged_at, event.at)
            case CancelAsked():
                self.cancelled_at = min(self.cancelled_at, event.at)
            case AttemptBegan():
                self.began.append(event)
            case OutcomeOffered():
                self.offered.append(event)
            case ItemsMade():
                self.yielded.append(event)
            case ItemsSeen():
                self.items.append(event)
            case OutcomeSeen():
                self.seen.append(event)
            case OutcomeDenied():
                self.denied.append(event)
            case _:
                pass

    def first_seen(self) -> float:
        return self.seen[0].at if self.seen else NEVER


class HistoryTold:
    """A history by what it is about."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.events = events
        self.functions: dict[str, BoundsDeclared] = {}
        self.inputs: dict[str, InputTold] = {}
        self.strangers: list[AttemptBegan | OutcomeSeen] = []
        """What is told of inputs that nobody has submitted."""
        self.function_of: dict[str, str] = {}
        self.harmed: dict[str, float] = {}
        """When something was first done to each container, client or server; ends of containers count."""
        self.cut_off: set[str] = set()
        """Those whose connections were ended, or who were themselves."""
        self.deaths: list[tuple[float, str]] = []
        """Also what may have looked like one to a server, which gave the container up."""
        self.servers: list[tuple[float, bool]] = []
        """When one began to take clients, and when one was harmed."""
        self.settled = False
        self.asked_at = 0.0
        self.schedules: dict[str, ScheduleDeclared] = {}
        self.moments: dict[str, list[MomentCame]] = {}
        """By function, in the order in which they came."""
        for event in events:
            self._take(event)

    def _take(self, event: Event) -> None:
        key = getattr(event, "key", None)
        if isinstance(event, MomentCame):
            self._take_moment(event)
        elif isinstance(event, ScheduleDeclared):
            self.schedules[event.function] = event
        elif key is not None and not isinstance(event, InputSubmitted):
            self._take_of_input(key, event)
        else:
            self._take_other(event)

    def _take_moment(self, event: MomentCame) -> None:
        self.moments.setdefault(event.function, []).append(event)
        asked = InputSubmitted(at=event.at, key=event.key, client="", function=event.function, spawned=True)
        told = self.inputs[event.key] = InputTold(asked)
        for early in [each for each in self.strangers if each.key == event.key]:  # it ran before its moment came
            self.strangers.remove(early)
            told.take(early)

    def _take_other(self, event: Event) -> None:
        match event:
            case BoundsDeclared():
                self.functions[event.function] = event
            case InputSubmitted():
                self.inputs.setdefault(event.key, InputTold(event))
            case ContainerBegan():
                self.function_of[event.container] = event.function
            case ContainerVanished():
                if event.reason not in TURNED_AWAY:
                    self.harmed.setdefault(event.container, event.at)
                self.deaths.append((event.at, event.container))
            case Fault():
                self.harmed.setdefault(event.target, event.at)
                self.deaths.append((event.at, event.target))
                self.servers.append((event.at, False))
                if event.kind in ENDINGS:
                    self.cut_off.add(event.target)
            case ServerBegan():
                self.servers.append((event.at, True))
            case Settled():
                self.settled, self.asked_at = True, event.asked_at
            case _:
                pass

    def _take_of_input(self, key: str, event: Event) -> None:
        if (told := self.inputs.get(key)) is not None:
            told.take(event)
        elif isinstance(event, AttemptBegan | OutcomeSeen):
            self.strangers.append(event)

    def lacked_server(self, at: float) -> bool:
        """Whether there may have been none for longer than clients wait."""
        began = [place for place, (when, is_new) in enumerate(self.servers) if is_new and when <= at]
        following = self.servers[began[-1] + 1 :] if began else self.servers
        return any(when <= at - PATIENCE for when, _ in following)

    def changed_server(self, since: float, by: float) -> bool:
        """Whether another server than before may have been spoken to in this time: the first comes after none."""
        began = [when for when, is_new in self.servers if is_new]
        return any(since - UNNOTICED <= when <= by for when in began[1:])

    def was_held_up(self, began: AttemptBegan, than: int) -> bool:
        """Whether it may have been sent before attempt `than`: what is on its way cannot be called back."""
        return began.attempt < than and self.was_harmed(began.container, began.at)

    def was_harmed(self, name: str, by: float) -> bool:
        return self.harmed.get(name, NEVER) <= by
