"""The model behind `@motet.batched` in one container: called as a function, or over HTTP."""

from __future__ import annotations

import argparse
import asyncio
import functools
from typing import Any

from fastapi import FastAPI, Request
from load import closed_loop
from ready import say_ready, wait_for_the_end

import motet

app = motet.App("batching-benchmark")
parser = argparse.ArgumentParser()
parser.add_argument("--max-batch-size", type=int, default=64)
parser.add_argument("--wait-ms", type=lambda text: text if text == "auto" else int(text), default=10)
parser.add_argument("--in-flight", type=int, default=128)
parser.add_argument("--seconds", type=float, default=5.0)
parser.add_argument("--http", action="store_true")


@app.function(max_containers=1)
@motet.batched(max_batch_size=64, wait_ms=10)
def model(number: list[int]) -> list[int]:
    from model import step

    return step(number)


@app.function(max_containers=1)
@motet.concurrent(max_inputs=1000)
@motet.asgi_app()
def site() -> Any:
    """Calls the model for each request."""
    api = FastAPI()

    @api.post("/{max_batch_size}/{wait_ms}")
    async def double(max_batch_size: int, wait_ms: str, request: Request) -> int:
        return int(await batched(max_batch_size, wait_ms).remote.aio(await request.json()))

    return api


@functools.cache
def batched(max_batch_size: int, wait_ms: str | int) -> Any:
    return model.with_batching(max_batch_size=max_batch_size, wait_ms=wait_ms if wait_ms == "auto" else int(wait_ms))


async def load(given: argparse.Namespace) -> dict[str, float]:
    doubled = batched(given.max_batch_size, given.wait_ms)
    return await closed_loop(doubled.remote.aio, in_flight=given.in_flight, seconds=given.seconds)


if __name__ == "__main__":
    given = parser.parse_args()
    with app.run():
        if given.http:
            say_ready("motet", "fastapi", url=f"{site.get_web_url()}/{given.max_batch_size}/{given.wait_ms}")
        else:
            say_ready("motet", load=asyncio.run(load(given)))
        wait_for_the_end()
