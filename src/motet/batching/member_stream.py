"""What one input of a continuous batcher gets, step by step: a stream that a thread or a task iterates over."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Generic, TypeVar

Y = TypeVar("Y")
Wake = tuple[asyncio.AbstractEventLoop, "asyncio.Future[None]"]


class MemberOutputs(Generic[Y]):
    """What lies between the batcher's thread, which calls `put`, and the consumer of one stream.

    The consumer sets one of the two wakes, then looks again for something to take; `put` puts something in, then looks
    for a wake. So neither misses the other, without a lock.
    """

    __slots__ = ("ended", "error", "max_ahead", "paused", "ready", "wake_task", "wake_thread")

    def __init__(self, max_ahead: int) -> None:
        self.max_ahead = max_ahead
        self.paused = False
        self.ready: deque[Y] = deque()
        self.ended = False
        self.error: BaseException | None = None
        self.wake_thread: threading.Event | None = None
        self.wake_task: Wake | None = None

    def put(self, outputs: Iterable[Y] = (), *, ended: bool = False, error: BaseException | None = None) -> Wake | None:
        """Hand these over, and the end if this is it. Wakes a thread that waits; a task is returned, to be woken."""
        self.ready.extend(outputs)
        self.error = error
        self.ended = ended
        thread = self.wake_thread
        if thread is not None:
            thread.set()
        return self.wake_task

    def pause(self) -> bool:
        """Whether the consumer is so far behind that the input must sit out; `caught_up` is then true for it once."""
        if len(self.ready) < self.max_ahead:
            return False
        self.paused = True
        # The consumer may have taken all of it meanwhile, without a look at `paused`.
        return not self.caught_up()

    def caught_up(self) -> bool:
        """Whether a paused input may go on now: half of what it may be ahead is free again."""
        if not self.paused or len(self.ready) > self.max_ahead // 2:
            return False
        self.paused = False
        return True

    @property
    def is_quiet(self) -> bool:
        """Whether there is nothing to do but wait."""
        return not self.ready and not self.ended


class MemberStream(Iterator[Y], AsyncIterator[Y]):
    """The outputs of one input, in order; it ends with the input's last one, or raises what the input failed with.

    One thread (`for`) or one task (`async for`) takes them. What is not taken yet waits in memory, up to `max_ahead`
    outputs; then the input sits out until half of them are taken, and the others in the batch go on. Leaving early takes
    the input out of the batch: by `close()`, at the end of a `with` block, when the task that waits is cancelled, and
    when nobody refers to the stream any more, as after a `break` or when a generator around it is closed.
    """

    def __init__(self, outputs: MemberOutputs[Y], leave: Callable[[], None], resume: Callable[[], None]) -> None:
        self._outputs = outputs
        self._leave = leave
        self._resume = resume

    def __repr__(self) -> str:
        outputs = self._outputs
        state = "running" if not outputs.ended else "ended" if outputs.error is None else f"failed: {outputs.error!r}"
        return f"<MemberStream: {state}, {len(outputs.ready)} outputs to take>"

    def __iter__(self) -> MemberStream[Y]:
        return self

    def __next__(self) -> Y:
        outputs = self._outputs
        while outputs.is_quiet:
            event = outputs.wake_thread = threading.Event()
            if outputs.is_quiet:
                event.wait()  # no deadline: every input of a batcher ends, at the latest when the batcher is closed
            outputs.wake_thread = None
        return self._take(StopIteration)

    def __aiter__(self) -> MemberStream[Y]:
        return self

    async def __anext__(self) -> Y:
        outputs = self._outputs
        while outputs.is_quiet:
            loop = asyncio.get_running_loop()
            woken = loop.create_future()
            outputs.wake_task = (loop, woken)
            if outputs.is_quiet:
                try:
                    await woken
                except asyncio.CancelledError:
                    self.close()
                    raise
            outputs.wake_task = None
        return self._take(StopAsyncIteration)

    def close(self) -> None:
        """Leave: the input is taken out of the batch before its next step. Idempotent, from any thread."""
        if not self._outputs.ended:
            self._leave()

    def __enter__(self) -> MemberStream[Y]:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def _take(self, end: type[StopIteration | StopAsyncIteration]) -> Y:
        outputs = self._outputs
        if outputs.ready:
            output = outputs.ready.popleft()
            if outputs.paused and outputs.caught_up():
                self._resume()
            return output
        error = outputs.error
        if error is None:
            raise end
        raise error


def wake_tasks(wakes: Iterable[Wake]) -> None:
    """Wake these tasks, with one call per event loop: a batch has many, and each call takes a lock and may write."""
    by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for loop, waiting in wakes:
        by_loop.setdefault(loop, []).append(waiting)
    for loop, all_waiting in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits on it any more
            loop.call_soon_threadsafe(_resolve, all_waiting)


def _resolve(all_waiting: list[asyncio.Future[None]]) -> None:
    for waiting in all_waiting:
        if not waiting.done():  # its task was cancelled, or an earlier output has woken it
            waiting.set_result(None)
