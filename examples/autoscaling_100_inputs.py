"""Autoscaling, worked out: twenty inputs per container, a hundred inputs, and then one more.

Run it: motet run examples/autoscaling_100_inputs.py
"""

import time
from collections.abc import Callable

import motet
from motet.functions import FunctionStats

app = motet.App("autoscaling")


@app.function(scaledown_window=2)
@motet.concurrent(max_inputs=20)
def work(seconds: float) -> None:
    time.sleep(seconds)


@app.local_entrypoint()
def main() -> None:
    """Follow the pool through a day of traffic, in a few seconds."""
    hundred = work.experimental_spawn_map([3.0] * 100)
    show("100 inputs are enqueued", when(lambda pool: pool.num_running_inputs == 100))

    one_more = work.spawn(0.5)
    show("one more input arrives", when(lambda pool: pool.num_running_inputs == 101))

    one_more.get()
    list(hundred.iter())
    show("all have ended", work.get_current_stats())
    began = time.perf_counter()
    show("later", when(lambda pool: pool.num_total_runners == 0))
    print(f"idle containers were removed within {time.perf_counter() - began:.1f} s (scaledown_window=2)")


def when(condition: Callable[[FunctionStats], bool]) -> FunctionStats:
    """The pool as soon as the condition holds."""
    while not condition(pool := work.get_current_stats()):
        time.sleep(0.01)
    return pool


def show(what: str, pool: FunctionStats) -> None:
    print(f"{what}: {pool.num_running_inputs} run in {pool.num_total_runners} containers, {pool.backlog} wait")
