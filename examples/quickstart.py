"""A thousand I/O-bound inputs, a hundred at once in each container.

Run it: motet run examples/quickstart.py --n 1000
"""

import asyncio
import os
import random
from collections import Counter

import motet

app = motet.App("quickstart")


@app.function()
@motet.concurrent(max_inputs=100)
async def fetch(i: int) -> tuple[int, int]:
    """Stands in for a request to somewhere: it waits, and needs no processor meanwhile."""
    await asyncio.sleep(random.uniform(0.2, 0.6))
    return i * i, os.getpid()


@app.local_entrypoint()
def main(n: int = 1000) -> None:
    """Square the numbers below n, and say which container squared how many."""
    results = list(fetch.map(range(n)))
    assert [square for square, _ in results] == [i * i for i in range(n)]

    inputs_by_process = Counter(process for _, process in results)
    for process, inputs in sorted(inputs_by_process.items()):
        print(f"the container with process id {process} ran {inputs} inputs")
