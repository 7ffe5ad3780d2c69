"""A thousand I/O-bound inputs, a hundred at once in each container.

    motet run examples/quickstart.py --n 1000
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
    """Square the numbers below n."""
    results = list(fetch.map(range(n)))
    assert [square for square, _ in results] == [i * i for i in range(n)]
    for process, inputs in sorted(Counter(process for _, process in results).items()):
        print(f"container process {process} ran {inputs} inputs")
