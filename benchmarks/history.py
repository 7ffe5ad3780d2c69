"""What happened in a chaos run, and whether it may have: pure values and one function, `check`.

Two kinds of witnesses wrote it down, on one clock (CLOCK_MONOTONIC): the client says what it submitted, cancelled and got;
the functions themselves say when each attempt began and ended, and in which container. Nobody asks Motet.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

OutcomeKind = Literal["success", "failure", "cancelled", "died"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """The client handed in an input; `expected` is its one right result, and `work` the seconds that it takes by itself.

    `streams`: it yields items. Those that came cannot be taken back, so it is not run again once there were any.
    """

    key: str
    at: float
    expected: Any
    work: float = 0.0
    streams: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """The client cancelled an input: `asked` before it said so, `done` once it had been answered."""

    key: str
    asked: float
    done: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the client got. `attempt` is the one whose result it is, for a success; `value` what it was."""

    key: str
    at: float
    kind: OutcomeKind
    attempt: str | None = None
    value: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A run of an input in a container, as its own code saw it; `ended` is None if its last line never ran."""

    key: str
    attempt: str
    container: str
    function: str
    began: float
    ended: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something done to a container."""

    kind: str
    container: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """All of a run. `max_inputs` says by function how many attempts a container may run at once."""

    submitted: Sequence[Submitted]
    cancelled: Sequence[Cancelled]
    outcomes: Sequence[Outcome]
    attempts: Sequence[Attempt]
    faults: Sequence[Fault]
    max_inputs: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A promise that was broken, by its name, and how it shows."""

    promise: str
    what: str


DEATHS_THAT_CONDEMN = 2
"""An input may end as the killer of its container only if that many containers died while it ran."""


def check(history: History) -> list[Violation]:
    """Every broken promise, in the order of the functions below; none for a run that went as it should."""
    return [
        *_one_outcome_each(history),
        *_right_results(history),
        *_never_too_many(history),
        *_cancelled_and_only_they(history),
        *_no_innocent_condemned(history),
        *_no_fenced_result(history),
        *_never_twice_at_once(history),
    ]


def _one_outcome_each(history: History) -> Iterable[Violation]:
    accepted = {each.key for each in history.submitted}
    got: dict[str, int] = defaultdict(int)
    for outcome in history.outcomes:
        got[outcome.key] += 1
    for key in sorted(accepted - set(got)):
        yield Violation(promise="accepted = ended", what=f"{key} was accepted and never ended")
    for key, count in sorted(got.items()):
        if key not in accepted:
            yield Violation(promise="accepted = ended", what=f"{key} ended and was never accepted")
        if count > 1:
            yield Violation(promise="exactly one outcome", what=f"{key} has {count} outcomes")


def _right_results(history: History) -> Iterable[Violation]:
    expected = {each.key: each.expected for each in history.submitted}
    for outcome in history.outcomes:
        if outcome.kind == "failure":
            yield Violation(promise="right results", what=f"{outcome.key} failed: {outcome.value}")
        elif outcome.kind == "success" and outcome.key in expected and outcome.value != expected[outcome.key]:
            what = f"{outcome.key} gave {outcome.value!r} instead of {expected[outcome.key]!r}"
            yield Violation(promise="right results", what=what)


def _never_too_many(history: History) -> Iterable[Violation]:
    """At no instant more attempts in a container than it has slots. What never ended ran until its container's end."""
    steps: dict[str, list[tuple[float, int, Attempt]]] = defaultdict(list)
    for attempt in history.attempts:
        steps[attempt.container].append((attempt.began, 1, attempt))
        if attempt.ended is not None:
            steps[attempt.container].append((attempt.ended, -1, attempt))
    for container, changes in sorted(steps.items()):
        running: dict[str, float] = {}
        most: dict[str, float] = {}
        for at, change, attempt in sorted(changes, key=lambda it: it[:2]):
            if change > 0:
                running[attempt.attempt] = at
                most = max(most, dict(running), key=len)
            else:
                del running[attempt.attempt]
        function = changes[0][2].function
        if len(most) > history.max_inputs[function]:
            since = ", ".join(f"{name} since {at:.3f}" for name, at in most.items())
            what = (
                f"{container} of {function} may run {history.max_inputs[function]} inputs, and ran {len(most)}: {since}"
            )
            yield Violation(promise="running <= max_inputs", what=what)


