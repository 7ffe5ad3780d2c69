"""Functions that write lines."""

from __future__ import annotations

import time

import motet

app = motet.App("found-logs")


@app.function(max_containers=1)
@motet.concurrent(max_inputs=10)
def say(word: str, lines: int) -> str:
    for number in range(lines):
        print(word, number)
        time.sleep(0.01)
    return word


@app.function(max_containers=1)
def say_and_wait(lines: int) -> None:
    for number in range(lines):
        print("line", number)
        time.sleep(0.1)


@app.function(max_containers=1)
def say_id() -> str | None:
    print(f"working on {motet.current_input_id()}")
    return motet.current_input_id()
