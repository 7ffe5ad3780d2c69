"""Items of generators on their way out: never further ahead than granted."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from motet.client.gate import Gate
from motet.errors import InputCancellation
from motet.runtime.attempts.streams import StreamWindow, send_items, send_items_async
from motet.runtime.sender import Sender
from motet.wire import codec, payload
from motet.wire.client_messages import STREAM_WINDOW
from motet.wire.framing import FrameReader
from tests.runtime.receiver import Receiver


def test_a_thread_produces_a_window_and_then_as_much_as_is_granted(receiver: Receiver) -> None:
    window, made = StreamWindow(), []

    def generate() -> Iterator[int]:
        for i in range(STREAM_WINDOW + 5):
            made.append(i)
            yield i

    thread = threading.Thread(target=send_items, args=(generate(), 1, window, receiver.sender, Gate()))
    thread.start()
    thread.join(0.2)
    assert thread.is_alive()
    assert len(made) == STREAM_WINDOW + 1
    window.grant(10)
    thread.join(5)
    assert receiver.items() == list(range(STREAM_WINDOW + 5))


def test_a_task_produces_a_window_and_then_as_much_as_is_granted(receiver: Receiver) -> None:
    made: list[int] = []
    closed: list[bool] = []

    async def generate() -> AsyncIterator[int]:
        try:
            for i in range(STREAM_WINDOW + 5):
                made.append(i)
                yield i
        finally:
            closed.append(True)

    async def main() -> None:
        window = StreamWindow()
        task = asyncio.create_task(send_items_async(generate(), 1, window, receiver.sender))
        while len(made) <= STREAM_WINDOW:  # noqa: ASYNC110 - the generator is not to be disturbed
            await asyncio.sleep(0)
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(made) == STREAM_WINDOW + 1
        await asyncio.to_thread(window.grant, 10)
        await task

    asyncio.run(main())
    assert receiver.items() == list(range(STREAM_WINDOW + 5))
    assert closed == [True]


def test_cancelling_a_window_ends_the_wait_for_it_and_all_later_ones() -> None:
    window = StreamWindow()
    for _ in range(STREAM_WINDOW):
        window.take()
    with ThreadPoolExecutor(1) as producer:
        waiting = producer.submit(window.take)
        window.cancel()
        with pytest.raises(InputCancellation):
            waiting.result(5)
    window.grant(1)
    with pytest.raises(InputCancellation):
        window.take()


def test_an_async_generator_is_closed_when_its_task_is_cancelled(receiver: Receiver) -> None:
    closed: list[bool] = []

    async def generate() -> AsyncIterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.append(True)

    async def main() -> None:
        task = asyncio.create_task(send_items_async(generate(), 1, StreamWindow(), receiver.sender))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert closed == [True]


class Writes:
    """A socket that notes what each write carries."""

    def __init__(self) -> None:
        self.frames: list[list[Any]] = []

    def send(self, data: bytes, flags: int = 0) -> int:
        reader = FrameReader()
        reader.buffer()[: len(data)] = data
        for frame in reader.received(len(data)):
            self.frames.append(codec.decode_to_server(frame))
        return len(data)


async def one_at_a_time(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number
        await asyncio.sleep(0)


def test_items_of_one_turn_of_the_loop_leave_together() -> None:
    writes = Writes()
    sender = Sender(writes)  # type: ignore[arg-type]

    async def main() -> None:
        await asyncio.gather(*(send_items_async(one_at_a_time(3), n, StreamWindow(), sender) for n in range(10)))

    asyncio.run(main())
    numbers = [[(it.attempt, payload.loads(it.items[0], "")) for it in frame] for frame in writes.frames]
    assert sorted(number for frame in numbers for number in frame) == [
        (attempt, item) for attempt in range(10) for item in range(3)
    ]
    assert max(map(len, numbers)) == 10
    assert len(numbers) <= 6


@pytest.mark.parametrize("streams", [1, 2])
def test_each_item_is_sent_before_its_generator_goes_on(streams: int) -> None:
    writes = Writes()
    sender = Sender(writes)  # type: ignore[arg-type]
    unsent: list[int] = []

    async def never_waits(attempt: int) -> AsyncIterator[int]:
        for number in range(5):
            yield number
            sent = sum(it.attempt == attempt for frame in writes.frames for it in frame)
            if sent != number + 1:
                unsent.append(number)

    async def main() -> None:
        await asyncio.gather(*(send_items_async(never_waits(n), n, StreamWindow(), sender) for n in range(streams)))

    asyncio.run(main())
    assert unsent == []
    assert sum(map(len, writes.frames)) == 5 * streams


def test_an_item_of_the_only_stream_leaves_at_once() -> None:
    writes = Writes()
    sender = Sender(writes)  # type: ignore[arg-type]

    async def main() -> None:
        await send_items_async(one_at_a_time(4), 1, StreamWindow(), sender)

    asyncio.run(main())
    assert [len(frame) for frame in writes.frames] == [1, 1, 1, 1]
    assert sender.streaming_tasks == 0
