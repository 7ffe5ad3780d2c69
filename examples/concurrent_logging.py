"""Logging from concurrent inputs: Motet knows which input wrote a line, also from threads and processes it started.

Run it: motet run examples/concurrent_logging.py
"""

import asyncio
import logging
import subprocess

import motet

app = motet.App("concurrent-logging")
logger = logging.getLogger("work")

if not motet.is_local():
    logging.basicConfig(format="%(levelname)s %(message)s", level=logging.INFO)


@app.function(max_containers=1)
@motet.concurrent(max_inputs=10)
async def better_concurrent_logging(x: int) -> str:
    """Its log lines can be told from those of the others."""
    logger.info(f"{motet.current_input_id()}: Starting work with {x}")
    await asyncio.sleep(0.01 * (10 - x))
    # The id is right in threads, too, however they were started.
    await asyncio.to_thread(finish, x)
    return motet.current_input_id() or ""


def finish(x: int) -> None:
    logger.info(f"{motet.current_input_id()}: Finished with {x}")
    subprocess.run(["echo", f"and a process of {x}'s says so, too"], check=True)


@app.local_entrypoint()
def main(inputs: int = 4) -> None:
    """Log from some inputs at once, and say which id belongs to which."""
    for x, input_id in enumerate(better_concurrent_logging.map(range(inputs))):
        print(f"the lines about {x} are those with {input_id}")
