"""A program to look at from outside: inputs that hold at a gate, fail once, die with their container, and call others."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import motet

from . import gates

app = motet.App("viewed")


@app.function(max_containers=1)
@motet.concurrent(max_inputs=10)
async def hold(gate: str, name: str) -> str:
    """Says who it is, and stays until the gate opens."""
    print(f"{name} is {motet.current_input_id()}")
    await gates.stand_async(gate, name)
    print(f"{name} is through")
    return name


@app.function(max_containers=1, retries=motet.Retries(max_retries=1, initial_delay=1.0))
def fail_once(marker: str) -> str:
    """Fails the first time."""
    if not os.path.exists(marker):
        Path(marker).touch()
        raise ValueError("not yet")
    return "done"


@app.function(max_containers=2)
def die_once(marker: str) -> str:
    """Takes its container with it the first time."""
    if not os.path.exists(marker):
        Path(marker).touch()
        os._exit(7)
    return "done"


@app.function(max_containers=1)
@motet.concurrent(max_inputs=4)
def nested(depth: int) -> int:
    """Calls itself, twice at the last level but one."""
    print(f"depth {depth}")
    if depth == 1:
        return sum(leaf.map([1, 2]))
    return nested.remote(depth - 1)


@app.function(max_containers=1)
def leaf(number: int) -> int:
    """The end of the tree."""
    return number


def main() -> None:
    """Run until stdin ends: each line names a function and its arguments, and the answer is the call's id."""
    with app.run():
        print("running", flush=True)
        for line in sys.stdin:
            name, *arguments = line.split()
            call = getattr(sys.modules[__name__], name).spawn(*(int(it) if it.isdigit() else it for it in arguments))
            print(call.object_id, flush=True)


if __name__ == "__main__":
    main()
