"""Large arguments and results of spawned calls: in the journal and the engine there are references to blobs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, cast

import pytest

from motet.core.commands import SaveOutcomes
from motet.core.events import InputsSubmitted
from motet.errors import AlreadyExistsError, NotFoundError, ResourceExhaustedError, ServiceError
from motet.model.outcome import CallKind, InputEnd, NewInput, OutcomeKind
from motet.server.apps.catalogue import Catalogue
from motet.server.clients import spawned
from motet.server.clients.spawned import SpawnedInputs
from motet.server.clock import Clock
from motet.server.journal import large_payloads
from motet.server.journal.failed_arguments import FailedArguments
from motet.server.journal.keeper import JournalKeeper
from motet.server.journal.large_calls import LargeCalls
from motet.server.journal.large_payloads import LargePayloads
from motet.store.blob_places import BlobPlaces
from motet.store.blob_reference import MARKER, StoredPayload
from motet.store.blobs_memory import MemoryBlobs
from motet.store.journal_memory import MemoryJournal
from motet.store.memory import MemoryCallStore
from motet.wire import client_messages as m
from motet.wire import failure
from tests.server.journal.test_durable_calls import DAY, NOW, Client, Stage, play_on

LIMIT = 100
BIG, BIGGER = b"a" * 150, b"b" * 250


class LargeStage(Stage):
    """As `Stage`, where payloads of more than `LIMIT` bytes are blobs."""

    def __init__(self) -> None:
        super().__init__()
        loop = asyncio.get_running_loop()
        clock = Clock(loop.time, lambda: NOW + loop.time())
        self.blobs = MemoryBlobs()
        journal = MemoryJournal(self.memory)
        stage = self

        class Disk(MemoryJournal):
            def keep(self, entries: Any) -> None:
                if stage.failing:
                    raise ServiceError("the disk is full")
                super().keep(entries)

        self.journal = journal = Disk(self.memory)
        self.keeper = JournalKeeper(journal, loop, 7 * DAY, lambda: None, clock.wall_now)
        self.payloads = LargePayloads(BlobPlaces(self.blobs), journal.term, LIMIT)
        self.failed = FailedArguments(1000)
        self.calls = LargeCalls(MemoryCallStore(), self.keeper, clock, self.payloads, self.failed)
        self.calls.serve(cast(Catalogue, self.functions), lambda alias: "fu-2")

    def large(self, call: str, *payloads: bytes, again: bool = False) -> SpawnedInputs:
        inputs = [NewInput(index, payload) for index, payload in enumerate(payloads)]
        event = InputsSubmitted(call, "fu-1", 1, CallKind.SPAWNED, "", inputs, principal=1)
        return SpawnedInputs(event, lambda *events: self.taken.extend(events), "shop", "", again)

    def finish(self, call: str, payload: bytes, index: int = 0, then: Callable[[], None] = lambda: None) -> None:
        self.calls.save(SaveOutcomes(call, [InputEnd(index, OutcomeKind.SUCCESS, payload)]), then)

    def fail(self, call: str, kind: OutcomeKind = OutcomeKind.FAILURE, index: int = 0) -> None:
        self.calls.save(SaveOutcomes(call, [InputEnd(index, kind, b"the reason")]))

    @property
    def names(self) -> list[str]:
        return [found.name for found in self.blobs.find()]

    async def close(self) -> None:
        """See `Stage.close`."""
        await super().close()
        self.payloads.close()

    async def settle(self) -> None:
        """Until nothing is written or deleted any more: virtual time stands still while threads work."""
        await asyncio.sleep(1)

    async def read(self, stored: bytes) -> Any:
        assert isinstance(stored, StoredPayload)
        found = asyncio.get_running_loop().create_future()
        self.payloads.arguments(stored, found.set_result)
        return await found


def play(scene: Callable[[LargeStage, Client], Coroutine[Any, Any, None]]) -> None:
    play_on(LargeStage, scene)


def test_large_arguments_are_a_blob_before_the_journal_names_them_and_small_ones_are_inline() -> None:
    async def scene(on: LargeStage, client: Client) -> None:
        there: list[list[str]] = []
        kept = on.memory.calls
        put = on.blobs.put

        def watched(name: str, data: bytes) -> None:
            there.append(list(kept))
            put(name, data)

        on.blobs.put = watched  # type: ignore[method-assign]
        assert await on.spawn(client, on.large("fc-a", BIG, b"small", BIGGER)) == m.Done()
        assert there == [[], []]
        (event,) = on.taken
        first, second, third = (each.payload for each in event.inputs)
        assert second == b"small"
        assert await on.read(first) == BIG
        assert await on.read(third) == BIGGER
        assert on.journal.payloads([("fc-a", 0), ("fc-a", 1), ("fc-a", 2)]) == [first, b"small", third]
        assert len(on.names) == 2

    play(scene)


def test_of_those_that_came_together_the_large_ones_are_kept_when_they_are_blobs() -> None:
    async def scene(on: LargeStage, client: Client) -> None:
        on.blobs.problem = "the bucket is gone"
        spawned = on.large("fc-a", b"small"), on.large("fc-b", b"small", BIG), on.large("fc-c", b"small")
        first, large, last = await on.spawn_all(client, *spawned)
        assert (first, last) == (m.Done(), m.Done())
        assert isinstance(large, ServiceError)
        on.blobs.problem = ""
        assert await on.spawn_all(client, on.large("fc-d", BIG), on.large("fc-e", BIGGER)) == [m.Done()] * 2
        assert [event.call_id for event in on.taken] == ["fc-a", "fc-c", "fc-d", "fc-e"]
        assert len(on.names) == 2

    play(scene)


def test_what_cannot_be_a_blob_is_not_accepted_and_leaves_nothing() -> None:
    async def scene(on: LargeStage, client: Client) -> None:
        on.blobs.problem = "the bucket is gone"
        error = await on.spawn(client, on.large("fc-a", BIG))
        assert isinstance(error, ServiceError)
        assert "the bucket is gone" in str(error)
        assert "the bucket is gone" in on.payloads.problem
        assert not on.taken
        assert not on.memory.calls
        assert await on.spawn(client, on.large("fc-b", b"small")) == m.Done()
        on.blobs.problem = ""
        assert await on.spawn(client, on.large("fc-a", BIG)) == m.Done()
        assert not on.payloads.problem

    play(scene)


def test_a_store_that_works_again_is_noticed_without_a_payload() -> None:
    async def scene(on: LargeStage, client: Client) -> None:
        on.blobs.problem = "the bucket is gone"
        assert isinstance(await on.spawn(client, on.large("fc-a", BIG)), ServiceError)
        await asyncio.sleep(3 * large_payloads.PROBE_MOST)
        assert "the bucket is gone" in on.payloads.problem
        on.blobs.problem = ""
        await asyncio.sleep(large_payloads.PROBE_MOST + 1)
        assert not on.payloads.problem
        assert on.names == []
        on.blobs.problem = "the bucket is gone again"
        assert isinstance(await on.spawn(client, on.large("fc-a", BIG)), ServiceError)
        on.blobs.problem = ""
        await asyncio.sleep(large_payloads.PROBE_FIRST + 1)
        assert not on.payloads.problem

    play(scene)


def test_a_blob_whose_call_the_journal_refuses_goes_again() -> None:
    async def scene(on: LargeStage, client: Client) -> None:
        on.failing = True
        assert isinstance(await on.spawn(client, on.large("fc-a", BIG)), ServiceError)
        await on.settle()
        assert on.names == []
        assert not on.taken

    play(scene)


def test_arguments_go_when_the_outcome_is_kept_and_not_before() -> None:
    async def scene(on: LargeStage, client: Client) -> None:
        await on.spawn(client, on.large("fc-a", BIG))
        on.failing = True
        on.finish("fc-a", b"r")
        await on.settle()
        assert len(on.names) == 1
        on.failing = False
        assert (await on.outcomes(client, "fc-a")).ended[0].payload == b"r"
        await on.settle()
        assert on.names == []

    play(scene)


@pytest.mark.parametrize("kind", [OutcomeKind.FAILURE, OutcomeKind.TIMED_OUT, OutcomeKind.LOST])
def test_arguments_of_what_failed_stay_until_the_call_is_erased(kind: OutcomeKind) -> None:
    async def scene(on: LargeStage, client: Client) -> None:
        await on.spawn(client, on.large("fc-a", BIG, BIGGER))
        await on.spawn(client, on.large("fc-b", BIG))
        (first, second), (third,) = ([each.payload for each in event.inputs] for event in on.taken)
        on.fail("fc-a", kind)
        on.finish("fc-a", b"small", 1)
        on.fail("fc-b", OutcomeKind.CANCELLED)
        await on.outcomes(client, "fc-b")
        await on.settle()
        assert await on.read(first) == BIG
        assert isinstance(await on.read(second), NotFoundError)
        assert isinstance(await on.read(third), NotFoundError)
        assert on.failed.size == len(BIG)
        assert await on.calls.erase(["fc-a"])
        assert on.names == []
        assert on.failed.size == 0

    play(scene)


def test_who_runs_an_input_again_is_told_at_once_that_its_arguments_cannot_be_read() -> None:
    async def scene(on: LargeStage, client: Client) -> None:
        await on.spawn(client, on.large("fc-a", BIG))
        ((stored,),) = ([each.payload for each in event.inputs] for event in on.taken)
        assert isinstance(stored, StoredPayload)
        on.fail("fc-a")
        await on.outcomes(client, "fc-a")
        on.blobs.problem = "access denied"
        began = asyncio.get_running_loop().time()
        found: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        on.payloads.read_once(stored, found.set_result)
        assert "access denied" in str(await found)
        assert asyncio.get_running_loop().time() < began + 1

    play(scene)


def test_of_too_many_failed_arguments_the_oldest_go_and_all_when_that_is_asked() -> None:
    async def scene(on: LargeStage, client: Client) -> None:
        for number in range(8):  # 1,200 bytes
            await on.spawn(client, on.large(f"fc-{number}", BIG))
            on.fail(f"fc-{number}")
            await on.outcomes(client, f"fc-{number}")
        await on.settle()
        assert [name.split("/")[1] for name in on.names] == [f"fc-{number}" for number in range(2, 8)]
        on.calls.forget_failed()
        await on.settle()
        assert on.names == []

    play(scene)


def test_arguments_of_what_failed_go_where_none_are_kept() -> None:
    async def scene(on: LargeStage, client: Client) -> None:
        on.failed.most = 0
        await on.spawn(client, on.large("fc-a", BIG))
        on.fail("fc-a")
        await on.outcomes(client, "fc-a")
        await on.settle()
        assert on.names == []

    play(scene)


def test_a_large_result_is_a_blob_and_whoever_asks_gets_all_of_it() -> None:
    async def scene(on: LargeStage, client: Client) -> None:
        await on.spawn(client, on.large("fc-a", b"small", b"small"))
        waiting = asyncio.ensure_future(on.outcomes(Client(2), "fc-a"))
        await asyncio.sleep(0)
        told: list[str] = []
        on.calls.save(
            SaveOutcomes("fc-a", [InputEnd(0, OutcomeKind.SUCCESS, BIG), InputEnd(1, OutcomeKind.FAILURE, BIGGER)]),
            lambda: told.append("kept"),
        )
        assert (await waiting).ended == [InputEnd(0, OutcomeKind.SUCCESS, BIG)]
        await on.settle()
        found = await on.outcomes(client, "fc-a")
        assert [each.payload for each in found.ended] == [BIG, BIGGER]
        assert told == ["kept"]
        assert len(on.names) == 2
        assert all(each.payload.startswith(MARKER) for each in on.journal.outcomes("fc-a", 0, 2))

    play(scene)


def test_no_more_large_results_are_read_for_an_answer_than_may_be_in_memory_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(spawned, "MAX_BYTES_AT_ONCE", len(BIG) + len(BIGGER) - 1)

    async def scene(on: LargeStage, client: Client) -> None:
        await on.spawn(client, on.large("fc-a", b"small", b"small"))
        on.finish("fc-a", BIG, 0)
        on.finish("fc-a", BIGGER, 1)
        await on.settle()
        on.payloads._recent.clear()
        read: list[StoredPayload] = []
        result = on.payloads.result
        monkeypatch.setattr(on.payloads, "result", lambda it, then: (read.append(it), result(it, then)))
        assert [each.payload for each in (await on.outcomes(client, "fc-a")).ended] == [BIG]
        assert [each.size for each in read] == [len(BIG)]
        assert [each.payload for each in (await on.outcomes(client, "fc-a", 1)).ended] == [BIGGER]

    play(scene)


def test_a_large_result_waits_for_its_store_and_holds_no_other_one_up() -> None:
    async def scene(on: LargeStage, client: Client) -> None:
        await on.spawn(client, on.large("fc-a", b"small", b"small"))
        on.blobs.problem = "the bucket is gone"
        told: list[str] = []
        ended = [InputEnd(0, OutcomeKind.SUCCESS, b"r"), InputEnd(1, OutcomeKind.SUCCESS, BIG)]
        on.calls.save(SaveOutcomes("fc-a", ended), lambda: told.append("kept"))
        assert (await on.outcomes(client, "fc-a")).ended == ended[:1]
        await asyncio.sleep(60)
        assert told == []
        on.blobs.problem = ""
        await asyncio.sleep(60)
        await on.settle()
        assert told == ["kept"]
        assert (await on.outcomes(client, "fc-a")).ended == ended

    play(scene)


def test_a_result_that_is_gone_is_one_input_lost_and_the_next_one_is_there() -> None:
    async def scene(on: LargeStage, client: Client) -> None:
        await on.spawn(client, on.large("fc-a", b"small", b"small"))
        on.finish("fc-a", BIG, 0)
        on.finish("fc-a", b"r", 1)
        await on.settle()
        on.payloads._recent.clear()
        on.blobs.erase(on.names)
        first, second = (await on.outcomes(client, "fc-a")).ended
        assert first.kind is OutcomeKind.LOST
        assert "the blob with the result of input 0 of fc-a is gone" in str(failure.rebuild(first.payload))
        assert second.payload == b"r"

    play(scene)


def test_a_result_whose_store_is_away_is_said_to_be_unreachable_after_a_while() -> None:
    async def scene(on: LargeStage, client: Client) -> None:
        await on.spawn(client, on.large("fc-a", b"small"))
        on.finish("fc-a", BIG)
        await on.settle()
        on.payloads._recent.clear()
        on.blobs.problem = "no route"
        began = asyncio.get_running_loop().time()
        error = await on.outcomes(client, "fc-a")
        assert isinstance(error, ServiceError)
        assert "no route" in str(error)
        assert asyncio.get_running_loop().time() - began <= large_payloads.READ_SECONDS + 1
        on.blobs.problem = ""
        assert (await on.outcomes(client, "fc-a")).ended[0].payload == BIG

    play(scene)


def test_damaged_blobs_are_noticed() -> None:
    async def scene(on: LargeStage, client: Client) -> None:
        await on.spawn(client, on.large("fc-a", BIG))
        (event,) = on.taken
        stored = event.inputs[0].payload
        assert await on.read(stored) == BIG  # from memory
        (name,) = on.names
        on.blobs.erase([name])
        on.blobs.put(name, BIG[:-1] + b"X")
        error = await on.read(stored)
        assert isinstance(error, NotFoundError)
        assert "the blob with the arguments of input 0 of fc-a is damaged" in str(error)

    play(scene)


def test_a_payload_that_looks_like_a_reference_is_a_blob_and_gives_nobody_anothers_data() -> None:
    async def scene(on: LargeStage, client: Client) -> None:
        await on.spawn(client, on.large("fc-a", BIG))
        stolen = bytes(on.taken[0].inputs[0].payload)
        await on.spawn(client, on.large("fc-b", stolen))
        kept = on.taken[1].inputs[0].payload
        assert kept != stolen
        assert await on.read(kept) == stolen
        on.finish("fc-b", stolen)
        assert (await on.outcomes(client, "fc-b")).ended[0].payload == stolen

    play(scene)


def test_inputs_that_are_said_again_while_they_are_written_run_once() -> None:
    async def scene(on: LargeStage, client: Client) -> None:
        first = asyncio.ensure_future(on.spawn(client, on.large("fc-a", BIG)))
        await asyncio.sleep(0)
        again = asyncio.ensure_future(on.spawn(Client(2), on.large("fc-a", BIG, again=True)))
        assert await first == await again == m.Done()
        assert [len(event.inputs) for event in on.taken if event.inputs] == [1]

    play(scene)


def test_who_spawns_with_a_key_that_is_taken_leaves_nothing() -> None:
    async def scene(on: LargeStage, client: Client) -> None:
        assert await on.once(client, "k", on.large("fc-a", BIG)) == m.CallSpawned("fc-a")
        before = on.names, on.calls.kept_for(1), on.payloads._ahead.size
        assert await on.once(client, "k", on.large("fc-b", BIG)) == m.CallSpawned("fc-a")
        assert isinstance(await on.once(client, "k", on.large("fc-c", BIGGER)), AlreadyExistsError)
        await on.settle()
        assert (on.names, on.calls.kept_for(1), on.payloads._ahead.size) == before

    play(scene)


def test_who_says_again_what_has_ended_or_waits_leaves_nothing() -> None:
    async def scene(on: LargeStage, client: Client) -> None:
        await on.spawn(client, on.large("fc-a", BIG, BIG))
        on.finish("fc-a", b"small")
        await on.outcomes(client, "fc-a")
        await on.settle()
        before = on.names, on.calls.kept_for(1), on.payloads._ahead.size
        assert await on.spawn(client, on.large("fc-a", BIG, BIG, again=True)) == m.Done()
        await on.settle()
        assert (on.names, on.calls.kept_for(1), on.payloads._ahead.size) == before
        assert await on.spawn(client, on.large("fc-a", BIG, BIG, BIG, again=True)) == m.Done()
        assert len(on.names) == 2
        assert [[each.index for each in event.inputs] for event in on.taken] == [[0, 1], [2]]

    play(scene)


def test_erased_calls_leave_no_blob() -> None:
    async def scene(on: LargeStage, client: Client) -> None:
        for call in ("fc-a", "fc-b"):
            await on.spawn(client, on.large(call, b"small"))
            on.finish(call, BIG)
            await on.outcomes(client, call)
        assert await on.calls.erase(["fc-a", "fc-none"])
        assert [name.split("/")[1] for name in on.names] == ["fc-b"]
        on.blobs.problem = "no route"
        with pytest.raises(ServiceError, match="calls are erased, and large arguments or results of theirs are left"):
            await on.calls.erase(["fc-b"])

    play(scene)


def test_a_call_whose_result_lies_where_the_server_does_not_look_any_more_is_not_erased() -> None:
    async def scene(on: LargeStage, client: Client) -> None:
        await on.spawn(client, on.large("fc-a", b"small", b"small"))
        on.finish("fc-a", BIG, 1)
        on.finish("fc-a", b"small")
        await on.settle()
        assert (await on.outcomes(client, "fc-a")).ended[0].payload == b"small"
        on.payloads.places = BlobPlaces(None, had_others=True)
        with pytest.raises(
            ServiceError, match=r"nothing is erased: the blob with the result of input 1 of fc-a .*MOTET_BLOBS"
        ):
            await on.calls.erase(["fc-none", "fc-a"])
        assert on.journal.call("fc-a")[1] == 2
        assert len(on.names) == 1
        on.payloads.places = BlobPlaces(on.blobs)
        assert await on.calls.erase(["fc-a"])
        assert on.names == []

    play(scene)


def test_more_arguments_than_may_be_written_at_once_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_payloads, "WRITING_BYTES", 300)

    async def scene(on: LargeStage, client: Client) -> None:
        first = asyncio.ensure_future(on.spawn(client, on.large("fc-a", BIG)))
        await asyncio.sleep(0)
        error = await on.spawn(Client(2), on.large("fc-b", BIGGER))
        assert isinstance(error, ResourceExhaustedError)
        assert "150 bytes of large arguments are being written, and 250 more are too many: 300 may be at once" in str(
            error
        )
        assert await first == m.Done()
        assert await on.spawn(Client(2), on.large("fc-b", BIGGER)) == m.Done()

    play(scene)


def test_calls_with_ids_of_somebodys_making_stay_inline() -> None:
    async def scene(on: LargeStage, client: Client) -> None:
        await on.spawn(client, on.large("../x", BIG))
        assert on.taken[0].inputs[0].payload == BIG
        assert on.names == []

    play(scene)


def test_arguments_of_a_server_before_are_read_when_they_are_needed() -> None:
    async def scene(on: LargeStage, client: Client) -> None:
        await on.spawn(client, on.large("fc-a", BIG))
        (payload,) = on.journal.payloads([("fc-a", 0)])
        later = LargePayloads(BlobPlaces(on.blobs), on.journal.term + 1, LIMIT)
        calls = LargeCalls(MemoryCallStore(), on.keeper, on.calls._clock, later, FailedArguments(0))
        stored = calls.wait_for("fc-a", 0, payload, 1)
        assert calls.wait_for("fc-a", 1, b"small", 1) == b"small"
        assert isinstance(stored, StoredPayload)
        found = asyncio.get_running_loop().create_future()
        later.arguments(stored, found.set_result)
        assert await found == BIG
        later.close()

    play(scene)
