"""Asynchronous functions: concurrent inputs run as separate asyncio tasks on one thread.

Run it: motet run examples/async_tasks.py
"""

import asyncio
import threading
import time

import motet

app = motet.App("async-tasks")

# Shared by all inputs of a container. They take turns on one thread, so no lock is needed where there is no `await`.
running = most_at_once = 0


@app.function(max_containers=1)
@motet.concurrent(max_inputs=10)
async def sleep_async(seconds: float) -> tuple[str, int]:
    """Up to 10 inputs as separate tasks. It must not block the event loop: `await`, never `time.sleep`."""
    global running, most_at_once
    running += 1
    most_at_once = max(most_at_once, running)
    await asyncio.sleep(seconds)
    running -= 1
    return threading.current_thread().name, most_at_once


@app.local_entrypoint()
async def main(inputs: int = 20, seconds: float = 0.5) -> None:
    """Sleep many times, in one container. An entrypoint may be async as well: calls then have the `.aio` form."""
    began = time.perf_counter()
    results = [result async for result in sleep_async.map.aio([seconds] * inputs)]
    took = time.perf_counter() - began
    threads = {thread for thread, _ in results}
    most = max(count for _, count in results)
    print(f"{inputs} x asyncio.sleep({seconds:g}) took {took:.2f} s in one container, on {len(threads)} thread")
    print(f"at most {most} inputs ran at once")
