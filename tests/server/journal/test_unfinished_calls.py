"""What a server before this one had accepted: how much of it is read when a server begins."""

from __future__ import annotations

from motet.model.outcome import NewInput
from motet.server.journal.durable_calls import MOST_ARGUMENTS_BYTES
from motet.server.journal.unfinished_calls import read_unfinished
from motet.store.blob_reference import IN_JOURNAL, BlobName, StoredPayload
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


def test_references_to_blobs_are_all_here_for_their_blobs_to_go_some_time() -> None:
    journal = MemoryJournal(JournalMemory())
    reference = StoredPayload.of(BlobName("home", "fc-0", 1, 1, "a", 1, "0" * 64), 5)
    inputs = [NewInput(0, bytes(MOST_ARGUMENTS_BYTES)), NewInput(1, reference)]
    journal.keep([CallMade(KeptCall("fc-0", "shop", "fu-1", "", 1, 100.0)), InputsAdded("fc-0", inputs, 100.0)])
    ((_, found),) = read_unfinished(journal)
    assert [payload for _, payload in found] == [IN_JOURNAL, reference]
    assert all(isinstance(payload, StoredPayload) for _, payload in found)
