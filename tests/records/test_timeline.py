"""Where an input's time went, for the cases there are; and that no time is lost or counted twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motet.model.attempt import AttemptRecord
from motet.model.outcome import OutcomeKind
from motet.records.facts import StallRecord
from motet.records.inputs import InputRecord
from motet.records.pools import ContainerRecord
from motet.records.timeline import timeline

OK, LOST = OutcomeKind.SUCCESS, OutcomeKind.LOST
COLD = ContainerRecord("ta-1", "fu-f", 1.0, 1.5, "", 2.0, 3.0, 4.0)
WARM = ContainerRecord("ta-1", "fu-f", -9.0, -9.0, "", -8.0, -7.0, -6.0)


def an_input(*attempts: AttemptRecord, submitted: float = 0.0, ended: float = 10.0) -> InputRecord:
    return InputRecord.of("fc-a", 0, submitted, ended, OK, attempts)


def phases(record: InputRecord, container: ContainerRecord | None, *stalls: StallRecord) -> list[tuple[str, float]]:
    containers = {} if container is None else {container.container_id: container}
    return [(span.phase, span.seconds) for span in timeline(record, containers, stalls).spans]


RAN = AttemptRecord("ta-1", 5.0, 10.0, OK, 5.5, 9.0)

CASES = {
    "a cold start": (
        an_input(RAN),
        COLD,
        [
            ("queued", 1.0),
            ("placing", 0.5),
            ("starting", 0.5),
            ("loading", 1.0),
            ("entering", 1.0),
            ("slot", 1.0),
            ("sending", 0.5),
            ("running", 3.5),
            ("sending", 1.0),
        ],
    ),
    "a warm container that was full": (
        an_input(RAN),
        WARM,
        [("slot", 5.0), ("sending", 0.5), ("running", 3.5), ("sending", 1.0)],
    ),
    "a container that was on its way already": (
        an_input(RAN, submitted=3.5),
        COLD,
        [("entering", 0.5), ("slot", 1.0), ("sending", 0.5), ("running", 3.5), ("sending", 1.0)],
    ),
    "a container that nobody knows": (
        an_input(RAN),
        None,
        [("slot", 5.0), ("sending", 0.5), ("running", 3.5), ("sending", 1.0)],
    ),
    "cancelled while it waited": (an_input(ended=2.0), None, [("queued", 2.0)]),
    "lost, then delivered again": (
        an_input(AttemptRecord("ta-1", 1.0, 3.0, LOST), AttemptRecord("ta-2", 4.0, 10.0, OK, 4.0, 10.0)),
        WARM,
        [("slot", 1.0), ("running", 2.0), ("slot", 1.0), ("running", 6.0)],
    ),
    "failed, then tried again": (
        an_input(AttemptRecord("ta-1", 1.0, 3.0, OutcomeKind.FAILURE), AttemptRecord("ta-1", 4.0, 10.0, OK, 4.0, 10.0)),
        WARM,
        [("slot", 1.0), ("running", 2.0), ("delayed", 1.0), ("running", 6.0)],
    ),
    "refused": (an_input(ended=0.0), None, []),
}


@pytest.mark.parametrize(("record", "container", "expected"), CASES.values(), ids=CASES)
def test_time_goes_to_phases(
    record: InputRecord, container: ContainerRecord | None, expected: list[tuple[str, float]]
) -> None:
    assert phases(record, container) == expected


def test_a_neighbour_that_holds_the_loop_is_told_apart_from_running() -> None:
    stall = StallRecord("ta-1", "fc-b", 3, 6.0, 7.0)
    own = StallRecord("ta-1", "fc-a", 0, 8.0, 8.5)
    spans = timeline(an_input(RAN), {"ta-1": WARM}, [stall, own]).spans
    blocked = [(it.began, it.ended, it.by) for it in spans if it.phase == "blocked"]
    assert blocked == [(6.0, 7.0, "in-b-3")]


def test_attempts_are_bars_of_their_own() -> None:
    record = an_input(AttemptRecord("ta-1", 1.0, 3.0, LOST), AttemptRecord("ta-2", 4.0, 10.0, OK, 4.0, 10.0))
    bars = timeline(record, {}).attempts
    assert [(bar.number, bar.container_id, bar.kind) for bar in bars] == [(1, "ta-1", LOST), (2, "ta-2", OK)]


moments = st.floats(0, 100, allow_nan=False)


@given(
    moments,
    st.lists(st.tuples(moments, moments, moments, moments), max_size=4),
    st.lists(moments, min_size=5, max_size=5),
    st.lists(st.tuples(moments, moments), max_size=4),
    moments,
)
def test_phases_sum_to_the_whole_time_whatever_the_clocks_say(
    submitted: float,
    attempts: list[tuple[float, float, float, float]],
    life: list[float],
    stalls: list[tuple[float, float]],
    length: float,
) -> None:
    container = ContainerRecord("ta-1", "fu-f", life[0], life[1], "", life[2], life[3], life[4])
    made = [AttemptRecord("ta-1", d, e, OK, b, f) for d, e, b, f in attempts]
    record = an_input(*made, submitted=submitted, ended=submitted + length)
    told = timeline(record, {"ta-1": container}, [StallRecord("ta-1", "fc-b", 0, a, b) for a, b in stalls])
    assert sum(told.seconds().values()) == pytest.approx(record.ended_at - record.submitted_at)
    edges = [record.submitted_at, *(span.ended for span in told.spans)]
    assert all(span.began == edge for span, edge in zip(told.spans, edges, strict=False))
