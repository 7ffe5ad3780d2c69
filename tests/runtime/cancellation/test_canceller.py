"""Cancelling attempts in an executor: whichever way they run, their end is sent, and nobody else notices."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import random
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from motet.errors import InputCancellation
from motet.model.outcome import OutcomeKind
from motet.model.scaling import Batching
from motet.runtime.attempts.batch import batch_of
from motet.runtime.cancellation.interrupter import CANCEL_SIGNAL
from motet.wire import payload, report
from motet.wire.client_messages import STREAM_WINDOW
from tests.runtime.inside import TIMEOUT, Inside, delivery

LONG = 60.0


@pytest.fixture(autouse=True)
def signal_handler() -> Iterator[None]:
    before = signal.getsignal(CANCEL_SIGNAL)
    yield
    signal.signal(CANCEL_SIGNAL, before)


@pytest.fixture
def begun() -> queue.SimpleQueue[int]:
    return queue.SimpleQueue()


def test_only_the_cancelled_one_ends_and_its_thread_serves_the_next(begun: queue.SimpleQueue[int]) -> None:
    neighbour = threading.Event()
    idents: dict[int, int] = {}

    def work(number: int) -> str:
        idents[number] = threading.get_ident()
        begun.put(number)
        if number == 1:
            time.sleep(LONG)
        elif number == 2:
            neighbour.wait(TIMEOUT)
        return f"done {number}"

    inside = Inside(work)
    inside.deliver(1, 1)
    inside.deliver(2, 2)
    assert {begun.get(timeout=TIMEOUT) for _ in range(2)} == {1, 2}
    inside.executor.canceller.cancel([1])
    assert inside.end() == (1, OutcomeKind.CANCELLED, None)
    inside.executor.canceller.cancel([1, 77])
    inside.deliver(3, 3)
    assert inside.end() == (3, OutcomeKind.SUCCESS, "done 3")
    neighbour.set()
    assert inside.end() == (2, OutcomeKind.SUCCESS, "done 2")
    assert idents[3] == idents[1] != idents[2]
    inside.close()


def test_on_the_main_thread_too(begun: queue.SimpleQueue[int]) -> None:
    cleaned = []

    def work() -> None:
        try:
            begun.put(1)
            time.sleep(LONG)
        finally:
            time.sleep(0.02)
            cleaned.append(True)

    inside = Inside(work, max_inputs=1)

    def cancel() -> None:
        begun.get(timeout=TIMEOUT)
        inside.executor.canceller.cancel([1])
        inside.executor.canceller.cancel([1])

    canceller = threading.Thread(target=cancel)
    canceller.start()
    inside.deliver(1)
    canceller.join(TIMEOUT)
    assert inside.end() == (1, OutcomeKind.CANCELLED, None)
    assert cleaned == [True]
    inside.close()


def test_what_is_cancelled_before_it_has_a_thread_ends_without_running() -> None:
    ran = []
    held: list[Callable[[], None]] = []
    inside = Inside(ran.append, max_inputs=1, run_main=held.append)
    inside.deliver(1, "ran")
    inside.executor.canceller.cancel([1])
    held.pop()()
    assert inside.end() == (1, OutcomeKind.CANCELLED, None)
    assert ran == []
    inside.close()


@pytest.mark.parametrize("generator", [False, True])
def test_what_is_cancelled_before_it_is_delivered_ends_without_running(generator: bool) -> None:
    ran = []

    def work(number: int) -> Iterator[int]:
        ran.append(number)
        yield number

    inside = Inside(work if generator else ran.append, generator=generator)
    inside.executor.canceller.cancel([2])
    inside.deliver(2, "cancelled")
    assert inside.end() == (2, OutcomeKind.CANCELLED, None)
    assert ran == []
    inside.close()


def test_a_task_that_is_cancelled_before_it_is_delivered_ends_without_running() -> None:
    ran = []

    async def work(number: int) -> int:
        ran.append(number)
        return number

    async def main() -> None:
        inside = Inside(work, is_async=True, loop=asyncio.get_running_loop())
        inside.executor.canceller.cancel([2])
        inside.deliver(1, 1)
        inside.deliver(2, 2)
        await asyncio.wait_for(inside.idle.wait(), TIMEOUT)
        assert {inside.end() for _ in range(2)} == {(1, OutcomeKind.SUCCESS, 1), (2, OutcomeKind.CANCELLED, None)}
        inside.close()

    asyncio.run(main())
    assert ran == [1]


def test_a_batch_that_is_cancelled_before_it_is_delivered_ends_without_running() -> None:
    ran: list[int] = []

    def work(numbers: list[int]) -> list[int]:
        ran.extend(numbers)
        return numbers

    inside = Inside(work, batching=Batching(max_batch_size=2, wait_ms=100))
    inside.executor.canceller.cancel([1])
    inside.executor.deliver([batch_of([delivery(1, 1), delivery(2, 2)])])
    assert [inside.end() for _ in range(2)] == [(n, OutcomeKind.CANCELLED, None) for n in (1, 2)]
    assert ran == []
    inside.close()


def test_what_swallows_it_succeeds_with_what_it_returns(begun: queue.SimpleQueue[int]) -> None:
    def work() -> str:
        try:
            begun.put(1)
            time.sleep(LONG)
        except InputCancellation:
            return "swallowed"
        return "not interrupted"

    inside = Inside(work)
    inside.deliver(1)
    begun.get(timeout=TIMEOUT)
    inside.executor.canceller.cancel([1])
    assert inside.end() == (1, OutcomeKind.SUCCESS, "swallowed")
    inside.close()


def test_a_generator_is_interrupted_while_it_makes_an_item_and_its_finally_runs(begun: queue.SimpleQueue[int]) -> None:
    closed = threading.Event()

    def work() -> Iterator[int]:
        try:
            yield 1
            begun.put(1)
            time.sleep(LONG)
            yield 2
        finally:
            closed.set()

    inside = Inside(work, generator=True)
    inside.deliver(1)
    begun.get(timeout=TIMEOUT)
    inside.executor.canceller.cancel([1])
    assert inside.end() == (1, OutcomeKind.CANCELLED, None)
    assert closed.is_set()
    assert inside.items.get(timeout=TIMEOUT) == 1
    assert inside.items.empty()
    inside.close()


def test_a_generator_that_waits_for_its_consumer_is_closed(begun: queue.SimpleQueue[int]) -> None:
    closed = []

    def work() -> Iterator[int]:
        try:
            for number in range(10 * STREAM_WINDOW):
                if number == STREAM_WINDOW:
                    begun.put(1)
                yield number
        except GeneratorExit:
            closed.append(True)
            raise

    inside = Inside(work, generator=True)
    inside.deliver(1)
    begun.get(timeout=TIMEOUT)
    time.sleep(0.02)
    inside.executor.canceller.cancel([1])
    assert inside.end() == (1, OutcomeKind.CANCELLED, None)
    assert closed == [True]
    inside.close()


def test_a_generator_that_swallows_it_and_goes_on_ends_at_its_next_item(begun: queue.SimpleQueue[int]) -> None:
    def work() -> Iterator[int]:
        try:
            begun.put(1)
            time.sleep(LONG)
        except BaseException:
            pass
        while True:
            yield 1

    inside = Inside(work, generator=True)
    inside.deliver(1)
    begun.get(timeout=TIMEOUT)
    inside.executor.canceller.cancel([1])
    assert inside.end() == (1, OutcomeKind.CANCELLED, None)
    inside.close()


def test_one_cancellation_ends_a_batch(begun: queue.SimpleQueue[int]) -> None:
    def work(numbers: list[int]) -> list[int]:
        begun.put(1)
        if 1 in numbers:
            time.sleep(LONG)
        return numbers

    inside = Inside(work, batching=Batching(max_batch_size=2, wait_ms=100))
    inside.executor.deliver([batch_of([delivery(1, 1), delivery(2, 2)]), batch_of([delivery(3, 3)])])
    for _ in range(2):
        begun.get(timeout=TIMEOUT)
    assert inside.end() == (3, OutcomeKind.SUCCESS, 3)
    inside.executor.canceller.cancel([1])
    assert [inside.end() for _ in range(2)] == [(n, OutcomeKind.CANCELLED, None) for n in (1, 2)]
    inside.close()


def test_stopping_interrupts_everything_and_waits_for_finally_blocks(begun: queue.SimpleQueue[int]) -> None:
    closed: list[int] = []

    def work(number: int) -> None:
        try:
            begun.put(number)
            time.sleep(LONG)
        finally:
            time.sleep(0.05)
            closed.append(number)

    inside = Inside(work, max_inputs=5)
    for number in range(5):
        inside.deliver(number, number)
    for _ in range(5):
        begun.get(timeout=TIMEOUT)
    inside.executor.canceller.stop()
    inside.executor.canceller.wait_threads(TIMEOUT)
    assert sorted(closed) == [0, 1, 2, 3, 4]
    inside.close()


def test_stopping_what_runs_nothing_takes_no_time() -> None:
    inside = Inside(lambda: None)
    inside.executor.canceller.stop()
    inside.executor.canceller.wait_threads(LONG)
    inside.close()


def test_random_cancels_end_those_asked_for_and_every_attempt_ends_once() -> None:
    """Short inputs on sixteen threads, cancelled at any instant of their life: waiting, beginning, running, ending, gone."""
    chosen = random.Random(7)
    hits: list[int] = []

    def work(number: int, seconds: float) -> int:
        try:
            if number % 2:
                time.sleep(seconds)
            else:
                end = time.perf_counter() + seconds
                while time.perf_counter() < end:
                    pass
        except InputCancellation:
            hits.append(number)
            raise
        return number

    inside = Inside(work, max_inputs=16)
    asked: set[int] = set()
    ends: dict[int, tuple[OutcomeKind, Any]] = {}
    started = 0
    while len(ends) < 600:
        while started < 600 and started - len(ends) < 16:
            inside.deliver(started, started, chosen.choice([0.0, 0.0002, 0.001, 0.004]))
            started += 1
        if chosen.random() < 0.4:
            victim = chosen.randrange(max(0, started - 20), started)
            asked.add(victim)
            inside.executor.canceller.cancel([victim])
        with contextlib.suppress(queue.Empty):
            end = inside.ends.get(timeout=0.0005 if started < 600 else TIMEOUT)
            assert end.attempt not in ends
            ends[end.attempt] = (end.kind, end.payload)
    assert inside.ends.empty()
    cancelled = {number for number, (kind, _) in ends.items() if kind is OutcomeKind.CANCELLED}
    assert cancelled <= asked
    assert set(hits) <= cancelled
    assert len(hits) == len(set(hits))
    assert len(cancelled) > 20
    for number in ends.keys() - cancelled:
        assert ends[number] == (OutcomeKind.SUCCESS, payload.dumps(number, ""))
    inside.close()


# --- what nobody has cancelled ----------------------------------------------------------------------------------------


async def awaits_what_it_cancelled() -> None:
    task = asyncio.create_task(asyncio.sleep(LONG))
    await asyncio.sleep(0)
    task.cancel()
    await task


async def yields_and_awaits_what_it_cancelled() -> AsyncIterator[int]:
    yield 1
    await awaits_what_it_cancelled()


async def cancels_itself() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(LONG)


async def awaits_in_a_batch(numbers: list[int]) -> list[int]:
    await awaits_what_it_cancelled()
    return numbers


def runs_a_loop_of_its_own() -> None:
    asyncio.run(awaits_what_it_cancelled())


def yields_and_runs_a_loop() -> Iterator[int]:
    yield 1
    asyncio.run(awaits_what_it_cancelled())


@pytest.mark.parametrize("call", [runs_a_loop_of_its_own, yields_and_runs_a_loop])
def test_a_cancelled_error_of_its_own_is_a_sync_inputs_failure(call: Callable[..., Any]) -> None:
    inside = Inside(call, generator=call is yields_and_runs_a_loop)
    inside.deliver(1)
    end = inside.ends.get(timeout=TIMEOUT)
    assert end.kind is OutcomeKind.FAILURE
    assert "Nobody cancelled this input" in report.read(end.payload).traceback
    inside.close()


@pytest.mark.parametrize(
    "call", [awaits_what_it_cancelled, cancels_itself, yields_and_awaits_what_it_cancelled, awaits_in_a_batch]
)
def test_a_cancelled_error_of_its_own_is_an_async_inputs_failure(call: Callable[..., Any]) -> None:
    loop = asyncio.new_event_loop()
    batching = Batching(max_batch_size=2, wait_ms=100) if call is awaits_in_a_batch else None
    generator = call is yields_and_awaits_what_it_cancelled
    inside = Inside(call, is_async=True, loop=loop, generator=generator, batching=batching)
    if batching is None:
        inside.deliver(1)
    else:
        inside.executor.deliver([batch_of([delivery(1, 1), delivery(2, 2)])])
    loop.run_until_complete(asyncio.wait_for(inside.idle.wait(), TIMEOUT))
    end = inside.ends.get(timeout=TIMEOUT)
    assert end.kind is OutcomeKind.FAILURE
    assert "Nobody cancelled this input" in report.read(end.payload).traceback
    inside.close()
    loop.close()


class Untellable(Exception):
    """What happens when even telling of a failure fails."""

    def __str__(self) -> str:
        raise SystemExit("no words")

    __repr__ = __str__


def test_an_attempt_whose_failure_cannot_be_told_ends_all_the_same_and_its_thread_lives() -> None:
    def work(number: int) -> int:
        if number == 1:
            raise Untellable
        return number

    inside = Inside(work, max_inputs=2)
    inside.deliver(1, 1)
    assert inside.end()[:2] == (1, OutcomeKind.FAILURE)
    inside.deliver(2, 2)
    assert inside.end() == (2, OutcomeKind.SUCCESS, 2)
    inside.close()


class CancelsFirst(asyncio.SelectorEventLoop):
    """A loop on which a cancellation comes in the instant before a task is made."""

    def __init__(self) -> None:
        super().__init__()
        self.before: Callable[[], None] | None = None

    def create_task(self, *args: Any, **options: Any) -> Any:
        if self.before is not None:
            self.before()
        return super().create_task(*args, **options)


def test_a_task_that_was_cancelled_before_it_was_one_does_not_run() -> None:
    ran = []

    async def work() -> None:
        ran.append(True)

    loop = CancelsFirst()
    inside = Inside(work, is_async=True, loop=loop)
    loop.before = lambda: inside.executor.canceller.cancel([1])
    inside.deliver(1)
    loop.run_until_complete(asyncio.wait_for(inside.idle.wait(), TIMEOUT))
    assert inside.end() == (1, OutcomeKind.CANCELLED, None)
    assert ran == []
    inside.close()
    loop.close()
