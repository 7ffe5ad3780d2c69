"""A concurrency target, and bursts above it while more containers start.

Run it: motet run examples/target_and_burst.py
"""

import asyncio
import time

import motet

app = motet.App("target-and-burst")

if not motet.is_local():
    time.sleep(0.5)  # A container takes a while to load, as with a large model.


@app.function()
@motet.concurrent(max_inputs=12, target_inputs=10)  # allow a 20% burst
async def work(seconds: float) -> None:
    await asyncio.sleep(seconds)


@app.local_entrypoint()
async def main(inputs: int = 35) -> None:
    """Two waves of inputs: the first meets one warm container, which bursts; the second meets enough of them."""
    await work.remote.aio(0)
    for wave in ("one container is warm", "enough containers are warm"):
        print(f"{wave}; {inputs} inputs at once")
        print("   time  ready  starting  inputs in each container  waiting")
        await watch(asyncio.create_task(work.for_each.aio([1.0] * inputs)))


async def watch(inputs: asyncio.Task[None]) -> None:
    """Print what the pool does, whenever it changes, until the inputs have ended."""
    began, shown = time.perf_counter(), ""
    while not inputs.done():
        line = await describe_pool()
        if line != shown:
            print(f"{time.perf_counter() - began:5.2f} s  {line}")
            shown = line
        await asyncio.sleep(0.01)
    await inputs


async def describe_pool() -> str:
    """The pool of `work` at this instant."""
    assert app.running is not None
    [view] = (await app.running.view.aio()).functions
    ready = [container for container in view.containers if container.state == "ready"]
    starting = len(view.containers) - len(ready)
    loads = " ".join(f"{container.running_inputs:2}" for container in ready)
    return f"{len(ready):5}  {starting:8}  {loads:24}  {view.waiting_inputs:7}"
