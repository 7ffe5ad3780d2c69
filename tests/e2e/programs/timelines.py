"""Functions whose inputs spend their time in known ways."""

from __future__ import annotations

import asyncio
import os
import time

import motet

app = motet.App("timelines")


@app.cls(max_containers=1)
@motet.concurrent(max_inputs=10)
class Slow:
    @motet.enter()
    def get_ready(self) -> None:
        time.sleep(0.4)

    @motet.method()
    async def hold(self, seconds: float) -> None:
        time.sleep(seconds)  # noqa: ASYNC251 - it holds the loop

    @motet.method()
    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@app.function(max_containers=1)
def alone(seconds: float) -> None:
    time.sleep(seconds)


@app.function(max_containers=1, retries=motet.Retries(max_retries=2, initial_delay=0.2, backoff_coefficient=1.0))
def fails_once(marker: str) -> str:
    if not os.path.exists(marker):
        with open(marker, "w"):
            raise ValueError("the first time")
    return "done"


@app.function(max_containers=1)
def parent(seconds: float) -> None:
    alone.remote(seconds)


@app.function()
def dies_once(marker: str) -> str:
    if not os.path.exists(marker):
        with open(marker, "w"):
            os.kill(os.getpid(), 9)
    return "done"
