"""A program that sets a loop policy in those of its containers that are told to."""

from __future__ import annotations

import asyncio
import os

import motet

app = motet.App("loop-policy")


class Policy(asyncio.DefaultEventLoopPolicy):
    """A policy of the program's own."""


if not motet.is_local() and os.environ.get("SET_POLICY"):
    asyncio.set_event_loop_policy(Policy())


def _loop() -> str:
    return type(asyncio.get_running_loop()).__module__.partition(".")[0]


@app.function()
async def loop() -> str:
    return _loop()


@app.function(env={"SET_POLICY": "1"}, max_containers=1)
@motet.concurrent(max_inputs=2)
async def loop_under_policy() -> str:
    return _loop()
