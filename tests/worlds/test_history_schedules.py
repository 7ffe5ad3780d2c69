"""The checker of histories, where functions run by themselves: what may happen passes, and each broken promise is found."""

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
    MomentCame,
    OutcomeDenied,
    OutcomeOffered,
    OutcomeSeen,
    ScheduleDeclared,
    ServerBegan,
    Settled,
)

FUNCTIONS = {"late": (True, True), "skipped": (False, True), "alone": (True, False)}
BEGINNING: list[Event] = [
    ServerBegan(at=0, server="server-1"),
    *(BoundsDeclared(at=0, function=each, max_containers=9, max_inputs=9, outlives=True) for each in FUNCTIONS),
    *(ContainerBegan(at=0, container=each, function=each) for each in FUNCTIONS),
    *(ScheduleDeclared(at=0, function=each, runs_late=late, overlaps=over) for each, (late, over) in FUNCTIONS.items()),
]
END = Settled(at=1000, asked_at=900)


def came(at: float, function: str = "late") -> MomentCame:
    return MomentCame(at=at, key=f"{function}{at:g}", function=function)


def ran(moment: MomentCame, at: float, until: float = 0.0, *, seen: bool = True) -> list[Event]:
    """From `at` on, for half a second or until then."""
    attempt, key, over = int(at * 10), moment.key, until or at + 0.5
    began = AttemptBegan(at=at, key=key, attempt=attempt, container=moment.function)
    offered = OutcomeOffered(at=over, key=key, attempt=attempt, container=moment.function, kind=OutcomeKind.SUCCESS)
    read = OutcomeSeen(at=950, key=key, reader="reader", kind=OutcomeKind.SUCCESS, attempt=attempt)
    return [moment, began, offered, *([read] if seen else [])]


def ended(at: float, kind: str = "crash") -> Fault:
    return Fault(at=at, kind=kind, target="server-1")


def again(at: float) -> ServerBegan:
    return ServerBegan(at=at, server="server-2")


def denied(moment: MomentCame) -> OutcomeDenied:
    return OutcomeDenied(at=950, key=moment.key, reader="reader", error="there is none")


@pytest.mark.parametrize(
    "told",
    [
        ran(came(100), 100),
        [came(100), *ran(came(200), 200), ended(90), again(150), ended(160), again(199)],
        [ended(90), *ran(came(100), 180), again(180)],
        [ended(90), came(100, "skipped"), again(180)],
        [*ran(came(100, "alone"), 100, until=240), came(200, "alone"), *ran(came(300, "alone"), 300)],
        [
            Fault(at=210, kind="hold", target="alone"),
            *ran(came(100, "alone"), 100, until=240),
            *ran(came(200, "alone"), 220),
        ],
        [ended(90, "pause"), came(100), came(101), *ran(came(102), 120)],
    ],
    ids=["on time", "no server for long enough", "late", "skipped", "one after the other", "held up", "one for all"],
)
def test_what_may_happen_passes(told: list[Event]) -> None:
    moments = [event for event in told if isinstance(event, MomentCame)]
    assert check([*BEGINNING, *told, *map(denied, moments), END]) == []


@pytest.mark.parametrize(
    ("promise", "told"),
    [
        ("moments are run", [came(100), *ran(came(200), 200)]),
        ("moments are run", [ended(90), came(100, "skipped"), again(120)]),
        ("what is missed runs once", [ended(90), came(100), again(180)]),
        ("what is missed is skipped", [ended(90), *ran(came(100, "skipped"), 180), again(180)]),
        ("runs do not overlap", [*ran(came(100, "alone"), 100, until=240), *ran(came(200, "alone"), 200)]),
        ("not before their moments", [ran(came(100), 99)[1], came(100), *ran(came(100), 99)[2:]]),
        ("no run is lost", ran(came(100), 100, seen=False)),
        ("accepted = ended", ran(came(100), 100)[1:]),
    ],
)
def test_a_broken_promise_is_found(promise: str, told: list[Event]) -> None:
    assert {each.promise for each in check([*BEGINNING, *told, END])} == {promise}


def test_where_clocks_were_set_nobody_knows_when_moments_come() -> None:
    jump = Fault(at=10, kind="clock", target="server-1")
    assert check([*BEGINNING, jump, came(100), *ran(came(200), 150), END]) == []
