"""What a server before this one had accepted: how much of it is read when a server begins."""

from __future__ import annotations

import asyncio
from typing import cast

from motet.core.events import InputsRestored
from motet.errors import NotFoundError
from motet.model.outcome import NewInput
from motet.server.apps.catalogue import Catalogue
from motet.server.clock import Clock
from motet.server.deployments.names import Names
from motet.server.driver import Driver
from motet.server.journal.durable_calls import MOST_ARGUMENTS_BYTES
from motet.server.journal.unfinished_calls import RESTORED_IN_TURN, Part, UnfinishedCalls, read_unfinished
from motet.store.blob_reference import IN_JOURNAL, BlobName, StoredPayload
from motet.store.journal import CallMade, InputsAdded, KeptCall, UnfinishedInput
from motet.store.journal_memory import JournalMemory, MemoryJournal


def test_the_first_arguments_of_each_function_are_read_and_others_stay_on_the_disk() -> None:
    journal = MemoryJournal(JournalMemory())
    large = bytes(MOST_ARGUMENTS_BYTES // 4)
    for number, function_id in enumerate(("fu-1", "fu-1", "fu-1", "fu-2")):
        call_id = f"fc-{number}"
        inputs = [NewInput(index, large) for index in range(2)]
        call = KeptCall(call_id, "shop", function_id, "", 1, 100.0 + number)
        journal.keep([CallMade(call), InputsAdded(call_id, inputs, 100.0)])
    found = {it.call.call_id: it.payloads for it in read_unfinished(journal)}
    assert found == {"fc-0": [large] * 2, "fc-1": [large] * 2, "fc-2": None, "fc-3": [large] * 2}


def test_references_to_blobs_are_all_here_for_their_blobs_to_go_some_time() -> None:
    journal = MemoryJournal(JournalMemory())
    reference = StoredPayload.of(BlobName("home", "fc-0", 1, 1, "a", 1, "0" * 64), 5)
    inputs = [NewInput(0, bytes(MOST_ARGUMENTS_BYTES)), NewInput(1, reference)]
    journal.keep([CallMade(KeptCall("fc-0", "shop", "fu-1", "", 1, 100.0)), InputsAdded("fc-0", inputs, 100.0)])
    ((_, _, found),) = read_unfinished(journal)
    assert found == [IN_JOURNAL, reference]
    assert all(isinstance(payload, StoredPayload) for payload in found)


CLOCK = Clock(now=lambda: 500.0, wall=lambda: 500.0)


class Taken:
    """The driver: what it was given, turn by turn; and the catalogue: which functions are here."""

    def __init__(self) -> None:
        self.turns: list[list[tuple[str, int]]] = []
        self.here = {"fu-1", "fu-2"}

    def take(self, *events: InputsRestored) -> None:
        self.turns.append([(it.call_id, each.index) for it in events for each in it.inputs])

    def has(self, function_id: str) -> bool:
        return function_id in self.here

    def resolve(self, called_as: str) -> str:
        if called_as != "shop.work":
            raise NotFoundError(called_as)
        return "fu-1"


def parts(count: int, function_id: str = "fu-1", called_as: str = "") -> list[Part]:
    """Calls, one after the other, with as many inputs as the engine is given in a turn."""
    inputs = [UnfinishedInput(index, 3, 100.0) for index in range(RESTORED_IN_TURN)]
    calls = [KeptCall(f"fc-{number}", "shop", function_id, "", 1, 100.0, called_as) for number in range(count)]
    return [Part(call, inputs, None) for call in calls]


def give_rest(unfinished: UnfinishedCalls, taken: Taken) -> None:
    asyncio.run(unfinished.give_rest(cast(Catalogue, taken), cast(Driver, taken)))


def test_while_a_server_starts_the_engine_is_given_so_many_inputs_in_a_turn() -> None:
    taken, unfinished = Taken(), UnfinishedCalls(parts(4), CLOCK, is_gradual=True)
    (first,) = unfinished.claim("fu-1")
    give_rest(unfinished, taken)
    everything = [(f"fc-{number}", index) for number in range(4) for index in range(RESTORED_IN_TURN)]
    assert [(first.call_id, each.index) for each in first.inputs] + [
        each for turn in taken.turns for each in turn
    ] == everything
    assert [len(turn) for turn in taken.turns] == [RESTORED_IN_TURN] * 3
    assert all(each.payload is IN_JOURNAL for each in first.inputs)


def test_what_containers_hold_is_given_with_the_first() -> None:
    unfinished = UnfinishedCalls(parts(4), CLOCK, is_gradual=True)
    found = unfinished.claim("fu-1", {("fc-2", 7), ("fc-3", RESTORED_IN_TURN)})
    assert [it.call_id for it in found] == ["fc-0", "fc-2"]


def test_once_the_server_has_started_a_function_has_all_of_its_inputs_when_it_comes() -> None:
    taken, unfinished = Taken(), UnfinishedCalls(parts(3), CLOCK, is_gradual=True)
    give_rest(unfinished, taken)
    assert (taken.turns, [it.call_id for it in unfinished.claim("fu-1")]) == ([], ["fc-0", "fc-1", "fc-2"])


def test_a_call_that_is_to_be_ended_is_given_as_a_whole_before() -> None:
    taken, unfinished = Taken(), UnfinishedCalls(parts(4), CLOCK, is_gradual=True)
    unfinished.claim("fu-1")
    unfinished.give_call("fc-2", cast(Driver, taken))
    unfinished.give_call("fc-9", cast(Driver, taken))
    assert taken.turns == [[("fc-2", index) for index in range(RESTORED_IN_TURN)]]
    give_rest(unfinished, taken)
    assert [turn[0][0] for turn in taken.turns] == ["fc-2", "fc-1", "fc-3"]


def test_calls_of_a_version_that_is_gone_go_to_the_one_with_its_name_so_many_in_a_turn() -> None:
    taken, unfinished = Taken(), UnfinishedCalls(parts(3, "fu-old", "shop.work"), CLOCK, is_gradual=True)
    unfinished.send_on(cast(Names, taken))
    give_rest(unfinished, taken)
    assert [turn[0][0] for turn in taken.turns] == ["fc-0", "fc-1", "fc-2"]


def test_a_function_that_goes_while_its_calls_are_given_leaves_them_for_those_that_may_come() -> None:
    taken, unfinished = Taken(), UnfinishedCalls(parts(3), CLOCK, is_gradual=True)
    unfinished.claim("fu-1")
    taken.here.clear()
    give_rest(unfinished, taken)
    assert (taken.turns, [it.call_id for it in unfinished.claim("fu-1")]) == ([], ["fc-1", "fc-2"])


def test_nothing_is_left_of_a_version_whose_calls_have_gone_to_another_one() -> None:
    taken, unfinished = Taken(), UnfinishedCalls(parts(1, "fu-old", "shop.work"), CLOCK, is_gradual=True)
    unfinished.send_on(cast(Names, taken))
    give_rest(unfinished, taken)
    unfinished.bind_variants(cast(Catalogue, taken))
    assert unfinished.claim("fu-old") == []
