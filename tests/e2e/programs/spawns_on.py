"""Spawns one call of a function after the other, each under a key and until it is acknowledged, and calls it beside that, until
a file is there; then it prints what became of them. Arguments: the file, and the function's name."""

import itertools
import json
import sys
import threading
import time
from pathlib import Path

import motet
from motet.exception import ContainerDied, Error, MayHaveRun

STOP = Path(sys.argv[1])
EVERY = 0.05
work = motet.Function.from_name("cut", sys.argv[2])
spawned: dict[int, motet.FunctionCall[int]] = {}
acknowledged: list[float] = []
answered: list[float] = []
refused: list[str] = []
undecided: list[int] = []
"""Inputs that may have run, as is said of those that are delivered at most once."""
wrong: list[object] = []


def spawn_on() -> None:
    number = 0
    while not STOP.exists():
        try:
            spawned[number] = work.with_key(f"call-{number}").spawn(number)
        except Error as error:
            refused.append(str(error))
            time.sleep(0.05)
            continue
        acknowledged.append(time.monotonic())
        number += 1
        time.sleep(EVERY)


def call_on() -> None:
    number = 1_000_000
    while not STOP.exists():
        try:
            found = work.remote(number)
        except (ContainerDied, MayHaveRun):
            undecided.append(number)
        except Error as error:
            wrong.append((number, repr(error)))
        else:
            answered.append(time.monotonic())
            if found != 2 * number:
                wrong.append((number, found))
        number += 1
        time.sleep(EVERY)


def get_all() -> None:
    for number, call in spawned.items():
        try:
            found = call.get(timeout=60)
        except (ContainerDied, MayHaveRun):
            undecided.append(number)
        except Exception as error:
            wrong.append((number, repr(error)))
        else:
            if found != 2 * number:
                wrong.append((number, found))


def longest(moments: list[float]) -> float:
    return max((after - before for before, after in itertools.pairwise(moments)), default=0.0)


work.remote(-1)
print("begun", flush=True)
threads = [threading.Thread(target=each) for each in (spawn_on, call_on)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
get_all()
report = {
    "accepted": len(spawned),
    "calls": len({call.object_id for call in spawned.values()}),
    "answered": len(answered),
    "undecided": undecided,
    "wrong": wrong,
    "refused": refused[-1:],
    "longest_without_spawn": longest(acknowledged),
    "longest_without_answer": longest(answered),
}
print(json.dumps(report))
