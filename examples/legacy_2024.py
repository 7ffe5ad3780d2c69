"""The names of 2024: they still work, and each says once what it is called now.

Run it: motet run examples/legacy_2024.py
"""

import asyncio
import time

import motet as modal

stub = modal.Stub("legacy-2024")  # now: motet.App


# Each container executes up to 10 inputs in separate threads.
@stub.function(
    allow_concurrent_inputs=10,  # now: @motet.concurrent(max_inputs=10)
    concurrency_limit=2,  # now: max_containers=2
    keep_warm=1,  # now: min_containers=1
    container_idle_timeout=60,  # now: scaledown_window=60
)
def sleep_sync(x: int) -> int:
    time.sleep(0.2)
    return x


# Each container executes up to 10 inputs in separate async tasks.
@stub.function(allow_concurrent_inputs=10)
async def sleep_async(x: int) -> int:
    await asyncio.sleep(0.2)
    return x


@stub.local_entrypoint()
def main() -> None:
    """Run both."""
    began = time.perf_counter()
    assert list(sleep_sync.map(range(20))) == list(range(20))
    first, second = modal.functions.gather(sleep_async.spawn(1), sleep_async.spawn(2))
    print(f"a program of 2024 ran in {time.perf_counter() - began:.2f} s; gather gave {first} and {second}")
