"""The checker of histories: what may happen passes, and each broken promise is found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from motet.model.outcome import OutcomeKind
from motet.testing.history import check, report
from motet.testing.history_events import (
    AttemptBegan,
    BoundsDeclared,
    Broke,
    CancelAsked,
    ClientTurnedAway,
    ContainerBegan,
    ContainerVanished,
    Event,
    Fault,
    InputSubmitted,
    ItemsMade,
    ItemsSeen,
    OutcomeDenied,
    OutcomeOffered,
    OutcomeSeen,
    ServerBegan,
    Settled,
    SpawnAcknowledged,
    dumped,
    loaded,
)

SUCCESS, FAILURE, CANCELLED, LOST = OutcomeKind.SUCCESS, OutcomeKind.FAILURE, OutcomeKind.CANCELLED, OutcomeKind.LOST

BEGINNING: list[Event] = [
    BoundsDeclared(at=0, function="f", max_containers=2, max_inputs=2, outlives=True),
    BoundsDeclared(at=0, function="batch", max_containers=1, max_inputs=1, max_batch=2),
    BoundsDeclared(at=0, function="once", max_containers=1, max_inputs=2, at_most_once=True),
    ServerBegan(at=0, server="server-1"),
    ContainerBegan(at=0, container="x", function="f"),
    ContainerBegan(at=0, container="y", function="f"),
    ContainerBegan(at=0, container="z", function="once"),
    ContainerBegan(at=0, container="b", function="batch"),
]
END = Settled(at=100)


def submitted(key: str = "a", function: str = "f", *, spawned: bool = False) -> InputSubmitted:
    return InputSubmitted(at=1, key=key, client="client-1", function=function, spawned=spawned)


def began(at: float, attempt: int = 1, container: str = "x", key: str = "a") -> AttemptBegan:
    return AttemptBegan(at=at, key=key, attempt=attempt, container=container)


def offered(at: float, attempt: int = 1, container: str = "x", kind: OutcomeKind = SUCCESS) -> OutcomeOffered:
    return OutcomeOffered(at=at, key="a", attempt=attempt, container=container, kind=kind)


def seen(
    at: float, attempt: int | None = 1, kind: OutcomeKind = SUCCESS, reader: str = "client-1", text: str = ""
) -> OutcomeSeen:
    return OutcomeSeen(at=at, key="a", reader=reader, kind=kind, attempt=attempt, text=text)


def yielded(at: float, first: int, count: int, attempt: int = 1) -> ItemsMade:
    return ItemsMade(at=at, key="a", attempt=attempt, first=first, count=count)


def items(at: float, first: int, count: int, attempt: int = 1) -> ItemsSeen:
    return ItemsSeen(at=at, key="a", attempt=attempt, first=first, count=count)


def batched(at: float, key: str, attempt: int, batch: int) -> AttemptBegan:
    return AttemptBegan(at=at, key=key, attempt=attempt, container="b", batch=batch)


def denied(at: float) -> OutcomeDenied:
    return OutcomeDenied(at=at, key="a", reader="client-1", error="the server is gone")


def turned_away(at: float) -> ClientTurnedAway:
    return ClientTurnedAway(at=at, client="client-1", error="the server has not waited")


def gone(at: float, container: str) -> ContainerVanished:
    return ContainerVanished(at=at, container=container, reason="")


STREAM = InputSubmitted(at=1, key="a", client="client-1", function="f", streams=True)
BATCHED = [InputSubmitted(at=1, key=key, client="client-1", function="batch") for key in "abc"]
ONCE = [submitted(), began(2), offered(3), seen(4), END]


@pytest.mark.parametrize(
    "events",
    [
        ONCE,
        [submitted(), began(2), Fault(at=3, kind="kill", target="x"), began(4, 2, "y"), offered(5, 2, "y"), seen(6, 2), END],
        [submitted(spawned=True), SpawnAcknowledged(at=1, key="a"), began(2), offered(3), seen(4), seen(5, reader="b"), END],
        [submitted(spawned=True), END],
        [submitted(), CancelAsked(at=2, key="a"), END],
        [submitted(), CancelAsked(at=2, key="a"), seen(3, None, CANCELLED), END],
        [submitted(), Fault(at=2, kind="kill", target="client-1"), END],
        [submitted(), Fault(at=2, kind="kill", target="client-1"), denied(3), turned_away(3), END],
        [submitted(), Fault(at=2, kind="crash", target="server-1"), denied(62), END],
        [submitted(function="once"), began(2, 1, "z"), gone(3, "z"), seen(4, None, LOST), END],
        [
            submitted(),
            began(2),
            gone(3, "x"),
            began(4, 2, "y"),
            gone(5, "y"),
            seen(6, None, LOST),
            END,
        ],
        [STREAM, began(2), yielded(2, 0, 256), items(3, 0, 256), yielded(3, 256, 9), items(3, 256, 9), offered(3), seen(4)],
        [STREAM, began(2), yielded(2, 0, 3), items(3, 0, 2), gone(3, "x"), seen(4, None, LOST), END],
        [STREAM, began(2), Fault(at=3, kind="crash", target="server-1"), ServerBegan(at=4, server="server-2"), denied(4), END],
        [*BATCHED, batched(2, "a", 1, 1), batched(2, "b", 2, 1)],
        [submitted(), began(2), offered(3, kind=FAILURE), began(4, 2), offered(5, 2), seen(6, 2), END],
    ],
)  # fmt: skip
def test_what_may_happen_is_no_violation(events: list[Event]) -> None:
    assert check([*BEGINNING, *events]) == []


@pytest.mark.parametrize(
    ("promise", "events"),
    [
        ("nothing breaks", [Broke(at=1, what="a promise")]),
        ("accepted = ended", [submitted(), END]),
        ("accepted = ended", [seen(2)]),
        ("accepted = ended", [submitted(), denied(3), END]),
        ("accepted = ended", [submitted(), Fault(at=2, kind="cut", target="client-1"), denied(3), END]),
        ("conversations outlive connections", [Fault(at=2, kind="cut", target="client-1"), turned_away(3)]),
        ("no acknowledged spawn is lost", [submitted(spawned=True), SpawnAcknowledged(at=1, key="a"), END]),
        ("exactly one outcome", [submitted(), began(2), offered(3), seen(4), seen(5), END]),
        ("right results", [submitted(), began(2), seen(4)]),
        ("right results", [submitted(), began(2), offered(3, kind=FAILURE), seen(4)]),
        ("right results", [submitted(), seen(4, None)]),
        ("right results", [submitted(), seen(4, None, OutcomeKind.REFUSED)]),
        ("streams are whole", [STREAM, began(2), yielded(2, 0, 3), items(3, 1, 2)]),
        ("streams are whole", [STREAM, began(2), yielded(2, 0, 3), items(3, 0, 4)]),
        ("streams are whole", [STREAM, began(2), yielded(2, 0, 3), items(3, 0, 2), items(3, 1, 2)]),
        ("streams are whole", [STREAM, yielded(2, 0, 1), yielded(2, 0, 2, 2), items(3, 0, 1), items(4, 1, 1, 2)]),
        ("streams are whole", [STREAM, began(2), yielded(2, 0, 3), items(3, 0, 2), offered(3), seen(4)]),
        ("streams wait for their consumers", [STREAM, began(2), yielded(2, 0, 256), yielded(3, 256, 1)]),
        ("accepted = ended", [STREAM, began(2), denied(4), END]),
        ("no innocent is condemned", [STREAM, began(2), yielded(2, 0, 1), seen(4, None, LOST)]),
        ("batches <= max_batch_size", [*BATCHED, *(batched(2, key, place, 1) for place, key in enumerate("abc", 1))]),
        ("running <= max_inputs", [*BATCHED, batched(2, "a", 1, 1), batched(2, "b", 2, 2)]),
        ("results stay the same", [*ONCE, seen(5, 2, reader="b")]),
        (
            "no fenced outcome",
            [submitted(), began(2), Fault(at=3, kind="hold", target="x"), began(4, 2, "y"), offered(5), seen(6)],
        ),
        ("what has ended does not run again", [*ONCE, began(5, 2, "y")]),
        ("one attempt at a time", [submitted(), began(2), began(3, 2, "y")]),
        ("finished work is not done again", [submitted(), began(2), offered(3), began(4, 2, "y")]),
        (
            "at most once",
            [submitted(function="once"), began(2, 1, "z"), Fault(at=3, kind="kill", target="z"), began(4, 2, "z")],
        ),
        ("only the cancelled", [submitted(), seen(2, None, CANCELLED)]),
        ("no innocent is condemned", [submitted(), seen(2, None, LOST)]),
        ("no innocent is condemned", [submitted(function="once"), seen(2, None, LOST)]),
        ("containers <= max_containers", [ContainerBegan(at=1, container="w", function="f")]),
        (
            "running <= max_inputs",
            [submitted(key) for key in "abc"] + [began(2, place, key=key) for place, key in enumerate("abc")],
        ),
    ],
)
def test_a_broken_promise_is_found(promise: str, events: list[Event]) -> None:
    assert promise in {each.promise for each in check([*BEGINNING, *events])}


def test_a_history_is_kept_as_lines_and_checked_by_a_program_of_its_own(tmp_path: Path) -> None:
    assert loaded(dumped([*BEGINNING, *ONCE])) == [*BEGINNING, *ONCE]
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_bytes(dumped([*BEGINNING, *ONCE]))
    bad.write_bytes(dumped([*BEGINNING, submitted(), END]))
    checks = [sys.executable, "-m", "motet.testing.history"]
    done = subprocess.run([*checks, good], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "13 events, and every promise was kept\n")
    done = subprocess.run([*checks, bad], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stdout.startswith("accepted = ended: a was accepted and never ended\n")


def test_a_report_tells_the_story_of_the_input() -> None:
    events = [*BEGINNING, submitted(), began(2), submitted("b"), began(3, 2, "y"), END]
    text = report(events, check(events))
    assert "one attempt at a time: attempt 2 of a began in y while attempt 1 ran in x" in text
    assert "AttemptBegan       key=a  attempt=1  container=x" in text
    (part,) = [each for each in text.split("\n\n") if each.startswith("one attempt at a time")]
    assert "key=b" not in part
