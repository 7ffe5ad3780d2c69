"""Arguments that the journal alone has: when attempts get them, and what the engine is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from types import SimpleNamespace
from typing import Any, cast

from motet.core.commands import ReadArguments
from motet.core.events import ArgumentsRead, Event
from motet.errors import Error, NotFoundError, ServiceError
from motet.model.outcome import Delivery, NewInput
from motet.server.driver import Driver
from motet.server.journal.keeper import JournalKeeper
from motet.server.journal.left_arguments import AHEAD_BYTES, GIVE_UP_AFTER, RETRY_FIRST, LeftArguments
from motet.store.blob_reference import IN_JOURNAL
from motet.store.journal import CallMade, InputsAdded, KeptCall
from motet.store.journal_memory import JournalMemory, MemoryJournal
from motet.testing.virtual_loop import VirtualLoop


class Stage:
    """A journal that answers when the test has it do so."""

    def __init__(self) -> None:
        self.journal = MemoryJournal(JournalMemory())
        self.told: list[Event] = []
        self.asked: list[tuple[Callable[[Any], Any], Callable[[Any], None]]] = []
        self.came: list[tuple[int, bytes | Error]] = []
        """Attempts, and their arguments."""
        self.not_kept: Error | None = None
        keeper = SimpleNamespace(
            look=lambda question, then: self.asked.append((question, then)),
            keep=lambda entries, then: then(self.not_kept),
        )
        driver = SimpleNamespace(take=self.told.append)
        self.left = LeftArguments(cast(JournalKeeper, keeper), cast(Driver, driver))

    def keep(self, call_id: str, *payloads: bytes) -> None:
        inputs = [NewInput(index, payload) for index, payload in enumerate(payloads)]
        call = KeptCall(call_id, "shop", "fu-1", "", 1, 100.0)
        self.journal.keep([CallMade(call), InputsAdded(call_id, inputs, 100.0)])

    def read(self, *wanted: tuple[str, int], ahead: Sequence[tuple[str, int]] = ()) -> None:
        self.left.read(ReadArguments("fu-1", list(wanted), list(ahead)))

    def find(self, attempt: int, call_id: str, index: int) -> None:
        self.left.find(Delivery(attempt, call_id, index, "", IN_JOURNAL), lambda it: self.came.append((attempt, it)))

    def answer(self, error: Error | None = None) -> None:
        question, then = self.asked.pop(0)
        then(error or question(self.journal))


def test_an_attempt_gets_what_was_read_and_the_engine_that_and_what_was_read_ahead() -> None:
    on = Stage()
    on.keep("fc-a", b"zero", b"one")
    on.keep("fc-b", b"nil")
    on.read(("fc-a", 0), ahead=[("fc-a", 1), ("fc-b", 0)])
    on.find(1, "fc-a", 0)
    assert on.came == []
    on.answer()
    assert on.came == [(1, b"zero")]
    assert on.told == [ArgumentsRead("fu-1", [("fc-a", 0, b"zero"), ("fc-a", 1, b"one"), ("fc-b", 0, b"nil")])]


def test_two_attempts_at_an_input_get_its_arguments_with_what_comes_first() -> None:
    on = Stage()
    on.keep("fc-a", b"zero")
    on.read(("fc-a", 0))
    on.find(1, "fc-a", 0)
    on.read(("fc-a", 0))
    on.find(2, "fc-a", 0)
    on.answer()
    on.answer()
    assert on.came == [(1, b"zero"), (2, b"zero")]


def test_what_the_journal_does_not_have_is_an_error_and_nothing_for_the_engine() -> None:
    on = Stage()
    on.keep("fc-a", b"zero")
    on.read(("fc-a", 0), ("fc-gone", 3))
    on.find(1, "fc-a", 0)
    on.find(2, "fc-gone", 3)
    on.answer()
    (first, second) = on.came
    assert first == (1, b"zero")
    assert isinstance(second[1], NotFoundError)
    assert "input 3 of fc-gone" in str(second[1])
    assert on.told == [ArgumentsRead("fu-1", [("fc-a", 0, b"zero")])]


def test_what_cannot_be_read_is_asked_for_again_until_the_server_ends() -> None:
    async def scene(on: Stage) -> None:
        on.keep("fc-a", b"zero")
        on.read(("fc-a", 0))
        on.find(1, "fc-a", 0)
        on.answer(ServiceError("the disk is gone"))
        assert on.asked == []
        await asyncio.sleep(RETRY_FIRST)
        await asyncio.sleep(0)
        on.answer()
        assert on.came == [(1, b"zero")]
        on.read(("fc-a", 0))
        on.answer(ServiceError("the disk is gone"))
        on.left.close()
        await asyncio.sleep(100 * RETRY_FIRST)
        assert on.asked == []

    play(scene)


def test_what_cannot_be_read_for_long_fails_if_the_journal_can_be_written() -> None:
    async def scene(on: Stage) -> None:
        on.keep("fc-a", b"zero")
        on.read(("fc-a", 0))
        on.find(1, "fc-a", 0)
        on.not_kept = ServiceError("the disk is gone")
        for _ in range(2):
            on.answer(ServiceError("the disk is gone"))
            await asyncio.sleep(GIVE_UP_AFTER + 10)
        assert on.came == []  # it is not these that are at fault
        on.not_kept = None
        on.answer(ServiceError("a page is damaged"))
        ((attempt, error),) = on.came
        assert attempt == 1
        assert str(error) == "the arguments of input 0 of fc-a cannot be read: a page is damaged"
        await asyncio.sleep(100)
        assert on.asked == []

    play(scene)


def test_no_more_is_read_ahead_than_memory_is_to_have() -> None:
    on = Stage()
    on.keep("fc-a", *[bytes(AHEAD_BYTES // 10)] * 200)
    on.read(("fc-a", 0), ahead=[("fc-a", index) for index in range(1, 200)])
    on.answer()
    (event,) = on.told
    assert isinstance(event, ArgumentsRead)
    assert len(event.inputs) == 51


def play(scene: Callable[[Stage], Coroutine[Any, Any, None]]) -> None:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(scene(Stage()))
