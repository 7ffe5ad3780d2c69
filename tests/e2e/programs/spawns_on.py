"""Spawns one call after the other, each under a key and until it is acknowledged, and calls beside them, until a file is there;
then it prints what became of them."""

import itertools
import json
import sys
import threading
import time
from pathlib import Path

import motet

STOP = Path(sys.argv[1])
EVERY = 0.02
work = motet.Function.from_name("cut", "work")
spawned: dict[int, motet.FunctionCall[int]] = {}
acknowledged: list[float] = []
answered: list[float] = []
refused: list[str] = []
wrong: list[object] = []


def spawn_on() -> None:
    number = 0
    while not STOP.exists():
        try:
            spawned[number] = work.with_key(f"call-{number}").spawn(number)
        except motet.exception.Error as error:
            refused.append(str(error))
            time.sleep(0.05)
            continue
        acknowledged.append(time.monotonic())
        number += 1
        time.sleep(EVERY)


def call_on() -> None:
    number = 1_000_000
    while not STOP.exists():
        if (found := work.remote(number)) != 2 * number:
            wrong.append(found)
        answered.append(time.monotonic())
        number += 1
        time.sleep(EVERY)


def longest(moments: list[float]) -> float:
    return max((after - before for before, after in itertools.pairwise(moments)), default=0.0)


work.remote(0)
print("begun", flush=True)
threads = [threading.Thread(target=each) for each in (spawn_on, call_on)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
wrong += [(number, found) for number, call in spawned.items() if (found := call.get(timeout=60)) != 2 * number]
ids = {call.object_id for call in spawned.values()}
report = {
    "accepted": len(spawned),
    "calls": len(ids),
    "answered": len(answered),
    "wrong": wrong,
    "refused": refused[-1:],
    "longest_without_spawn": longest(acknowledged),
    "longest_without_answer": longest(answered),
}
print(json.dumps(report))
