"""What a server before this one had accepted: how much of it is read when a server begins."""

from __future__ import annotations

from motet.model.outcome import NewInput
from motet.server.journal.durable_calls import MOST_ARGUMENTS_BYTES
from motet.server.journal.unfinished_calls import read_unfinished
from motet.store.journal import CallMade, InputsAdded, KeptCall
from motet.store.journal_memory import JournalMemory, MemoryJournal


def test_the_first_arguments_of_each_function_are_read_and_others_stay_on_the_disk() -> None:
    journal = MemoryJournal(JournalMemory())
    large = bytes(MOST_ARGUMENTS_BYTES // 4)
    for number, function_id in enumerate(("fu-1", "fu-1", "fu-1", "fu-2")):
        call_id = f"fc-{number}"
        inputs = [NewInput(index, large) for index in range(2)]
        call = KeptCall(call_id, "shop", function_id, "", 1, 100.0 + number)
        journal.keep([CallMade(call), InputsAdded(call_id, inputs, 100.0)])
    found = {call.call_id: [len(payload) for _, payload in inputs] for call, inputs in read_unfinished(journal)}
    assert found == {"fc-0": [len(large)] * 2, "fc-1": [len(large)] * 2, "fc-2": [0, 0], "fc-3": [len(large)] * 2}
