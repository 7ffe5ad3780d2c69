"""What is kept in which commit, who is told what, and what becomes of a journal that cannot be written for a while."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from motet.errors import AlreadyExistsError, Error, NotFoundError, ServiceError
from motet.model.outcome import InputEnd, NewInput, OutcomeKind
from motet.server.journal.keeper import (
    ANSWER_TIMEOUT,
    EXPIRE_INTERVAL,
    HANG_TIMEOUT,
    MOST_BYTES,
    RETRY_INTERVAL,
    JournalKeeper,
)
from motet.server.journal.set_clock import HOLD, JUMP
from motet.store.journal import CallMade, Entry, InputsAdded, InputsEnded, JournalFenced, KeptCall
from motet.store.journal_memory import JournalMemory, MemoryJournal
from motet.testing.virtual_loop import VirtualLoop

DAY = 86400.0


class Disk(MemoryJournal):
    """A journal that fails as it is told to. `commits`: how many entries each had. `gate`: keeping waits until it is open."""

    def __init__(self, memory: JournalMemory) -> None:
        super().__init__(memory)
        self.failing: Callable[[], Exception] | None = None
        self.commits: list[int] = []
        self.gate = threading.Event()
        self.gate.set()

    def keep(self, entries: Sequence[Entry]) -> None:
        assert self.gate.wait(30)
        if self.failing is not None:
            raise self.failing()
        super().keep(entries)
        self.commits.append(len(entries))


def call(number: int, key: bytes = b"") -> KeptCall:
    return KeptCall(f"fc-{number}", "shop", "fu-1", "", 7, 100.0, key=key)


def spawned(number: int, key: bytes = b"") -> list[Entry]:
    return [CallMade(call(number, key)), InputsAdded(f"fc-{number}", [NewInput(0, b"x")], 100.0)]


def ended(number: int, result: bytes = b"r") -> list[Entry]:
    return [InputsEnded(f"fc-{number}", [InputEnd(0, OutcomeKind.SUCCESS, result)], 200.0)]


def many(number: int, count: int) -> list[Entry]:
    inputs = [NewInput(index, b"x") for index in range(count)]
    return [CallMade(call(number)), InputsAdded(f"fc-{number}", inputs, 100.0)]


class Stage:
    def __init__(self) -> None:
        self.memory = JournalMemory()
        self.disk = Disk(self.memory)
        self.fenced: list[bool] = []
        loop = asyncio.get_running_loop()
        self.wall = 10 * DAY
        self.keeper = JournalKeeper(self.disk, loop, DAY, lambda: self.fenced.append(True), lambda: self.wall)

    async def told(self, *group: Callable[[Callable[[Error | None], None]], None]) -> list[Error | None]:
        """What is told of what is said together, in this order."""
        futures: list[asyncio.Future[Error | None]] = []
        for say in group:
            future = asyncio.get_running_loop().create_future()
            say(future.set_result)
            futures.append(future)
        return [await each for each in futures]

    async def keep(self, *group: list[Entry]) -> list[Error | None]:
        return await self.told(*[lambda then, it=it: self.keeper.keep(it, then) for it in group])  # type: ignore[misc]

    async def ask(self, question: Callable[[Any], Any]) -> Any:
        (found,) = await self.told(lambda then: self.keeper.ask(question, then))
        return found


def play(scene: Callable[[Stage], Coroutine[Any, Any, None]]) -> None:
    async def whole() -> None:
        stage = Stage()
        await scene(stage)
        stage.disk.gate.set()
        await stage.keeper.close()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(whole())


def test_what_comes_during_a_commit_is_kept_by_the_next_one() -> None:
    async def scene(on: Stage) -> None:
        on.disk.gate.clear()
        kept = asyncio.ensure_future(on.keep(*(spawned(number) for number in range(50))))
        await asyncio.sleep(0)
        on.disk.gate.set()
        assert await kept == [None] * 50
        assert on.disk.commits == [2, 98]

    play(scene)


def test_what_is_much_is_kept_in_several_commits() -> None:
    """However much is owed after a while without a disk: PostgreSQL takes no message of a gigabyte, whenever it is tried."""

    async def scene(on: Stage) -> None:
        large = bytes(MOST_BYTES // 3)
        on.disk.failing = lambda: ServiceError("the database is away")
        await on.keep(spawned(0))  # so that all of the rest is owed when it can be kept
        owed = asyncio.ensure_future(
            on.told(*[lambda then, it=it: on.keeper.owe(ended(it, large), then) for it in range(1, 8)])  # type: ignore[misc]
        )
        await asyncio.sleep(2 * RETRY_INTERVAL)
        on.disk.failing = None
        assert await owed == [None] * 7
        assert on.disk.commits == [3, 3, 1]
        assert await on.keep(*[many(it, 2000) for it in range(5)]) == [None] * 5
        assert sum(on.disk.commits[3:]) == 10
        assert max(on.disk.commits[3:]) == 4

    play(scene)


def test_nothing_overtakes_what_could_not_be_kept() -> None:
    async def scene(on: Stage) -> None:
        tries: list[int] = []

        def fail() -> Exception:
            tries.append(len(tries))
            return ServiceError("the disk is full")

        on.disk.failing = fail
        large = bytes(MOST_BYTES // 2)
        owed = asyncio.ensure_future(
            on.told(*[lambda then, it=it: on.keeper.owe(ended(it, large), then) for it in range(6)])  # type: ignore[misc]
        )
        await asyncio.sleep(RETRY_INTERVAL * 2.5)
        before = len(tries)
        await asyncio.sleep(RETRY_INTERVAL)
        assert len(tries) == before + 1  # the parts behind the first that fails are not tried
        on.disk.failing = None
        assert await owed == [None] * 6
        assert on.disk.commits == [2, 2, 2]

    play(scene)


def test_its_lag_is_how_long_the_oldest_waits() -> None:
    async def scene(on: Stage) -> None:
        assert (on.keeper.lag, on.keeper.term) == (0.0, 1)
        on.disk.failing = lambda: ServiceError("the disk is full")
        owed = asyncio.ensure_future(on.told(lambda then: on.keeper.owe(spawned(1), then)))
        await asyncio.sleep(0)
        began = asyncio.get_running_loop().time()
        await asyncio.sleep(7)
        await on.keep(spawned(2))
        assert on.keeper.lag == pytest.approx(asyncio.get_running_loop().time() - began)
        on.disk.failing = None
        await owed
        assert on.keeper.lag == 0.0

    play(scene)


def test_it_is_told_in_order_when_it_is_kept() -> None:
    async def scene(on: Stage) -> None:
        order: list[str] = []
        last = asyncio.get_running_loop().create_future()
        on.keeper.keep(spawned(1), lambda error: order.append("spawned"))
        on.keeper.owe(ended(1), lambda error: order.append("ended"))
        on.keeper.ask(
            lambda journal: journal.outcomes("fc-1", 0, 1),
            lambda found: (order.append("asked"), last.set_result(found)),
        )
        assert [each.payload for each in await last] == [b"r"]
        assert order == ["spawned", "ended", "asked"]

    play(scene)


def test_a_full_disk_refuses_what_is_new_and_keeps_what_is_owed_when_it_can() -> None:
    async def scene(on: Stage) -> None:
        assert await on.keep(spawned(1)) == [None]
        on.disk.failing = lambda: ServiceError("the disk is full")
        owed = asyncio.ensure_future(on.told(lambda then: on.keeper.owe(ended(1), then)))
        (refused,) = await on.keep(spawned(2))
        assert "full" in str(refused)
        assert "full" in on.keeper.problem
        await asyncio.sleep(5 * RETRY_INTERVAL)
        assert not owed.done()
        on.disk.failing = None
        assert await owed == [None]
        assert on.keeper.problem == ""
        assert await on.ask(lambda journal: journal.known("fc-1", [0])) == {0: True}
        assert await on.ask(lambda journal: journal.known("fc-2", [0])) == {}

    play(scene)


@pytest.mark.parametrize("failing", [True, False])
def test_what_is_owed_stays_in_order(failing: bool) -> None:
    async def scene(on: Stage) -> None:
        if failing:
            on.disk.failing = lambda: ServiceError("no")
        first = asyncio.ensure_future(on.told(lambda then: on.keeper.owe(spawned(1), then)))
        await asyncio.sleep(3 * RETRY_INTERVAL)
        second = asyncio.ensure_future(on.told(lambda then: on.keeper.owe(ended(1), then)))
        await asyncio.sleep(3 * RETRY_INTERVAL)
        on.disk.failing = None
        assert await first == await second == [None]
        assert await on.ask(lambda journal: journal.known("fc-1", [0])) == {0: True}

    play(scene)


def test_one_that_is_at_fault_is_refused_without_its_neighbours() -> None:
    async def scene(on: Stage) -> None:
        assert await on.keep(spawned(1, b"key")) == [None]
        first, second, third = await on.keep(spawned(2), spawned(3, b"key"), spawned(4))
        assert first is third is None
        assert isinstance(second, AlreadyExistsError)
        assert await on.ask(lambda journal: journal.known("fc-4", [0])) == {0: False}

    play(scene)


def test_a_bug_of_a_journal_does_not_end_the_others() -> None:
    async def scene(on: Stage) -> None:
        on.disk.failing = lambda: RuntimeError("a bug")
        (error,) = await on.keep(spawned(1))
        assert "a bug" in str(error)
        on.disk.failing = None
        assert await on.keep(spawned(2)) == [None]

    play(scene)


def test_a_server_whose_journal_another_one_has_is_told_once_and_keeps_nothing() -> None:
    async def scene(on: Stage) -> None:
        assert await on.keep(spawned(1)) == [None]
        other = MemoryJournal(on.memory)
        (refused,) = await on.keep(spawned(2))
        (owed,) = await on.told(lambda then: on.keeper.owe(ended(1), then))
        assert isinstance(refused, JournalFenced)
        assert isinstance(owed, JournalFenced)
        assert on.fenced == [True]
        assert [part.call.call_id for part in other.unfinished()] == ["fc-1"]

    play(scene)


def test_questions_that_fail_are_answered() -> None:
    async def scene(on: Stage) -> None:
        assert isinstance(await on.ask(lambda journal: journal.call("fc-9")), NotFoundError)
        (found,) = await on.told(lambda then: on.keeper.look(lambda journal: journal.call("fc-9"), then))
        assert isinstance(found, NotFoundError)

    play(scene)


def test_what_is_old_goes_by_itself() -> None:
    async def scene(on: Stage) -> None:
        await on.keep(*(spawned(number) for number in range(1200)))
        await on.told(*[lambda then, it=it: on.keeper.owe(ended(it), then) for it in range(1, 1200)])  # type: ignore[misc]
        on.keeper.expire_now_and_then()
        await asyncio.sleep(1.0)
        assert list(on.memory.calls) == ["fc-0"]

    play(scene)


@pytest.mark.parametrize("was_behind", [True, False])
def test_nothing_goes_for_a_day_after_the_clock_was_set_forward(was_behind: bool) -> None:
    """It is wrong now, or it was when the input ended."""

    async def scene(on: Stage) -> None:
        on.keeper.expire_now_and_then()
        await on.keep(spawned(1))
        at = on.wall - 5.0
        on.keeper.owe([InputsEnded("fc-1", [InputEnd(0, OutcomeKind.SUCCESS, b"r")], at)])
        await asyncio.sleep(1.0)
        on.wall += 3 * DAY
        if not was_behind:
            on.wall += HOLD
        await asyncio.sleep(HOLD - 2 * EXPIRE_INTERVAL)
        assert list(on.memory.calls) == ["fc-1"]
        await asyncio.sleep(4 * EXPIRE_INTERVAL)
        assert list(on.memory.calls) == []

    play(scene)


def test_a_clock_that_is_set_back_or_corrected_by_seconds_holds_nothing_up() -> None:
    async def scene(on: Stage) -> None:
        on.keeper.expire_now_and_then()
        await on.keep(spawned(1))
        on.keeper.owe(ended(1))
        on.wall -= 3600.0
        await asyncio.sleep(EXPIRE_INTERVAL)
        on.wall += JUMP
        await asyncio.sleep(EXPIRE_INTERVAL + 1)
        assert list(on.memory.calls) == []

    play(scene)


def test_what_was_said_before_it_is_closed_is_kept() -> None:
    async def scene(on: Stage) -> None:
        on.keeper.keep(spawned(1), lambda error: None)
        on.keeper.owe(ended(1))
        await on.keeper.close()
        assert list(on.memory.calls) == ["fc-1"]
        assert not on.memory.unfinished
        (late,) = await on.keep(spawned(2))
        assert "ended" in str(late)

    play(scene)


def test_closing_does_not_wait_for_a_disk_that_takes_nothing() -> None:
    async def scene(on: Stage) -> None:
        await on.keep(spawned(1))
        on.disk.failing = lambda: ServiceError("the disk is full")
        on.keeper.owe(ended(1))
        await on.keeper.close()
        assert list(on.memory.unfinished) == ["fc-1"], "which the next server runs"

    play(scene)


def test_a_question_that_nobody_answers_ends_with_an_error_and_a_later_answer_is_told_to_nobody() -> None:
    async def scene(on: Stage) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        hangs = threading.Event()
        on.disk.gate.clear()
        on.keeper.keep(spawned(1), lambda error: None)
        told: list[Any] = []

        def noting(then: Callable[[Any], None]) -> Callable[[Any], None]:
            def note(what: Any) -> None:
                told.append(what)
                then(what)

            return note

        asking = loop.create_task(
            on.told(
                lambda then: on.keeper.ask(lambda journal: journal.term, noting(then)),
                lambda then: on.keeper.look(lambda journal: hangs.wait(30), noting(then)),
            )
        )
        await asyncio.sleep(0)  # they ask
        loop.skip(ANSWER_TIMEOUT)
        await asking
        assert [type(each) for each in told] == [ServiceError] * 2
        assert "has not answered for 60 s: its disk or database hangs" in str(told[0])
        hangs.set()
        on.disk.gate.set()
        assert await on.ask(lambda journal: journal.call("fc-1")[1]) == 1
        assert len(told) == 2

    play(scene)


def test_a_disk_that_is_free_again_is_known_though_nobody_wants_anything_kept() -> None:
    async def scene(on: Stage) -> None:
        on.disk.failing = lambda: ServiceError("the disk is full")
        (refused,) = await on.keep(spawned(1))
        assert "full" in str(refused)
        await asyncio.sleep(5 * RETRY_INTERVAL)
        assert "full" in on.keeper.problem
        on.disk.failing = None
        await asyncio.sleep(3 * RETRY_INTERVAL)
        assert on.keeper.problem == ""
        assert on.disk.commits[-1] == 0
        count = len(on.disk.commits)
        await asyncio.sleep(3 * RETRY_INTERVAL)
        assert len(on.disk.commits) == count

    play(scene)


def test_while_a_commit_hangs_what_comes_after_it_is_refused_and_what_is_in_it_waits(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scene(on: Stage) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        assert await on.keep(spawned(0)) == [None]
        on.disk.gate.clear()
        first = asyncio.ensure_future(on.keep(spawned(1)))
        await asyncio.sleep(0)
        second = asyncio.ensure_future(on.keep(spawned(2)))
        owed = asyncio.ensure_future(on.told(lambda then: on.keeper.owe(ended(0), then)))
        await asyncio.sleep(0)
        assert on.keeper.problem == ""
        loop.skip(HANG_TIMEOUT)
        (refused,) = await second
        assert "has not answered for 10 s. Nothing has changed; what runs goes on" in str(refused)
        assert on.keeper.problem == on.keeper.hang == str(refused)
        (refused_soon,) = await on.keep(spawned(3))
        assert str(refused_soon) == str(refused)
        assert not first.done()
        on.disk.gate.set()
        assert await first == await owed == [None]
        assert on.keeper.problem == ""
        assert sorted(on.memory.calls) == ["fc-0", "fc-1"]
        assert await on.keep(spawned(4)) == [None]

    play(scene)
    assert [record.getMessage()[:50] for record in caplog.records] == [
        "spawned calls are refused from now on, until they ",
        "the disk or database answers again",
    ]
