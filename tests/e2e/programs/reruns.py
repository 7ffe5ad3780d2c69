"""Functions that fail: called by a program which stays until its stdin ends."""

from __future__ import annotations

import os
import sys

import motet

app = motet.App("reruns", secrets=[motet.Secret.from_dict({"RATE": "2"})])


@app.function(max_containers=1)
def divide(number: int, by: int) -> float:
    rate = int(os.environ["RATE"])
    return rate * number / by


@app.function(max_containers=1)
async def nested(by: int) -> float:
    return await divide.remote.aio(1, by)


@app.cls(max_containers=1)
class Shop:
    name: str = motet.parameter()

    @motet.enter()
    async def open(self) -> None:
        self.stock = {"pears": 3}

    @motet.method()
    def left(self, fruit: str) -> str:
        return f"{self.name} has {self.stock[fruit]}"


@app.function(max_containers=1)
@motet.batched(max_batch_size=2, wait_ms=0)
def both(x: list[int]) -> list[float]:
    return [1 / it for it in x]


@app.function(max_containers=1)
def countdown(start: int):  # type: ignore[no-untyped-def]
    yield start
    yield 1 / (start - 1)


def main() -> None:
    with app.run():
        calls = [divide.spawn(1, by=0), nested.spawn(0), Shop(name="Anna").left.spawn("plums"), both.spawn(0)]
        for call in calls:
            try:
                call.get()
            except (ZeroDivisionError, KeyError):
                print(call.object_id, flush=True)
        try:
            list(countdown.remote_gen(1))
        except ZeroDivisionError:
            print("ready", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
