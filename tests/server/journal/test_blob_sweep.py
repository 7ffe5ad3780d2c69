"""Which blobs go: those that no journal names any more, and that none can come to name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

import pytest

from motet.errors import ServiceError
from motet.server.clock import Clock
from motet.server.journal.blob_sweep import AGE, BlobSweep, Swept
from motet.server.journal.failed_arguments import FailedArguments
from motet.server.journal.large_payloads import LargePayloads
from motet.store.blob_places import BlobPlaces
from motet.store.blob_reference import BlobName, digest_of
from motet.store.blobs_memory import MemoryBlobs
from tests.server.journal.test_durable_calls import NOW, Client, play_on
from tests.server.journal.test_large_calls import BIG, BIGGER, LIMIT, LargeStage


class SweptStage(LargeStage):
    """As `LargeStage`; blobs are written now, and the stage can be swept."""

    def __init__(self) -> None:
        super().__init__()
        loop = asyncio.get_running_loop()
        self.clock = Clock(loop.time, lambda: NOW + loop.time())
        self.blobs._now = self.clock.wall_now
        self.sweep = BlobSweep(self.payloads, self.keeper, self.clock, self.calls.stored, self.failed)

    def orphan(self, call: str, term: int, number: int = 1, area: str = "home") -> str:
        name = str(BlobName(area, call, term, number, "r", 0, digest_of(BIG)))
        self.blobs.put(name, BIG)
        return name


def play(scene: Callable[[SweptStage, Client], Coroutine[object, object, None]]) -> None:
    play_on(SweptStage, scene)


def test_what_an_unfinished_input_or_a_kept_result_needs_stays_and_orphans_go() -> None:
    async def scene(on: SweptStage, client: Client) -> None:
        await on.spawn(client, on.large("fc-waits", BIG, b"small"))
        await on.spawn(client, on.large("fc-ended", b"small"))
        on.finish("fc-ended", BIGGER)
        await on.outcomes(client, "fc-ended")
        needed = on.names
        assert len(needed) == 2
        on.orphan("fc-never", 1)
        on.orphan("fc-ended", 1)  # a late outcome, which did not count
        await asyncio.sleep(AGE + 1)
        assert await on.sweep.sweep(dry_run=True) == Swept(2, 2 * len(BIG))
        assert await on.sweep.sweep() == Swept(2, 2 * len(BIG))
        assert on.names == needed
        assert await on.sweep.sweep() == Swept(0, 0)

    play(scene)


def test_results_that_have_expired_go() -> None:
    async def scene(on: SweptStage, client: Client) -> None:
        await on.spawn(client, on.large("fc-a", b"small"))
        on.finish("fc-a", BIG)
        await on.outcomes(client, "fc-a")
        await asyncio.sleep(2 * AGE)
        on.journal.expire(on.clock.wall_now(), 100)
        assert (await on.sweep.sweep()).blobs == 1
        assert on.names == []

    play(scene)


def failed(on: SweptStage) -> list[str]:
    return [name.split("/")[1] for name in on.names]


def test_arguments_of_what_failed_stay_as_long_as_the_outcome() -> None:
    async def scene(on: SweptStage, client: Client) -> None:
        for call in ("fc-a", "fc-b"):
            await on.spawn(client, on.large(call, BIG))
        on.fail("fc-a")
        on.finish("fc-b", b"done")
        await on.outcomes(client, "fc-b")
        await on.settle()
        on.orphan("fc-a", 1)
        # As a server after this one sees it, which knows of none.
        server = BlobSweep(on.payloads, on.keeper, on.clock, on.calls.stored, found := FailedArguments(1000))
        await asyncio.sleep(AGE + 1)
        assert (await server.sweep()).blobs == 1
        assert failed(on) == ["fc-a"]
        assert found.size == len(BIG)
        assert (await server.sweep(dry_run=True, keeps_failed=False)).blobs == 1
        assert failed(on) == ["fc-a"]
        on.journal.expire(on.clock.wall_now(), 100)
        assert (await server.sweep()).blobs == 1
        assert on.names == []
        assert found.size == 0

    play(scene)


def test_a_sweep_lets_go_of_the_oldest_arguments_of_what_failed_beyond_the_bound() -> None:
    async def scene(on: SweptStage, client: Client) -> None:
        for number in range(4):
            await on.spawn(client, on.large(f"fc-{number}", BIG))
            on.fail(f"fc-{number}")
            await on.outcomes(client, f"fc-{number}")
            await asyncio.sleep(1)
        await asyncio.sleep(AGE)
        server = BlobSweep(on.payloads, on.keeper, on.clock, on.calls.stored, FailedArguments(300))
        await server.sweep(dry_run=True)
        assert failed(on) == ["fc-0", "fc-1", "fc-2", "fc-3"]
        await server.sweep()
        await on.settle()
        assert failed(on) == ["fc-2", "fc-3"]
        assert (await server.sweep(keeps_failed=False)).blobs == 2
        assert on.names == []

    play(scene)


def test_what_is_young_or_under_way_stays() -> None:
    async def scene(on: SweptStage, client: Client) -> None:
        on.orphan("fc-a", 1)
        assert await on.sweep.sweep() == Swept(0, 0)
        await on.spawn(client, on.large("fc-b", b"small"))
        on.failing = True  # the result is a blob, and the journal cannot say so yet
        on.finish("fc-b", BIG)
        await asyncio.sleep(AGE + 10)
        assert (await on.sweep.sweep()).blobs == 1
        assert len(on.names) == 1
        on.failing = False
        assert (await on.outcomes(client, "fc-b")).ended[0].payload == BIG
        assert await on.sweep.sweep() == Swept(0, 0)

    play(scene)


def test_of_a_later_term_or_another_area_or_another_make_nothing_is_touched() -> None:
    async def scene(on: SweptStage, client: Client) -> None:
        stay = [on.orphan("fc-a", on.journal.term + 1), on.orphan("fc-a", 1, area="other"), "home/fc-a/readme"]
        on.blobs.put("home/fc-a/readme", b"by somebody")
        await asyncio.sleep(AGE + 1)
        assert await on.sweep.sweep() == Swept(0, 0)
        assert on.names == sorted(stay)

    play(scene)


def test_a_server_that_was_replaced_takes_nothing_that_the_next_one_needs() -> None:
    async def scene(on: SweptStage, client: Client) -> None:
        await on.spawn(client, on.large("fc-a", BIG))
        mine = on.names
        await asyncio.sleep(AGE + 1)
        # The next one has the call, writes its result, and lets go of its arguments.
        (payload,) = on.journal.payloads([("fc-a", 0)])
        later = LargePayloads(BlobPlaces(on.blobs), on.journal.term + 1, LIMIT)
        kept = asyncio.get_running_loop().create_future()
        later.keep_result("fc-a", 0, BIGGER, kept.set_result)
        await kept
        await asyncio.sleep(AGE + 1)
        assert await on.sweep.sweep() == Swept(0, 0)
        assert set(mine) < set(on.names)
        assert payload
        later.close()

    play(scene)


def test_a_store_that_is_away_is_told_and_swept_later() -> None:
    async def scene(on: SweptStage, client: Client) -> None:
        on.orphan("fc-a", 1)
        await asyncio.sleep(AGE + 1)
        on.blobs.problem = "no route"
        with pytest.raises(ServiceError, match="no route"):
            await on.sweep.sweep()
        on.blobs.problem = ""
        assert (await on.sweep.sweep()).blobs == 1

    play(scene)


def test_a_server_sweeps_by_itself_until_it_ends() -> None:
    async def scene(on: SweptStage, client: Client) -> None:
        on.sweep.begin()
        on.orphan("fc-a", 1)
        await asyncio.sleep(3 * AGE)
        assert on.names == []
        on.sweep.end()
        on.sweep.end()

    play(scene)


def test_memory_that_others_share_is_one_store() -> None:
    places = BlobPlaces(MemoryBlobs(), MemoryBlobs(), "a1")
    assert [area for area, _ in places.own()] == ["home", "a1"]
    assert places.area == "a1"


def test_bytes_are_counted_for_their_principal_as_they_come_and_go_and_by_each_sweep() -> None:
    async def scene(on: SweptStage, client: Client) -> None:
        await on.spawn(client, on.large("fc-a", BIG, b"small"))
        assert on.calls.kept_for(1) == len(BIG)
        on.finish("fc-a", BIGGER, 1)
        await on.settle()
        assert await on.sweep.sweep() == Swept(0, 0)
        assert on.calls.kept_for(1) == len(BIG) + len(BIGGER)
        assert on.calls.kept_for(2) == 0
        on.finish("fc-a", b"r", 0)
        await on.outcomes(client, "fc-a")
        assert on.calls.kept_for(1) == len(BIGGER)
        on.failing = True
        await on.spawn(client, on.large("fc-b", BIG))
        assert on.calls.kept_for(1) == len(BIGGER)
        on.failing = False

    play(scene)
