"""A real function measured: in one container, with ever more inputs at once."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from motet.cli.arguments import CallArguments
from motet.cli.process_of_container import ProcessOfContainer
from motet.cli.reference import Runnable
from motet.client.dual import run_async
from motet.sdk.call.function import Function
from motet.simulation.measurement import Measurement, Step, is_exhausted

ROUNDS = 2
"""A step goes on for at least so many times as long as its inputs took to warm up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is measured, and the calls that are made of it, one after another; `parameters` are those of a class."""

    runnable: Runnable
    parameters: CallArguments
    calls: Sequence[CallArguments]

    def alone_with(self, max_inputs: int) -> Function[..., Any]:
        """The function in one container of its own that takes so many inputs."""
        one = {"min_containers": 0, "max_containers": 1, "buffer_containers": 0, "scaledown_window": 2, "retries": 0}
        handle = self.runnable.handle.with_options(**one).with_concurrency(max_inputs=max_inputs)
        if self.runnable.method is None:
            function: Function[..., Any] = handle
        else:
            function = getattr(handle(**self.parameters.kwargs), self.runnable.method)
        return function


async def measure(
    subject: Subject, steps: Sequence[int], seconds: float, told: Callable[[int, list[Step]], None]
) -> Measurement:
    """Each of `steps` for about so many seconds, until more inputs at once change nothing; the subject's app must run.

    `told` is called before each with its inputs and the steps that are done. What the function raises with one input at
    once is raised; later, it ends the measurement, which then says so.
    """
    done: list[Step] = []
    starts: list[float] = []
    trouble = ""
    for inputs in steps:
        told(inputs, done)
        closed_loop = _ClosedLoop(subject.alone_with(inputs), subject.calls, inputs)
        try:
            starts.append(await closed_loop.start())
            done.append(await closed_loop.measure(seconds))
        except Exception as error:
            if not done:
                raise
            trouble = f"At {inputs} at once an input failed: {type(error).__name__}: {error}".splitlines()[0]
            break
        if is_exhausted(done):
            break
    cold_start = max(0.0, median(starts) - done[0].p50)
    return Measurement(
        steps=tuple(done), cold_start=cold_start, is_async=subject.alone_with(1).method.is_async, trouble=trouble
    )


class _ClosedLoop:
    """So many clients, each of which sends its next input when the one before has ended."""

    def __init__(self, function: Function[..., Any], calls: Sequence[CallArguments], clients: int) -> None:
        self._function = function
        self._calls: Iterator[CallArguments] = itertools.cycle(calls)
        self._clients = clients
        self._latencies: list[float] = []
        self._counted = 0
        """Inputs that count and have not ended."""
        self._over = False
        self._until = 0.0
        self._process: ProcessOfContainer | None = None
        self._ended_at = 0.0
        self._processor_time_at_end: tuple[float, float] | None = None
        self._peak_bytes: int | None = None

    async def start(self) -> float:
        """Start the container with a first input, and say how long that took."""
        took = await self._call()
        view = await run_async(self._function.target.view())
        if view.containers:
            self._process = ProcessOfContainer.find(view.containers[0].container_id)
        return took

    async def measure(self, seconds: float) -> Step:
        """Warm up with an input from each client; then count those that are sent within so many seconds. The clients go on
        until the last of these has ended, so that all of them had the same company."""
        warmed = time.perf_counter()
        await _together(self._call() for _ in range(self._clients))
        began = time.perf_counter()
        self._until = began + max(seconds, ROUNDS * (began - warmed))
        before = self._processor_time()
        await _together(self._send() for _ in range(self._clients))
        cores = waited = None
        if before is not None and self._processor_time_at_end is not None:
            took = self._ended_at - began
            cores, waited = ((then - now) / took for then, now in zip(self._processor_time_at_end, before, strict=True))
        return Step(
            inputs=self._clients,
            latencies=tuple(sorted(self._latencies)),
            peak_bytes=self._peak_bytes,
            cores=cores,
            waited=waited,
        )

    async def _send(self) -> None:
        while not self._over:
            counts = time.perf_counter() < self._until
            self._counted += counts
            took = await self._call()
            if counts:
                self._counted -= 1
                self._latencies.append(took)
            if not (self._over or self._counted) and time.perf_counter() >= self._until:
                self._end()

    def _end(self) -> None:
        self._over = True
        self._ended_at = time.perf_counter()
        self._processor_time_at_end = self._processor_time()
        self._peak_bytes = None if self._process is None else self._process.peak_bytes

    async def _call(self) -> float:
        call = next(self._calls)
        began = time.perf_counter()
        if self._function.method.is_generator:
            items: AsyncIterator[Any] = self._function.remote_gen.aio(*call.args, **call.kwargs)
            async for _ in items:
                pass
        else:
            await self._function.remote.aio(*call.args, **call.kwargs)
        return time.perf_counter() - began

    def _processor_time(self) -> tuple[float, float] | None:
        return None if self._process is None else self._process.processor_time


async def _together(coroutines: Any) -> None:
    """Run them all; the first exception ends the others, and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as tasks:
            for coroutine in coroutines:
                tasks.create_task(coroutine)
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from group.exceptions[0].__cause__
