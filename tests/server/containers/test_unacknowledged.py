"""Which outcomes containers are told that they need not keep."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from motet.model.outcome import AttemptEnd, Delivery, HeldAttempt, InputEnd, OutcomeKind
from motet.server.clients.confirmations import Confirmations
from motet.server.containers.unacknowledged import Unacknowledged


def told(scene: Callable[[Unacknowledged], None]) -> list[tuple[str, list[int]]]:
    """What containers are told at the end of a turn in which this happens."""
    acknowledged: list[tuple[str, list[int]]] = []

    async def main() -> None:
        scene(Unacknowledged(lambda container, attempts: acknowledged.append((container, attempts))))
        await asyncio.sleep(0)

    asyncio.run(main())
    return acknowledged


def delivery(attempt: int, index: int) -> Delivery:
    return Delivery(attempt, "fc-a", index, "", b"")


def end(attempt: int) -> AttemptEnd:
    return AttemptEnd(attempt, OutcomeKind.SUCCESS, b"")


def test_those_whose_callers_have_them_together() -> None:
    def scene(it: Unacknowledged) -> None:
        it.delivered("ta-1", [delivery(1, 0), delivery(2, 1), delivery(3, 2)])
        it.finished("ta-1", [end(1), end(2)])
        it.given("fc-a", [0, 1])
        it.given("fc-a", [1])
        it.given("fc-other", [0])
        assert len(it) == 1

    assert told(scene) == [("ta-1", [1, 2])]


def test_an_attempt_that_another_replaces_is_done_with() -> None:
    def scene(it: Unacknowledged) -> None:
        it.delivered("ta-1", [delivery(1, 0)])
        it.delivered("ta-2", [delivery(2, 0)])
        it.finished("ta-1", [end(1)])
        it.finished("ta-2", [end(2)])

    assert told(scene) == [("ta-1", [1, 1])]


def test_so_is_the_earlier_of_two_that_come_back_in_any_order() -> None:
    def scene(it: Unacknowledged) -> None:
        it.delivered("ta-2", [HeldAttempt(2, "fc-a", 0)])
        it.delivered("ta-1", [HeldAttempt(1, "fc-a", 0)])
        it.given("fc-a", [0])

    assert told(scene) == [("ta-1", [1]), ("ta-2", [2])]


def test_an_end_that_nobody_is_to_have_is_done_with() -> None:
    def scene(it: Unacknowledged) -> None:
        it.delivered("ta-1", [delivery(1, 0)])
        it.given("fc-a", [0])  # it was cancelled, and its caller was told so
        it.finished("ta-1", [end(1)])

    assert told(scene) == [("ta-1", [1, 1])]


def ended(*indices: int) -> list[InputEnd]:
    return [InputEnd(index, OutcomeKind.SUCCESS, b"") for index in indices]


def test_a_client_that_confirms_has_what_it_says() -> None:
    given: list[tuple[str, list[int]]] = []
    confirmations = Confirmations(lambda call_id, indices: given.append((call_id, indices)), confirms=True)
    confirmations.sent("fc-a", ended(0, 1))
    confirmations.sent("fc-b", ended(0))
    confirmations.taken(1)  # a message is taken whole
    assert given == []
    confirmations.taken(2)
    assert given == [("fc-a", [0, 1])]
    confirmations.gone()
    assert given == [("fc-a", [0, 1]), ("fc-b", [0])]


def test_one_that_does_not_has_what_it_was_sent() -> None:
    given: list[tuple[str, list[int]]] = []
    confirmations = Confirmations(lambda call_id, indices: given.append((call_id, indices)), confirms=False)
    confirmations.sent("fc-a", ended(0, 1))
    assert given == [("fc-a", [0, 1])]
