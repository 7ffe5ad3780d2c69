"""Synchronous functions: concurrent inputs run on separate threads of one container.

Run it: motet run examples/sync_threads.py
"""

import threading
import time

import motet

app = motet.App("sync-threads")

# Shared by all inputs of a container. That is what "must be thread-safe" is about: hence the lock.
finished = 0
lock = threading.Lock()


@app.function(max_containers=1)
@motet.concurrent(max_inputs=10)
def sleep_sync(seconds: float) -> tuple[str, int]:
    """Up to 10 inputs in separate threads."""
    global finished
    time.sleep(seconds)
    with lock:
        finished += 1
        return threading.current_thread().name, finished


@app.local_entrypoint()
def main(inputs: int = 20, seconds: float = 0.5) -> None:
    """Sleep many times, in one container."""
    began = time.perf_counter()
    results = list(sleep_sync.map([seconds] * inputs))
    took = time.perf_counter() - began
    threads = {thread for thread, _ in results}
    assert max(count for _, count in results) == inputs
    print(f"{inputs} x time.sleep({seconds:g}) took {took:.2f} s in one container, on {len(threads)} threads")
