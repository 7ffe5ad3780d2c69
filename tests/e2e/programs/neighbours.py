"""Inputs that share containers with others that are cancelled, deadly, or too many."""

from __future__ import annotations

import os
import signal
import time

import motet
from tests.e2e.programs.gates import stand

app = motet.App("neighbours")


@app.function(max_containers=2)
@motet.concurrent(max_inputs=4)
def held(gate: str, name: str) -> int:
    stand(gate, name)
    return os.getpid()


@app.function(max_containers=2, sync_cancellation="container")
@motet.concurrent(max_inputs=4)
def strict(gate: str, name: str) -> int:
    stand(gate, name)
    return os.getpid()


@app.function(max_containers=1, cancellation_grace=0.3)
@motet.concurrent(max_inputs=2)
def stubborn(gate: str, name: str, swallow: bool) -> int:
    """Swallows its cancellation, or just waits at the gate."""
    while swallow:
        try:
            stand(gate, name)
            break
        except BaseException:
            continue
    else:
        stand(gate, name)
    return os.getpid()


@app.function(max_containers=2)
def parent(gate: str, name: str) -> int:
    return held.remote(gate, name)


@app.function(max_containers=2, timeout=1.0)
def late_parent(gate: str, name: str) -> int:
    return held.remote(gate, name)


@app.function(max_containers=2)
def spawner(gate: str, name: str) -> str:
    call = held.spawn(gate, name)
    stand(gate, f"spawned-{call.object_id}")
    return call.object_id


@app.function(max_containers=4)
@motet.concurrent(max_inputs=16)
def deadly(number: int, killer: int) -> int:
    if number == killer:
        time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.1)
    return number


@app.function(max_containers=1, max_waiting_inputs=3)
def bounded(gate: str, name: str) -> str:
    stand(gate, name)
    return name


@app.function(max_containers=1, max_waiting_inputs=5)
def slow_square(x: int) -> int:
    time.sleep(0.002)
    return x * x


@app.function(max_containers=1, queue_timeout=0.3)
def impatient(gate: str, name: str) -> str:
    stand(gate, name)
    return name
