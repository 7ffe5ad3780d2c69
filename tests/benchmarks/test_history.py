"""The checker of chaos runs: it has nothing to say of a good history, and names each kind of bad one."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from history import Attempt, Cancelled, Fault, History, Outcome, Submitted, Violation, check


def attempt(key: str, number: int, began: float, ended: float | None, container: str = "ta-1") -> Attempt:
    return Attempt(key=key, attempt=f"{key}#{number}", container=container, function="f", began=began, ended=ended)


def won(key: str, number: int, at: float, value: Any = 1) -> Outcome:
    return Outcome(key=key, at=at, kind="success", attempt=f"{key}#{number}", value=value)


GOOD = History(
    submitted=[Submitted(key=key, at=0.0, expected=1) for key in "abcdef"],
    cancelled=[
        Cancelled(key="c", asked=2.0, done=2.1),
        Cancelled(key="d", asked=2.0, done=2.1),
    ],
    outcomes=[
        won("a", 1, 2.0),
        won("b", 2, 5.0),
        Outcome(key="c", at=2.1, kind="cancelled"),
        won("d", 1, 2.2),  # it had ended before it was cancelled
        Outcome(key="e", at=9.0, kind="died"),
        won("f", 2, 7.0),
    ],
    attempts=[
        attempt("a", 1, 1.0, 2.0),
        attempt("b", 1, 1.0, None),  # killed with its container, run again elsewhere
        attempt("b", 2, 4.0, 5.0, "ta-2"),
        attempt("c", 1, 1.5, 2.1, "ta-3"),
        attempt("d", 1, 1.5, 2.05, "ta-3"),
        attempt("e", 1, 5.0, None, "ta-4"),
        attempt("e", 2, 7.0, None, "ta-5"),
        attempt("f", 1, 5.0, 7.5, "ta-6"),  # cut off, and at work for a while after that
        attempt("f", 2, 6.0, 7.0, "ta-7"),
    ],
    faults=[
        Fault(kind="kill", container="ta-1", at=3.0),
        Fault(kind="kill", container="ta-4", at=6.0),
        Fault(kind="kill", container="ta-5", at=8.0),
        Fault(kind="cut", container="ta-6", at=5.5),
    ],
    max_inputs={"f": 2},
)


def promises(history: History) -> list[str]:
    return [violation.promise for violation in check(history)]


def without(key: str) -> list[Outcome]:
    return [outcome for outcome in GOOD.outcomes if outcome.key != key]


def test_a_good_history_is_one() -> None:
    assert check(GOOD) == []


@pytest.mark.parametrize(
    ("promise", "changes"),
    [
        ("accepted = ended", {"outcomes": without("a")}),
        ("accepted = ended", {"submitted": GOOD.submitted[1:]}),
        ("exactly one outcome", {"outcomes": [*GOOD.outcomes, won("a", 1, 3.0)]}),
        ("right results", {"outcomes": [*without("a"), won("a", 1, 2.0, value=2)]}),
        ("right results", {"outcomes": [*without("a"), Outcome(key="a", at=2.0, kind="failure", value="E")]}),
        ("running <= max_inputs", {"max_inputs": {"f": 1}}),
        (
            "running <= max_inputs",
            {"attempts": [*GOOD.attempts, attempt("x", 1, 2.5, None), attempt("y", 1, 2.6, 2.7)]},
        ),
        ("only the cancelled", {"outcomes": [*without("a"), Outcome(key="a", at=2.0, kind="cancelled")]}),
        ("only the cancelled", {"outcomes": [*without("c"), Outcome(key="c", at=1.9, kind="cancelled")]}),
        (
            "the cancelled",
            {"cancelled": [*GOOD.cancelled[:1], Cancelled(key="d", asked=1.6, done=1.7)]},
        ),
        (
            "no innocent is condemned",
            {"attempts": [it for it in GOOD.attempts if it.attempt != "e#1"], "faults": [GOOD.faults[2]]},
        ),
        ("no innocent is condemned", {"outcomes": [*without("a"), Outcome(key="a", at=2.0, kind="died")]}),
        ("no fenced result", {"outcomes": [*without("b"), won("b", 1, 5.0)]}),
        ("no fenced result", {"outcomes": [*without("a"), won("a", 9, 2.0)]}),
        ("one attempt at a time", {"attempts": [*GOOD.attempts, attempt("a", 2, 1.5, 1.9, "ta-2")]}),
        ("one attempt at a time", {"faults": GOOD.faults[:3]}),
    ],
)
def test_each_broken_promise_is_named(promise: str, changes: dict[str, Any]) -> None:
    assert promise in promises(replace(GOOD, **changes))


def test_a_container_that_is_given_up_may_begin_what_it_had_been_sent() -> None:
    late = attempt("b", 3, 4.5, 4.6, "ta-1")
    assert check(replace(GOOD, attempts=[*GOOD.attempts, late])) == []


def test_a_container_that_was_harmed_may_have_died_with_what_it_had_not_begun() -> None:
    begun_once = [it for it in GOOD.attempts if it.attempt != "e#1"]
    assert check(replace(GOOD, attempts=begun_once)) == []


def test_a_stream_that_has_begun_ends_with_its_container() -> None:
    submitted = [*GOOD.submitted, Submitted(key="s", at=0.0, expected=1, streams=True)]
    died = [*GOOD.outcomes, Outcome(key="s", at=4.0, kind="died")]
    ran = [*GOOD.attempts, attempt("s", 1, 2.5, None, "ta-8")]
    assert check(replace(GOOD, submitted=submitted, outcomes=died, attempts=ran)) == []
    assert "no innocent is condemned" in promises(replace(GOOD, submitted=submitted, outcomes=died))


def test_a_violation_says_what_shows_it() -> None:
    (violation,) = check(replace(GOOD, outcomes=without("a")))
    assert violation == Violation(promise="accepted = ended", what="a was accepted and never ended")
