"""A playbook: the engine's test as a transcript of events fed (`>>`) and commands expected (`<<`).

    with Playbook() as play:
        play >> function("f", max_inputs=2)
        play >> submit("a", 1) << start(1)
        play >> ready(1) << deliver(1, "a0#1")
        play.at(3.0) >> finished(1, 1) << send("a", 0)
        play.at(63.0) << stop(1)

Every command must be expected, in order, before the next event or the end of the `with` block. After each event the
engine checks its invariants. The words for events and commands are in `motet.testing.transcript`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any

import msgspec

from motet.core.autoscaler import Policy
from motet.core.commands import Command, ReportDecision, WakeAt
from motet.core.engine import Engine
from motet.core.events import Event, TimerFired
from motet.core.host import DEFAULT_LIMITS, HostLimits
from motet.core.policies import POLICIES


class PlaybookMismatch(AssertionError):
    """The engine did something else than the playbook says; the message is the transcript with the difference."""


class Placeholder:
    """Stands for a value not known beforehand: equals the first value it meets, and from then on only that."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.met: list[Any] = []

    @property
    def value(self) -> Any:
        """The value it stands for. Raises `LookupError` until it has met one."""
        if not self.met:
            raise LookupError(f"placeholder {self.name} has met no value yet")
        return self.met[0]

    def matches(self, value: object) -> bool:
        if not self.met:
            self.met.append(value)
        return bool(self.met[0] == value)

    def __repr__(self) -> str:
        return f"<{self.name}={self.met[0]!r}>" if self.met else f"<{self.name}>"


class Containing:
    """Matches text (or bytes) that contains every one of these fragments; without any, it matches everything."""

    def __init__(self, *fragments: str) -> None:
        self.fragments = fragments

    def matches(self, value: object) -> bool:
        text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
        return all(fragment in text for fragment in self.fragments)

    def __repr__(self) -> str:
        return f"<containing {', '.join(map(repr, self.fragments))}>" if self.fragments else "<anything>"


ANYTHING: Any = Containing()


def matches(expected: object, produced: object) -> bool:
    """Whether a command (or a part of one) is what was expected; placeholders are bound on the way."""
    if isinstance(expected, Placeholder | Containing):
        return expected.matches(produced)
    if isinstance(expected, msgspec.Struct):
        return type(expected) is type(produced) and all(
            matches(getattr(expected, name), getattr(produced, name)) for name in expected.__struct_fields__
        )
    if isinstance(expected, list | tuple) and isinstance(produced, list | tuple):
        return len(expected) == len(produced) and all(map(matches, expected, produced))
    return expected == produced


def text_failure(error: Exception) -> bytes:
    """Encodes a failure so that a test can read it."""
    return f"{type(error).__name__}: {error}".encode()


class Playbook:
    """Feeds an engine on virtual time and compares what it answers.

    `wakes=True` asserts `WakeAt` commands like all others; otherwise they are kept from sight, and only decide when
    `at` lets a timer fire. So does `decisions=True` with `ReportDecision`. `engine` may be looked into at any time.
    """

    def __init__(
        self,
        *,
        limits: HostLimits = DEFAULT_LIMITS,
        wakes: bool = False,
        decisions: bool = False,
        first_attempt: int = 1,
        policy: Policy = POLICIES["motet"],
    ) -> None:
        self.engine = Engine(failure=text_failure, limits=limits, first_attempt=first_attempt, policy=policy)
        self.now = 0.0
        self._unseen = (*(() if wakes else (WakeAt,)), *(() if decisions else (ReportDecision,)))
        self._wake_at: float | None = None
        self._produced: list[Command] = []
        self._transcript: list[str] = []

    def __rshift__(self, events: Event | Sequence[Event]) -> Playbook:
        """Feed one event, or several that arrive in one turn."""
        self._expect_nothing_more("before the next event")
        self._feed([events] if isinstance(events, Event) else list(events))
        return self

    def __lshift__(self, expected: Command | Iterable[Command]) -> Playbook:
        """Expect one command, or several."""
        for command in [expected] if isinstance(expected, Command) else expected:
            if not self._produced or not matches(command, self._produced[0]):
                raise PlaybookMismatch(self._story("does not go as written", command))
            self._transcript.append(f"  << {_short(self._produced.pop(0))}")
        return self

    def at(self, moment: float) -> Playbook:
        """Let time pass until `moment`; timers the engine asked for fire on the way."""
        self._expect_nothing_more("before time goes on")
        if moment < self.now:
            raise ValueError(f"time cannot go back from {self.now} to {moment}")
        while self._wake_at is not None and self._wake_at <= moment:
            self.now = max(self.now, self._wake_at)
            self._wake_at = None
            self._feed([TimerFired()])
        self.now = moment
        return self

    def take(self) -> list[Command]:
        """The commands not expected yet, for a test that looks at them by itself."""
        produced, self._produced = self._produced, []
        self._transcript += [f"  << {_short(command)}" for command in produced]
        return produced

    def end(self) -> None:
        """Raise `PlaybookMismatch` if a command was produced and not expected."""
        self._expect_nothing_more("at the end")

    def _feed(self, events: list[Event]) -> None:
        self._transcript += [f"{self.now:8.3f} >> {_short(event)}" for event in events]
        commands = self.engine.handle(events, self.now)
        self.engine.check()
        for command in commands:
            if isinstance(command, WakeAt):
                self._wake_at = command.deadline
            if not isinstance(command, self._unseen):
                self._produced.append(command)

    def _expect_nothing_more(self, when: str) -> None:
        if self._produced:
            raise PlaybookMismatch(self._story(f"has unexpected commands {when}", None))

    def _story(self, problem: str, expected: Command | None) -> str:
        lines = [f"the playbook {problem}:", *self._transcript]
        lines += [f"- << {_short(expected)}"] if expected is not None else []
        lines += [f"+ << {_short(command)}" for command in self._produced] or ["+ (no command)"]
        return "\n".join(lines)

    def __enter__(self) -> Playbook:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self.end()


def _short(value: object) -> str:
    """A command or event on one line, without what would hide the rest."""
    text = repr(value)
    return text if len(text) <= 240 else f"{text[:200]} ... {text[-36:]}"
