"""The functions that loads are replayed on. Containers import this module; it imports nothing that they lack."""

from __future__ import annotations

import ctypes
import time

import motet

MAX_INPUTS = 4
SCALEDOWN_WINDOW = 5.0
MOST, MOST_BURNING = 8, 2
LOADING = 1.0
"""Seconds that a container takes to get ready, besides its process: as if it read a model."""

SLICE = 5000
"""Microseconds after which a thread lets others have the GIL, as Python has it."""

app = motet.App("real-check")


@app.cls(max_containers=MOST, scaledown_window=SCALEDOWN_WINDOW)
@motet.concurrent(max_inputs=MAX_INPUTS)
class Sleeping:
    """Waits for others than its neighbours, on a thread: the curve `io`."""

    @motet.enter()
    def load(self) -> None:
        """Take the time."""
        time.sleep(LOADING)

    @motet.method()
    def run(self, seconds: float) -> None:
        """Wait for so long."""
        time.sleep(seconds)


@app.cls(max_containers=MOST, scaledown_window=SCALEDOWN_WINDOW)
@motet.concurrent(max_inputs=MAX_INPUTS)
class Holding:
    """Holds the container's GIL, as code that computes does, but needs no processor: the curve `gil` with more containers
    than the machine has processors."""

    @motet.enter()
    def load(self) -> None:
        """Take the time."""
        time.sleep(LOADING)
        self._sleep = ctypes.PyDLL(None).usleep  # PyDLL: the GIL is not released meanwhile
        began = time.perf_counter()
        for _ in range(20):
            self._sleep(SLICE)
        self._slice = (time.perf_counter() - began) / 20

    @motet.method()
    def run(self, seconds: float) -> None:
        """Hold the GIL for so long, all in all."""
        for _ in range(max(1, round(seconds / self._slice))):
            self._sleep(SLICE)


@app.cls(max_containers=MOST_BURNING, scaledown_window=SCALEDOWN_WINDOW)
@motet.concurrent(max_inputs=MAX_INPUTS)
class Burning:
    """Computes, on a thread, and shares the container's GIL with its neighbours: the curve `gil`."""

    @motet.enter()
    def load(self) -> None:
        """Take the time."""
        time.sleep(LOADING)

    @motet.method()
    def run(self, seconds: float) -> None:
        """Compute for so many seconds of processor time."""
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            pass


@app.function(scaledown_window=2)
def wake() -> None:
    """The first call of an app waits for the template of its containers, which is another matter."""
