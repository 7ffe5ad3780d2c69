"""Threads of user code know their input; in a process of its own, because it changes the standard library."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import contextvars, threading
from concurrent.futures import ThreadPoolExecutor
from motet.runtime.attribution import context_propagation
from motet.context.current_input import CurrentInput, current, current_input_id

other = contextvars.ContextVar("other", default="default")
context_propagation.install()

def ask():
    return current_input_id(), other.get()

def everywhere():
    found = []
    thread = threading.Thread(target=lambda: found.append(ask()))
    thread.start(); thread.join()
    class Mine(threading.Thread):
        def run(self):
            found.append(ask())
    mine = Mine(); mine.start(); mine.join()
    timer = threading.Timer(0, lambda: found.append(ask()))
    timer.start(); timer.join()
    with ThreadPoolExecutor(1) as pool:
        found.append(pool.submit(ask).result())
        found += pool.map(lambda _: ask(), [0])
    return found

outside = everywhere()
assert outside == [(None, "default")] * 5, outside
other.set("user's")
assert everywhere() == [(None, "default")] * 5

shared = ThreadPoolExecutor(1)
for index in range(3):
    token = current.set(CurrentInput("fc-1", index))
    assert everywhere() == [(f"in-1-{index}", "user's")] * 5
    assert shared.submit(ask).result() == (f"in-1-{index}", "user's")
    current.reset(token)
assert shared.submit(ask).result()[0] is None
failing = shared.submit(lambda: 1 / 0)
assert isinstance(failing.exception(), ZeroDivisionError)
assert threading.Thread.start.__name__ == "start"
"""


def test_threads_and_executors_carry_the_input_of_whoever_started_them_and_nothing_outside_of_inputs() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
