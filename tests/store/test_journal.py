"""What every journal keeps. An implementation takes part with one line in `OPENERS`."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from motet.errors import AlreadyExistsError, NotFoundError, ServiceError
from motet.model.function import AppSpec
from motet.model.outcome import InputEnd, NewInput, OutcomeKind
from motet.server.journal.blob_sweep import needed_of
from motet.store.blob_reference import MARKER, BlobName, StoredPayload, digest_of
from motet.store.journal import (
    AppGone,
    AppKept,
    CallMade,
    CallsForgotten,
    Entry,
    InputsAdded,
    InputsEnded,
    InputTried,
    Journal,
    JournalFenced,
    KeptApp,
    KeptCall,
    UnfinishedInput,
)
from motet.store.journal_memory import JournalMemory, MemoryJournal
from motet.store.journal_sqlite import SqliteJournal

Open = Callable[[], Journal]


def _in_memory(directory: Path) -> Open:
    memory = JournalMemory()
    return lambda: MemoryJournal(memory)


OPENERS: dict[str, Callable[[Path], Open]] = {
    "memory": _in_memory,
    "sqlite": lambda directory: lambda: SqliteJournal(directory / "journal.db"),
}
"""By name: what opens, each time that it is called, the same journal once more; an empty one the first time."""


@pytest.fixture(params=OPENERS)
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    opened: list[Journal] = []
    open_journal = OPENERS[request.param](tmp_path)

    def open_again() -> Journal:
        opened.append(open_journal())
        return opened[-1]

    yield open_again
    for journal in opened:
        journal.close()


@pytest.fixture
def journal(reopen: Open) -> Journal:
    return reopen()


def call(number: int = 1, key: bytes = b"", made_at: float = 100.0) -> KeptCall:
    return KeptCall(f"fc-{number}", "shop", "fu-1", "", 7, made_at + number, key=key, digest=b"d" if key else b"")


def added(number: int, *indices: int, at: float = 200.0) -> InputsAdded:
    return InputsAdded(f"fc-{number}", [NewInput(index, f"{number}/{index}".encode()) for index in indices], at)


def ended(number: int, *indices: int, at: float = 300.0, payload: bytes = b"x") -> InputsEnded:
    return InputsEnded(f"fc-{number}", [InputEnd(index, OutcomeKind.SUCCESS, payload) for index in indices], at)


def unfinished(journal: Journal) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for part in journal.unfinished():
        found.setdefault(part.call.call_id, []).extend(each.index for each in part.inputs)
    return found


def test_what_was_kept_is_there_for_the_next_opening(reopen: Open) -> None:
    first = reopen()
    whole = KeptCall(
        "fc-1", "shop", "fu-1", "run", -7, 101.5, "fu-@shop/f", "in-9-0", "00-trace", True, b"k", b"d", "fu-0", b"v"
    )
    first.keep([CallMade(whole), added(1, 0, 1, 2), ended(1, 1)])
    first.close()
    second = reopen()
    assert second.call("fc-1") == (whole, 3)
    assert second.kept("fc-1") == whole
    assert unfinished(second) == {"fc-1": [0, 2]}
    assert second.outcomes("fc-1", 1, 100) == [InputEnd(1, OutcomeKind.SUCCESS, b"x")]
    assert second.term == first.term + 1
    assert second.check() == []


def test_an_opening_fences_those_before_it(reopen: Open) -> None:
    first = reopen()
    first.keep([CallMade(call(1)), added(1, 0)])
    second = reopen()
    with pytest.raises(JournalFenced, match=r"term"):
        first.keep([ended(1, 0)])
    with pytest.raises(JournalFenced, match=r"term"):
        first.expire(1e9)
    assert unfinished(second) == {"fc-1": [0]}
    second.keep([ended(1, 0)])
    assert unfinished(second) == {}


def test_terms_begin_with_one_and_rise(reopen: Open) -> None:
    assert [reopen().term for _ in range(3)] == [1, 2, 3]


def test_outcomes_come_from_the_asked_input_up_to_the_first_gap(journal: Journal) -> None:
    journal.keep([CallMade(call(1)), added(1, *range(5)), ended(1, 3, 0)])
    journal.keep([ended(1, 1)])
    assert [it.index for it in journal.outcomes("fc-1", 0, 100)] == [0, 1]
    assert [it.index for it in journal.outcomes("fc-1", 1, 100)] == [1]
    assert journal.outcomes("fc-1", 2, 100) == []
    assert [it.index for it in journal.outcomes("fc-1", 3, 100)] == [3]
    assert [it.index for it in journal.outcomes("fc-1", 0, 1)] == [0]


@pytest.mark.parametrize("index", [-1, 2])
def test_an_input_that_the_call_does_not_have_is_not_found(journal: Journal, index: int) -> None:
    journal.keep([CallMade(call(1)), added(1, 0, 1)])
    with pytest.raises(NotFoundError, match=f"no input {index}"):
        journal.outcomes("fc-1", index, 1)


def test_a_call_that_is_not_here_is_not_found(journal: Journal) -> None:
    journal.keep([ended(9, 0), added(9, 0), InputTried("fc-9", 0, 1)])
    for ask in (lambda: journal.call("fc-9"), lambda: journal.kept("fc-9"), lambda: journal.outcomes("fc-9", 0, 1)):
        with pytest.raises(NotFoundError, match="fc-9"):
            ask()
    assert journal.known("fc-9", [0]) == {}
    assert journal.payloads([("fc-9", 0)]) == [b""]
    assert unfinished(journal) == {}


@pytest.mark.parametrize("together", [True, False])
def test_the_first_outcome_counts(journal: Journal, together: bool) -> None:
    journal.keep([CallMade(call(1)), added(1, 0, 1)])
    first, second = ended(1, 0, payload=b"first"), ended(1, 0, payload=b"second")
    for entries in [[first, second]] if together else [[first], [second]]:
        journal.keep(entries)
    assert journal.outcomes("fc-1", 0, 9) == [InputEnd(0, OutcomeKind.SUCCESS, b"first")]


def test_all_kinds_of_outcomes_are_kept_as_they_are(journal: Journal) -> None:
    ends = [InputEnd(kind.value, kind, f"how {kind}".encode()) for kind in OutcomeKind]
    journal.keep([CallMade(call(1)), added(1, *range(len(ends))), InputsEnded("fc-1", ends, 300.0)])
    assert journal.outcomes("fc-1", 0, 100) == ends


def test_what_is_said_twice_is_kept_once(journal: Journal) -> None:
    journal.keep([CallMade(call(1)), added(1, 0, 1), ended(1, 0)])
    again = InputsAdded("fc-1", [NewInput(0, b"other"), NewInput(1, b"other"), NewInput(2, b"new")], 999.0)
    journal.keep([CallMade(call(1, made_at=900.0)), again])
    assert journal.call("fc-1") == (call(1), 3)
    assert journal.payloads([("fc-1", 0), ("fc-1", 1), ("fc-1", 2)]) == [b"", b"1/1", b"new"]
    assert journal.known("fc-1", [0, 1, 2, 3]) == {0: True, 1: False, 2: False}


@pytest.mark.parametrize("count", [1, 7, 8, 63, 64, 137])
def test_one_batch_may_have_any_number_of_calls_inputs_and_outcomes(journal: Journal, count: int) -> None:
    numbers = range(count)
    journal.keep([entry for number in numbers for entry in (CallMade(call(number)), added(number, 0, 1))])
    first = [ended(number, 1) for number in numbers]
    again = InputsEnded("fc-0", [InputEnd(1, OutcomeKind.FAILURE, b"later")], 900.0)
    nowhere = InputsEnded("fc-none", [InputEnd(0, OutcomeKind.FAILURE, b"")], 900.0)
    twice = [
        CallMade(call(0)),
        InputsAdded("fc-0", [NewInput(0, b"other"), NewInput(2, b"new"), NewInput(2, b"")], 900.0),
    ]
    journal.keep([*twice, *first, again, nowhere])
    assert [journal.call(f"fc-{number}")[1] for number in numbers] == [3, *[2] * (count - 1)]
    assert all(journal.known(f"fc-{number}", [0, 1]) == {0: False, 1: True} for number in numbers)
    assert journal.outcomes("fc-0", 1, 1) == first[0].ended
    assert journal.payloads([("fc-0", 0), ("fc-0", 2)]) == [b"0/0", b"new"]


def test_what_calls_have_alike_is_once_in_memory(reopen: Open) -> None:
    reopen().keep([entry for number in range(3) for entry in (CallMade(call(number)), added(number, 0))])
    first, *others = (part.call for part in reopen().unfinished())
    assert all(it == call(number) for number, it in enumerate((first, *others)))
    assert all(it.app is first.app and it.function_id is first.function_id for it in others)


def test_inputs_that_come_in_any_order_are_found_by_index(journal: Journal) -> None:
    journal.keep([CallMade(call(1)), added(1, 5, 3)])
    journal.keep([added(1, 4, 0)])
    assert unfinished(journal) == {"fc-1": [0, 3, 4, 5]}
    assert journal.payloads([("fc-1", 3), ("fc-1", 0)]) == [b"1/3", b"1/0"]


def test_what_an_input_has_been_through_is_known_as_it_was_said_last(reopen: Open) -> None:
    first = reopen()
    first.keep([CallMade(call(1)), added(1, 0, 1, 2), ended(1, 2), InputTried("fc-1", 2, 9)])
    first.keep([InputTried("fc-1", 0, 1, 1, 0, 450.25), InputTried("fc-1", 0, 2, 1, 1, 460.5, 1 << 41)])
    (part,) = reopen().unfinished()
    assert part.inputs == [UnfinishedInput(0, 3, 200.0, 2, 1, 1, 460.5, 1 << 41), UnfinishedInput(1, 3, 200.0)]


def test_of_unfinished_inputs_whose_arguments_are_blobs_the_references_are_told(reopen: Open) -> None:
    reference = MARKER + b"somewhere 5"
    first = reopen()
    inputs = [NewInput(0, b"small"), NewInput(1, reference), NewInput(2, MARKER[:-1])]
    first.keep([CallMade(call(1)), InputsAdded("fc-1", inputs, 200.0), InputTried("fc-1", 1, 1)])
    (part,) = reopen().unfinished()
    assert [each.reference for each in part.inputs] == [b"", reference, b""]


def test_the_unfinished_come_in_the_order_of_their_calls_and_in_parts(journal: Journal) -> None:
    journal.keep([CallMade(call(2)), CallMade(call(1)), CallMade(call(3)), CallMade(call(4))])
    journal.keep([added(1, *range(5)), added(2, 0), added(3, 0), ended(3, 0)])
    parts = [(it.call.call_id, [each.index for each in it.inputs]) for it in journal.unfinished(2)]
    assert parts == [("fc-1", [0, 1]), ("fc-1", [2, 3]), ("fc-1", [4]), ("fc-2", [0])]


def test_what_is_found_is_not_disturbed_by_what_is_kept_meanwhile(journal: Journal) -> None:
    for number in range(1, 5):
        journal.keep([CallMade(call(number)), added(number, 0, 1)])
    seen = []
    for part in journal.unfinished(1):
        journal.keep([ended(int(part.call.call_id[3:]), *[each.index for each in part.inputs])])
        seen.append((part.call.call_id, part.inputs[0].index))
    assert seen == [(f"fc-{number}", index) for number in range(1, 5) for index in (0, 1)]
    assert unfinished(journal) == {}


def test_forgotten_calls_leave_nothing(journal: Journal) -> None:
    journal.keep([CallMade(call(1, b"key")), added(1, 0, 1), ended(1, 0), CallMade(call(2)), added(2, 0)])
    journal.keep([CallsForgotten(["fc-1", "fc-unknown"])])
    with pytest.raises(NotFoundError):
        journal.call("fc-1")
    assert unfinished(journal) == {"fc-2": [0]}
    assert journal.by_key(b"key") is None
    assert journal.payloads([("fc-1", 1)]) == [b""]
    journal.keep([ended(1, 1)])
    assert journal.check() == []


def test_a_key_has_one_call(journal: Journal) -> None:
    journal.keep([CallMade(call(1, b"key"))])
    assert journal.by_key(b"key") == call(1, b"key")
    assert journal.by_key(b"other") is None
    with pytest.raises(AlreadyExistsError, match="fc-2"):
        journal.keep([CallMade(call(3)), added(3, 0), CallMade(call(2, b"key"))])
    with pytest.raises(NotFoundError):
        journal.call("fc-3")
    journal.keep([CallMade(call(1, b"key")), CallsForgotten(["fc-1"])])
    journal.keep([CallMade(call(2, b"key"))])
    found = journal.by_key(b"key")
    assert found is not None
    assert found.call_id == "fc-2"


@pytest.mark.parametrize("together", [True, False])
def test_nobody_adds_to_the_call_of_another_principal(journal: Journal, together: bool) -> None:
    entries: list[Entry] = [CallMade(call(1)), added(1, 0), ended(1, 0)]
    theirs: list[Entry] = [CallMade(msgspec.structs.replace(call(1), principal=8)), added(1, 1)]
    if not together:
        journal.keep(entries)
        entries = []
    with pytest.raises(AlreadyExistsError, match="fc-1"):
        journal.keep([*entries, *theirs])
    if not together:
        assert journal.call("fc-1") == (call(1), 1)


def test_calls_go_when_their_last_outcome_is_old_and_those_that_have_not_ended_stay(journal: Journal) -> None:
    journal.keep([CallMade(call(number)) for number in range(1, 6)])
    journal.keep([added(1, 0, 1), ended(1, 0, at=300.0), ended(1, 1, at=400.0)])
    journal.keep([added(2, 0, 1), ended(2, 0, at=300.0)])
    journal.keep([added(3, 0, at=600.0), ended(3, 0, at=700.0), added(4, 0), ended(4, 0, at=300.0)])

    def gone(before: float) -> set[int]:
        while journal.expire(before):
            pass
        left = set()
        for number in range(1, 6):
            with contextlib.suppress(NotFoundError):
                left.add(journal.call(f"fc-{number}")[0].call_id)
        return {number for number in range(1, 6) if f"fc-{number}" not in left}

    assert gone(100.0) == set()
    assert gone(400.0) == {4, 5}, "a call without inputs goes by when it was made"
    assert gone(401.0) == {1, 4, 5}
    assert gone(1e9) == {1, 3, 4, 5}
    assert unfinished(journal) == {"fc-2": [1]}
    assert journal.outcomes("fc-2", 0, 1)
    assert journal.check() == []


def test_expiry_goes_in_steps(journal: Journal) -> None:
    for number in range(1, 8):
        journal.keep([CallMade(call(number)), added(number, *range(10)), ended(number, *range(10))])
    steps = 0
    while journal.expire(1e9, 10):
        steps += 1
    assert steps >= 7
    assert journal.expire(1e9, 10) == 0
    with pytest.raises(NotFoundError):
        journal.call("fc-7")


def test_detached_apps_are_there_until_they_are_gone(reopen: Open) -> None:
    first = reopen()
    spec = AppSpec(name="job", functions=())
    one, two = (KeptApp(f"ap-{it}", spec, (("k", "f", f"fu-{it}"),), 7, ("call",), "bundle") for it in (1, 2))
    first.keep([AppKept(one), AppKept(two), CallMade(call(1)), added(1, 0)])
    first.keep([AppGone("ap-1"), AppGone("ap-unknown")])
    second = reopen()
    assert second.apps() == [two]
    assert unfinished(second) == {"fc-1": [0]}, "calls do not go with their app"


def test_questions_may_be_asked_on_other_threads(journal: Journal) -> None:
    journal.keep([CallMade(call(1)), added(1, 0), ended(1, 0)])
    found: list[list[InputEnd]] = []
    asking = threading.Thread(target=lambda: found.append(journal.outcomes("fc-1", 0, 1)))
    asking.start()
    asking.join()
    assert found == [[InputEnd(0, OutcomeKind.SUCCESS, b"x")]]


def test_a_closed_journal_takes_nothing(journal: Journal) -> None:
    journal.close()
    journal.close()
    with pytest.raises(ServiceError, match="closed"):
        journal.keep([CallMade(call(1))])
    with pytest.raises(ServiceError, match="closed"):
        journal.call("fc-1")


def test_large_arguments_and_results_are_kept_as_they_are(reopen: Open) -> None:
    first = reopen()
    large = bytes(range(256)) * 4096
    first.keep([CallMade(call(1)), InputsAdded("fc-1", [NewInput(0, large), NewInput(1, b"")], 200.0)])
    assert first.payloads([("fc-1", 0), ("fc-1", 1)]) == [large, b""]
    first.keep([ended(1, 0, payload=large)])
    assert reopen().outcomes("fc-1", 0, 1)[0].payload == large


def test_blobs_are_needed_until_their_input_has_ended_and_if_it_failed_as_long_as_its_outcome_is_kept(
    journal: Journal,
) -> None:
    def named(number: int) -> BlobName:
        return BlobName("home", "fc-1", 1, number, "a", number, digest_of(b"large"))

    kinds = [OutcomeKind.SUCCESS, OutcomeKind.FAILURE, OutcomeKind.CANCELLED, OutcomeKind.TIMED_OUT, OutcomeKind.LOST]
    inputs = [NewInput(number, StoredPayload.of(named(number), 5)) for number in range(len(kinds) + 1)]
    journal.keep([CallMade(call()), InputsAdded("fc-1", inputs, 101.0)])
    names = [named(number) for number in range(len(inputs))]
    assert needed_of(journal, names) == (set(names), set())
    ends = [InputEnd(number, kind, b"") for number, kind in enumerate(kinds)]
    journal.keep([InputsEnded("fc-1", ends, 102.0)])
    assert needed_of(journal, names) == ({names[-1]}, {names[1], names[3], names[4]})
    journal.keep([CallsForgotten(["fc-1"])])
    assert needed_of(journal, names) == (set(), set())
