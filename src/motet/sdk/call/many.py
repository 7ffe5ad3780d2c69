"""Driving a map: pulling the user's iterables and handing out results, on a thread or in a task."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import Any, TypedDict

from motet.client.dual import Steps, run_async
from motet.sdk.call.mapping import Inputs, Mapping


class MapOptions(TypedDict, total=False):
    """The keywords of `map` and `starmap`. `wrap_returned_exceptions` is accepted, as in Modal, and without effect."""

    kwargs: dict[str, Any] | None
    order_outputs: bool
    return_exceptions: bool
    wrap_returned_exceptions: bool | None


MakeMapping = Callable[..., Steps[Mapping]]


def results(run: Callable[[Steps[Any]], Any], make: MakeMapping, inputs: Inputs, options: MapOptions) -> Iterator[Any]:
    """A map on this thread. Results that are there are handed out before the next input is pulled."""
    work: Mapping = run(make(**options))
    try:
        while True:
            if work.collect():
                yield from work.take()
            elif work.failed:
                run(work.fail())
            elif work.done:
                return
            elif work.room > 0:
                work.feed(inputs)
            else:
                run(work.wait_change())
    finally:
        work.close()


async def results_async(
    make: MakeMapping, inputs: Inputs | AsyncIterator[tuple[Any, ...]], options: MapOptions
) -> AsyncIterator[Any]:
    """A map in this task; inputs are pulled in another one, so that results flow while an input is waited for."""
    import asyncio  # late, here as below: programs without a loop do without it

    work = await run_async(make(**options))
    feeder = asyncio.create_task(_feed(work, inputs))
    try:
        while True:
            if work.collect():
                for result in work.take():
                    yield result
                work.make_room()
            elif feeder.done() and feeder.exception() is not None:
                feeder.result()
            elif work.failed:
                await run_async(work.fail())
            elif work.done:
                return
            else:
                work.make_room()
                await run_async(work.wait_change())
    finally:
        feeder.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await feeder
        work.close()


async def _feed(work: Mapping, inputs: Inputs | AsyncIterator[tuple[Any, ...]]) -> None:
    import asyncio

    try:
        if not isinstance(inputs, Inputs):
            async for arguments in inputs:
                await _wait_room(work)
                work.add(arguments)
                work.send()
            work.exhaust()
        else:
            while not work.exhausted:
                await _wait_room(work)
                work.feed(inputs)
                await asyncio.sleep(0)
    finally:
        work.wake()


async def _wait_room(work: Mapping) -> None:
    import asyncio

    while work.room <= 0:
        # A new one for each wait: one that was set for an earlier wait must not end this one.
        work.has_room = asyncio.Event()
        await work.has_room.wait()


def zipped(iterables: tuple[Iterable[Any], ...]) -> Inputs:
    """The arguments of each input: `zip`, whose shortest iterable ends it."""
    return Inputs(zip(*iterables, strict=False), iterables)


def tuples(iterable: Iterable[Any]) -> Inputs:
    """Argument tuples from one iterable."""
    return Inputs((tuple(arguments) for arguments in iterable), (iterable,))


def zipped_async(iterables: tuple[Any, ...]) -> Inputs | AsyncIterator[tuple[Any, ...]]:
    """The same where some iterables may be async."""
    if not any(isinstance(iterable, AsyncIterable) for iterable in iterables):
        return zipped(iterables)
    return _zip_mixed(iterables)


def tuples_async(iterable: Any) -> Inputs | AsyncIterator[tuple[Any, ...]]:
    """Argument tuples from one iterable, async or not."""
    return _tuples(iterable) if isinstance(iterable, AsyncIterable) else tuples(iterable)


class Parts:
    """The inputs of a spawned map, for a body to wait for: all of them or, where they are waited for, each; at least one part.
    None: there are no more."""

    def __init__(self, iterables: tuple[Any, ...]) -> None:
        self._iterables = iterables
        self._is_first = True
        self._rest: AsyncIterator[tuple[Any, ...]] | None = None

    def wait(self) -> Inputs | None:
        """All at once."""
        return zipped(self._iterables) if self._begins() else None

    async def wait_async(self) -> Inputs | None:
        """Those of async iterables as they come."""
        is_first = self._begins()
        if is_first:
            inputs = zipped_async(self._iterables)
            if isinstance(inputs, Inputs):
                return inputs
            self._rest = inputs
        if self._rest is not None:
            async for arguments in self._rest:
                return Inputs(iter((arguments,)), ())
        return Inputs(iter(()), ()) if is_first else None

    def _begins(self) -> bool:
        is_first, self._is_first = self._is_first, False
        return is_first


async def _tuples(iterable: AsyncIterable[Any]) -> AsyncIterator[tuple[Any, ...]]:
    async for arguments in iterable:
        yield tuple(arguments)


async def _zip_mixed(iterables: tuple[Any, ...]) -> AsyncIterator[tuple[Any, ...]]:
    iterators = [aiter(it) if isinstance(it, AsyncIterable) else iter(it) for it in iterables]
    while True:
        arguments = []
        for iterator in iterators:
            try:
                arguments.append(await anext(iterator) if isinstance(iterator, AsyncIterator) else next(iterator))
            except (StopIteration, StopAsyncIteration):
                return
        yield tuple(arguments)


class Results:
    """What `map` returns: iterate it. Nothing runs before that.

    It has no `__aiter__`, not even one that explains: frameworks go by that to tell what streams blocking from what does not.
    """

    def __init__(self, iterator: Iterator[Any], name: str) -> None:
        self._iterator = iterator
        self._name = name
        self._started = False

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        self._started = True
        return next(self._iterator)

    def close(self) -> None:
        """Stop early: inputs that have no outcome yet are cancelled."""
        self._started = True
        self._iterator.close()  # type: ignore[attr-defined]

    def __del__(self) -> None:
        if not self._started:
            with contextlib.suppress(Exception):
                warnings.warn(f"the result of `{self._name}` was never iterated, so nothing was run", stacklevel=2)
