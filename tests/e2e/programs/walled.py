"""Functions within walls, and one that may call nothing."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import motet

app = motet.App("walled")


@app.function(isolation="bubblewrap")
def look() -> dict[str, object]:
    """Where its container is, and what it may write to."""
    Path(os.environ["TMPDIR"], "mine").write_text("kept")
    try:
        Path(__file__).touch()
        writes = True
    except OSError:
        writes = False
    with open("/dev/stdout", "a") as stdout:
        stdout.write("opened anew\n")
    return {
        "lock": multiprocessing.Lock().acquire(),
        "processes": sum(name.isdecimal() for name in os.listdir("/proc")),
        "home": os.environ["HOME"],
        "writes": writes,
    }


@app.function(isolation="bubblewrap")
def ask(number: int) -> int:
    """Calls another function from within."""
    return double.remote(number) + 1


@app.function(isolation="bubblewrap", block_network=True)
def ask_without_network(number: int) -> int:
    """The same, without any network but the server's socket."""
    return double.remote(number) + 2


@app.function()
def double(number: int) -> int:
    """Has no walls."""
    return 2 * number


@app.function(restrict_modal_access=True)
def ask_nothing() -> str:
    """Tries to call another function."""
    try:
        return str(double.remote(1))
    except motet.errors.ConnectionError:
        return "refused"
