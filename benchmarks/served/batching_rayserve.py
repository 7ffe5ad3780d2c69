"""The model behind Ray Serve's `@serve.batch` in one replica: called through a handle, or over HTTP.

Its step awaits its sleep: one that blocked would keep the replica from gathering the next batch meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio

from fastapi import Request
from load import closed_loop
from model import cost
from on_ray import QUIET, ray_serve, serve
from ready import free_port, say_ready, wait_for_the_end

parser = argparse.ArgumentParser()
parser.add_argument("--max-batch-size", type=int, default=64)
parser.add_argument("--wait-ms", type=float, default=10)
parser.add_argument("--in-flight", type=int, default=128)
parser.add_argument("--seconds", type=float, default=5.0)
parser.add_argument("--http", action="store_true")


@serve.deployment(max_ongoing_requests=1000, ray_actor_options={"num_cpus": 0})
class Model:
    def __init__(self, max_batch_size: int, wait_seconds: float) -> None:
        self.step.set_max_batch_size(max_batch_size)
        self.step.set_batch_wait_timeout_s(wait_seconds)

    @serve.batch(max_batch_size=64, batch_wait_timeout_s=0.01)
    async def step(self, numbers: list[int]) -> list[int]:
        await asyncio.sleep(cost(len(numbers)))
        return [2 * number for number in numbers]

    async def double(self, number: int) -> int:
        return await self.step(number)

    async def __call__(self, request: Request) -> int:
        return await self.step(await request.json())


if __name__ == "__main__":
    given = parser.parse_args()
    port = free_port()
    with ray_serve(port if given.http else None):
        handle = serve.run(Model.bind(given.max_batch_size, given.wait_ms / 1000), name="model", logging_config=QUIET)
        if given.http:
            say_ready("ray", url=f"http://127.0.0.1:{port}/")
        else:
            loop = closed_loop(handle.double.remote, in_flight=given.in_flight, seconds=given.seconds)
            say_ready("ray", load=asyncio.run(loop))
        wait_for_the_end()
