"""The thread around `step`: streams for threads and tasks, and what becomes of them when something goes wrong."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from motet.batching import Answer, ContinuousBatcher, Failed, Last, Member, More
from motet.context.current_input import CurrentInput, current, current_input_id
from motet.errors import ExecutionError, InvalidError

PATIENCE = 20.0


class Counting:
    """A step that counts each input up to its value. It notes its batches, and can be held before its next one."""

    def __init__(self) -> None:
        self.batches: list[list[tuple[int, int]]] = []
        self.released: list[int] = []
        self.answer: Callable[[Member[int]], Answer[int]] = self.count
        self.began = threading.Semaphore(0)
        self.may_go = threading.Event()
        self.may_go.set()

    def count(self, member: Member[int]) -> Answer[int]:
        return (Last if member.steps + 1 >= member.value else More)(member.steps)

    def __call__(self, batch: Sequence[Member[int]]) -> list[Answer[int]]:
        self.batches.append([(member.value, member.slot) for member in batch])
        self.began.release()
        assert self.may_go.wait(PATIENCE)
        return [self.answer(member) for member in batch]

    def release(self, member: Member[int]) -> None:
        self.released.append(member.value)


@pytest.fixture
def step() -> Counting:
    return Counting()


@pytest.fixture
def batcher(step: Counting) -> Iterator[ContinuousBatcher[int, int]]:
    with ContinuousBatcher[int, int](step, max_batch_size=4, release=step.release) as made:
        yield made
        step.may_go.set()


def begun(step: Counting) -> None:
    assert step.began.acquire(timeout=PATIENCE)


def test_each_input_gets_its_own_outputs(batcher: ContinuousBatcher[int, int]) -> None:
    streams = [batcher.stream(length) for length in (3, 1, 5, 2, 4, 6)]
    assert [list(stream) for stream in streams] == [list(range(length)) for length in (3, 1, 5, 2, 4, 6)]
    assert batcher.stats().answers == 21


async def _collected(stream: Any) -> list[int]:
    return [output async for output in stream]


def test_tasks_get_their_outputs_too(batcher: ContinuousBatcher[int, int]) -> None:
    async def main() -> list[list[int]]:
        return await asyncio.gather(*(_collected(batcher.stream(length)) for length in (3, 1, 5)))

    assert asyncio.run(main()) == [[0, 1, 2], [0], [0, 1, 2, 3, 4]]


def test_input_that_comes_during_a_step_joins_the_next_one(
    step: Counting, batcher: ContinuousBatcher[int, int]
) -> None:
    step.may_go.clear()
    first = batcher.stream(3)
    begun(step)
    second = batcher.stream(2)
    step.may_go.set()
    assert (list(first), list(second)) == ([0, 1, 2], [0, 1])
    assert step.batches == [[(3, 0)], [(3, 0), (2, 1)], [(3, 0), (2, 1)]]


def test_input_beyond_the_budget_waits(step: Counting) -> None:
    with ContinuousBatcher[int, int](step, max_batch_size=4, budget=10) as batcher:
        step.may_go.clear()
        first = batcher.stream(1, weight=1)
        begun(step)
        large, other = batcher.stream(2, weight=10), batcher.stream(3, weight=9)
        step.may_go.set()
        assert (list(first), list(large), list(other)) == ([0], [0, 1], [0, 1, 2])
    assert step.batches == [[(1, 0)], [(2, 0)], [(2, 0)], [(3, 0)], [(3, 0)], [(3, 0)]]


def test_input_that_never_fits_is_refused(step: Counting) -> None:
    with ContinuousBatcher[int, int](step, budget=10) as batcher, pytest.raises(InvalidError, match="never fits"):
        batcher.stream(1, weight=11)


def _close(stream: Any) -> None:
    stream.close()


def _leave_with_block(stream: Any) -> None:
    with stream:
        pass


@pytest.mark.parametrize("leave", [_close, _leave_with_block])
def test_input_whose_consumer_leaves_is_taken_out_before_the_next_step(
    step: Counting, batcher: ContinuousBatcher[int, int], leave: Callable[[Any], None]
) -> None:
    step.may_go.clear()
    endless, stays = batcher.stream(10**9), batcher.stream(3)
    begun(step)
    leave(endless)
    leave(endless)
    step.may_go.set()
    assert list(stays) == [0, 1, 2]
    assert list(endless) in ([], [0])
    assert 10**9 not in [value for value, _ in step.batches[-1]]
    assert step.released.count(10**9) == 1


def test_input_of_a_stream_that_nobody_refers_to_is_taken_out(
    step: Counting, batcher: ContinuousBatcher[int, int]
) -> None:
    def takes_two() -> Iterator[int]:
        for number, output in enumerate(batcher.stream(10**9)):
            yield output
            if number == 1:
                return

    assert list(takes_two()) == [0, 1]
    gc.collect()
    assert list(batcher.stream(2)) == [0, 1]
    assert step.batches[-1] == [(2, 0)] or step.batches[-1][-1][0] == 2
    assert batcher.stats().running == 0
    assert step.released == [10**9, 2]


def test_cancelled_task_takes_its_input_out(step: Counting, batcher: ContinuousBatcher[int, int]) -> None:
    async def main() -> None:
        step.may_go.clear()
        stream = batcher.stream(10**9)
        task = asyncio.ensure_future(_collected(stream))
        await asyncio.to_thread(begun, step)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        step.may_go.set()
        assert await _collected(stream) in ([], [0])

    asyncio.run(main())
    assert list(batcher.stream(1)) == [0]
    assert step.released == [10**9, 1]


def test_step_that_raises_fails_the_inputs_in_the_batch_and_no_others(step: Counting) -> None:
    error = ValueError("out of memory")

    def fail(member: Member[int]) -> Answer[int]:
        if member.value == 100:
            raise error
        return step.count(member)

    step.answer = fail
    with ContinuousBatcher[int, int](step, max_batch_size=2, release=step.release) as batcher:
        step.may_go.clear()
        bystander = batcher.stream(7)
        begun(step)
        culprit, waits = batcher.stream(100), batcher.stream(3)
        step.may_go.set()
        outputs: list[int] = []
        with pytest.raises(ValueError, match="out of memory") as caught:
            outputs.extend(bystander)
        assert caught.value is error
        with pytest.raises(ValueError, match="out of memory"):
            next(culprit)
        assert list(waits) == [0, 1, 2]
        assert list(batcher.stream(2)) == [0, 1]
    assert sorted(step.released) == [2, 3, 7, 100]


def test_failed_input_fails_alone_after_its_outputs(step: Counting, batcher: ContinuousBatcher[int, int]) -> None:
    step.answer = lambda member: (
        Failed(KeyError("bad")) if member.steps == 2 == member.value - 8 else step.count(member)
    )
    bad, good = batcher.stream(10), batcher.stream(4)
    assert [next(bad), next(bad)] == [0, 1]
    for _ in range(2):
        with pytest.raises(KeyError, match="bad"):
            next(bad)
    assert list(good) == [0, 1, 2, 3]


@pytest.mark.parametrize("error", [StopIteration(3), StopAsyncIteration(), SystemExit(1), KeyboardInterrupt()])
def test_error_that_a_stream_cannot_raise_is_wrapped(
    step: Counting, batcher: ContinuousBatcher[int, int], error: BaseException
) -> None:
    def fail(member: Member[int]) -> Answer[int]:
        raise error

    step.answer = fail
    with pytest.raises(ExecutionError, match="`step` raised") as caught:
        next(batcher.stream(1))
    assert caught.value.__cause__ is error
    step.answer = step.count
    assert list(batcher.stream(2)) == [0, 1]


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([], "one answer for each of the 1 inputs in its batch, got 0 of them"),
        ([Last(1), Last(2)], "one answer for each of the 1 inputs in its batch, got 2 of them"),
        (None, "one answer for each of the 1 inputs in its batch, got <class 'NoneType'>"),
        ([7], r"must answer with motet.batching.More\(...\), Last\(...\) or Failed\(...\), got 7"),
    ],
)
def test_step_that_returns_something_else_fails_its_batch(answers: Any, message: str) -> None:
    with ContinuousBatcher[int, int](lambda batch: answers) as batcher:
        for _ in range(2):
            with pytest.raises(InvalidError, match=message):
                next(batcher.stream(1))


def test_release_that_raises_fails_the_batch_and_the_loop_lives(step: Counting) -> None:
    def release(member: Member[int]) -> None:
        if member.value == 1:
            raise OSError("cannot free")

    with ContinuousBatcher[int, int](step, release=release) as batcher:
        step.may_go.clear()
        first = batcher.stream(1)
        begun(step)
        second = batcher.stream(1)
        bystander = batcher.stream(10**9)
        step.may_go.set()
        assert (list(first), list(second)) == ([0], [0])
        with pytest.raises(OSError, match="cannot free"):
            list(bystander)
        assert list(batcher.stream(2)) == [0, 1]


def test_answers_may_have_no_outputs_or_several(step: Counting, batcher: ContinuousBatcher[int, int]) -> None:
    answers: list[Answer[int]] = [More(), More(1, 2), Last()]
    step.answer = lambda member: answers[member.steps]
    assert list(batcher.stream(3)) == [1, 2]


def test_member_keeps_its_state_slot_and_weight(step: Counting, batcher: ContinuousBatcher[int, int]) -> None:
    def remember(member: Member[int]) -> Answer[int]:
        member.state = (member.state or 0) + member.weight
        return (Last if member.steps == 2 else More)(member.state)

    step.answer = remember
    assert list(batcher.stream(3, weight=5)) == [5, 10, 15]


def test_input_whose_consumer_is_behind_sits_out_and_the_others_go_on(step: Counting) -> None:
    with ContinuousBatcher[int, int](step, max_ahead=8, release=step.release) as batcher:
        slow = batcher.stream(100)
        quick = batcher.stream(300)
        assert list(quick) == list(range(300))
        alone = [batch for batch in step.batches if [value for value, _ in batch] == [300]]
        assert len(alone) >= 292
        stats = batcher.stats()
        assert (stats.running, stats.paused) == (1, 1)
        assert repr(slow) == "<MemberStream: running, 8 outputs to take>"
        assert list(slow) == list(range(100))
    assert step.released == [300, 100]


def test_batch_in_which_all_sit_out_rests_until_one_is_taken_from(step: Counting) -> None:
    with ContinuousBatcher[int, int](step, max_ahead=4) as batcher:
        streams = [batcher.stream(50) for _ in range(3)]
        for _ in range(4):
            begun(step)
        assert [list(stream) for stream in streams] == [list(range(50))] * 3


def test_input_that_sits_out_can_leave(step: Counting) -> None:
    with ContinuousBatcher[int, int](step, max_batch_size=1, max_ahead=2, release=step.release) as batcher:
        endless, waits = batcher.stream(10**9), batcher.stream(2)
        for _ in range(2):
            begun(step)
        endless.close()
        assert list(waits) == [0, 1]
    assert step.released == [10**9, 2]
    assert batcher.stats().paused == 0


@pytest.mark.parametrize("max_ahead", [0, True, 1.5])
def test_max_ahead_is_a_positive_integer(step: Counting, max_ahead: Any) -> None:
    with pytest.raises(InvalidError, match="`max_ahead` must be an integer of at least 1, got"):
        ContinuousBatcher(step, max_ahead=max_ahead)


def test_close_ends_what_is_in_flight_and_refuses_new_inputs(step: Counting) -> None:
    batcher = ContinuousBatcher[int, int](step, max_batch_size=1, release=step.release)
    runs, waits = batcher.stream(10**9), batcher.stream(1)
    begun(step)
    batcher.close()
    batcher.close()
    for stream in (runs, waits):
        with pytest.raises(ExecutionError, match="closed: it was while this input was in flight"):
            list(stream)
    with pytest.raises(ExecutionError, match="is closed: it takes no more inputs"):
        batcher.stream(1)
    assert step.released == [10**9]
    assert not [thread for thread in threading.enumerate() if thread.name == "motet-batcher"]


def test_closing_one_that_never_ran_does_nothing(step: Counting) -> None:
    batcher = ContinuousBatcher[int, int](step)
    batcher.close()
    assert repr(batcher).startswith("<ContinuousBatcher: closed, ")


def test_step_works_for_no_input_in_particular() -> None:
    seen: list[str | None] = []

    def step(batch: Sequence[Member[int]]) -> list[Answer[int]]:
        seen.append(current_input_id())
        return [Last() for _ in batch]

    token = current.set(CurrentInput("fc-first", 0))
    try:
        with ContinuousBatcher[int, int](step) as batcher:
            assert list(batcher.stream(1)) == []
    finally:
        current.reset(token)
    assert seen == [None]


def test_event_loop_that_is_gone_does_not_stop_the_others(step: Counting, batcher: ContinuousBatcher[int, int]) -> None:
    step.may_go.clear()
    streams = [batcher.stream(2), batcher.stream(2)]
    loop = asyncio.new_event_loop()
    task = loop.create_task(_collected(streams[0]))
    loop.run_until_complete(asyncio.to_thread(begun, step))
    loop.run_until_complete(asyncio.sleep(0))
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    step.may_go.set()
    assert list(streams[1]) == [0, 1]
    task._log_destroy_pending = False  # type: ignore[attr-defined]


def test_many_threads_and_tasks_at_once_lose_nothing(batcher: ContinuousBatcher[int, int]) -> None:
    collected: list[list[int]] = []

    def consume() -> None:
        collected.extend(list(batcher.stream(length)) for length in range(1, 30))

    async def consume_async() -> None:
        for result in await asyncio.gather(*(_collected(batcher.stream(length)) for length in range(1, 30))):
            collected.append(result)

    threads = [threading.Thread(target=consume) for _ in range(8)]
    threads += [threading.Thread(target=lambda: asyncio.run(consume_async())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert sorted(map(len, collected)) == sorted(list(range(1, 30)) * 12)
    assert all(outputs == list(range(len(outputs))) for outputs in collected)
