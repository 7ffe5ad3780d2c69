"""The checker of histories, where a host cannot be reached: what it ran runs elsewhere, or has ended."""

from __future__ import annotations

import pytest

from motet.model.outcome import OutcomeKind
from motet.testing.history import check
from motet.testing.history_events import (
    AttemptBegan,
    BoundsDeclared,
    ContainerBegan,
    Event,
    Fault,
    InputSubmitted,
    OutcomeOffered,
    OutcomeSeen,
    ServerBegan,
    Settled,
)

BEGINNING: list[Event] = [
    BoundsDeclared(at=0, function="f", max_containers=2, max_inputs=2),
    ServerBegan(at=0, server="server-1"),
    ContainerBegan(at=0, container="x", function="f"),
    ContainerBegan(at=0, container="y", function="f"),
    InputSubmitted(at=1, key="a", client="client-1", function="f"),
    AttemptBegan(at=2, key="a", attempt=1, container="x"),
    Fault(at=3, kind="cut off", target="x"),
]


def ended_elsewhere(at: float) -> list[Event]:
    return [
        AttemptBegan(at=at, key="a", attempt=2, container="y"),
        OutcomeOffered(at=at + 1, key="a", attempt=2, container="y", kind=OutcomeKind.SUCCESS),
        OutcomeSeen(at=at + 1, key="a", reader="client-1", kind=OutcomeKind.SUCCESS, attempt=2),
    ]


@pytest.mark.parametrize(
    ("told", "promises"),
    [
        (ended_elsewhere(70), set()),
        ([Fault(at=40, kind="healed", target="x"), *ended_elsewhere(200)], set()),
        ([Fault(at=40, kind="crash", target="server-1"), *ended_elsewhere(200)], set()),
        (ended_elsewhere(200), {"what a lost host ran runs elsewhere"}),
    ],
    ids=["given up", "healed", "harmed in another way", "waited for"],
)
def test_what_a_host_that_is_cut_off_ran_runs_elsewhere(told: list[Event], promises: set[str]) -> None:
    assert {each.promise for each in check([*BEGINNING, *told, Settled(at=300)])} == promises
