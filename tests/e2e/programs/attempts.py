"""Code that asks which attempt it is, and code whose container dies."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import motet
from motet import Attempt

app = motet.App("attempts")


def told() -> tuple[int, str, str, str]:
    """What this attempt is."""
    attempt = motet.current_attempt()
    assert isinstance(attempt, Attempt)
    return attempt.number, attempt.why, attempt.cause, attempt.detail


@app.function(retries=motet.Retries(max_retries=2, initial_delay=0.0), max_containers=1)
def third_time_lucky() -> tuple[int, str, str, str]:
    if told()[0] < 3:
        raise ValueError("not yet")
    return told()


@app.function(max_containers=1)
def dies_first(mark: str) -> tuple[int, str, str, str]:
    if told()[1] == "first":
        Path(mark).write_text("died")
        os.kill(os.getpid(), signal.SIGKILL)
    return told()


@app.function(max_containers=1)
@motet.batched(max_batch_size=2, wait_ms=10_000)
def both(x: list[int]) -> list[Any]:
    return [(attempt.number, attempt.why) for attempt in motet.current_attempts()]


@app.function(delivery="at_most_once", retries=motet.Retries(max_retries=3, initial_delay=0.0), max_containers=1)
def charge(notes: str, how: str) -> int:
    attempt = motet.current_attempt()
    assert attempt is not None
    with open(notes, "a") as file:
        file.write(f"{how}{attempt.number} ")
    if how == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if attempt.number == 1:
        raise ValueError("declined")
    return attempt.number