def _cancelled_and_only_they(history: History) -> Iterable[Violation]:
    asked = {each.key: each for each in history.cancelled}
    ends = {attempt.attempt: attempt.ended for attempt in history.attempts}
    for outcome in history.outcomes:
        cancel = asked.get(outcome.key)
        if outcome.kind == "cancelled" and (cancel is None or outcome.at < cancel.asked):
            yield Violation(
                promise="only the cancelled", what=f"{outcome.key} was cancelled, and nobody had asked for it"
            )
        if outcome.kind == "success" and cancel is not None and outcome.attempt is not None:
            ended = ends.get(outcome.attempt)
            if ended is not None and ended > cancel.done:
                what = f"{outcome.key} was cancelled, ended {ended - cancel.done:.3f} s later, and still gave a result"
                yield Violation(promise="the cancelled", what=what)


def _no_innocent_condemned(history: History) -> Iterable[Violation]:
    """Somebody who runs in one container after the other that we kill looks like a killer. Who had fewer bad days does not.

    A container may have died with an input that it had been sent and had not begun: any that was harmed meanwhile counts.
    """
    submitted = {each.key: each.at for each in history.submitted}
    streams = {each.key for each in history.submitted if each.streams}
    function_of = {attempt.container: attempt.function for attempt in history.attempts}
    by_key = _attempts_by_key(history)
    for outcome in history.outcomes:
        if outcome.kind != "died":
            continue
        own = {attempt.function for attempt in by_key[outcome.key]}
        deaths = {attempt.container for attempt in by_key[outcome.key] if attempt.ended is None}
        for fault in history.faults:
            during = submitted.get(outcome.key, outcome.at) <= fault.at <= outcome.at
            if deaths and during and function_of.get(fault.container) in own:
                deaths.add(fault.container)
        if len(deaths) < (1 if outcome.key in streams else DEATHS_THAT_CONDEMN):
            what = f"{outcome.key} ended as a killer of containers after {len(deaths)} deaths: {outcome.value}"
            yield Violation(promise="no innocent is condemned", what=what)


def _no_fenced_result(history: History) -> Iterable[Violation]:
    """An input is delivered again only when its attempt was given up; from then on that one's result is void."""
    faulted = _faulted(history)
    by_key = _attempts_by_key(history)
    for outcome in history.outcomes:
        if outcome.kind != "success" or outcome.attempt is None:
            continue
        winner = next((it for it in by_key[outcome.key] if it.attempt == outcome.attempt), None)
        if winner is None:
            yield Violation(
                promise="no fenced result", what=f"{outcome.key} has a result of an attempt that never began"
            )
            continue
        for other in by_key[outcome.key]:
            # A container that is being given up may still begin what it was sent before.
            late = other.began >= faulted.get(other.container, float("inf"))
            if winner.began < other.began <= outcome.at and not late:
                what = f"{outcome.key} has the result of {winner.attempt}, after which {other.attempt} began"
                yield Violation(promise="no fenced result", what=what)


def _never_twice_at_once(history: History) -> Iterable[Violation]:
    faulted = _faulted(history)
    for key, attempts in sorted(_attempts_by_key(history).items()):
        for earlier, later in pairwise(attempts):
            both = earlier.ended is not None and later.began < earlier.ended
            if both and min(faulted.get(it.container, float("inf")) for it in (earlier, later)) > later.began:
                what = f"{key} ran in {earlier.container} and {later.container} at the same time, and neither was lost"
                yield Violation(promise="one attempt at a time", what=what)


def _faulted(history: History) -> dict[str, float]:
    """When each container was first harmed."""
    first: dict[str, float] = {}
    for fault in sorted(history.faults, key=lambda it: it.at):
        first.setdefault(fault.container, fault.at)
    return first


def _attempts_by_key(history: History) -> dict[str, list[Attempt]]:
    by_key: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in sorted(history.attempts, key=lambda it: it.began):
        by_key[attempt.key].append(attempt)
    return by_key
