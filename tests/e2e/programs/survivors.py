"""Inputs that outlive the server which gave them to their containers. Each writes when it begins and ends."""

from __future__ import annotations

import asyncio
import os
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import motet

app = motet.App("survivors")


def mark(path: str, what: str) -> None:
    with open(path, "a") as file:
        file.write(f"{what}\n")


def wait_for(path: str) -> None:
    while not os.path.exists(path):
        time.sleep(0.02)


@app.function()
def sync(marks: str, name: str, until: str) -> str:
    mark(marks, f"begin {name}")
    wait_for(until)
    mark(marks, f"end {name}")
    return f"result of {name}"


@app.function(max_containers=1)
@motet.concurrent(max_inputs=20)
async def together(marks: str, name: str, until: str) -> str:
    mark(marks, f"begin {name}")
    while not os.path.exists(until):  # noqa: ASYNC110, ASYNC240 - there is nothing to wait on
        await asyncio.sleep(0.02)
    mark(marks, f"end {name}")
    return f"result of {name}"


@app.function(max_containers=1)
@motet.batched(max_batch_size=3, wait_ms=60_000)
def batch(marks: list[str], names: list[str], untils: list[str]) -> list[str]:
    mark(marks[0], f"begin {names}")
    wait_for(untils[0])
    mark(marks[0], f"end {names}")
    return [f"result of {name}" for name in names]


@app.function()
def calls(marks: str, name: str, until: str) -> str:
    mark(marks, f"begin {name}")
    inner = sync.remote(marks, f"{name}'s", until)
    mark(marks, f"end {name}")
    return f"{name} has {inner}"


@app.function()
def items(marks: str, until: str) -> Iterator[int]:
    mark(marks, "begin items")
    try:
        yield 1
        wait_for(until)
        yield 2
    finally:
        mark(marks, "left items")


@app.function()
@motet.asgi_app()
def page() -> Any:
    async def answer(scope: dict[str, Any], receive: Any, send: Any) -> None:
        marks, until = scope["query_string"].decode().split("&")
        mark(marks, "begin page")
        try:
            while not os.path.exists(until):  # noqa: ASYNC110, ASYNC240 - there is nothing to wait on
                await asyncio.sleep(0.02)
        finally:
            mark(marks, "left page")

    return answer


@app.cls()
class Scaled:
    by: int = motet.parameter()

    @motet.method()
    def times(self, x: int) -> int:
        return x * self.by


@app.local_entrypoint()
def one(marks: str, until: str, kind: str = "sync") -> None:
    print({"sync": sync, "together": together, "calls": calls}[kind].remote(marks, "a", until))


@app.local_entrypoint()
def many(marks: str, until: str, count: int = 40) -> None:
    print(sorted(together.map([marks] * count, map(str, range(count)), [until] * count)))


@app.local_entrypoint()
def three(marks: str, until: str) -> None:
    print(*batch.map([marks] * 3, "abc", [until] * 3), sep=", ")


@app.local_entrypoint()
def everything(marks: str, until: str) -> None:
    """One of each kind, beside one another."""
    url = page.get_web_url()
    works = {
        "alone": lambda: sync.remote(marks, "alone", until),
        "nested": lambda: calls.remote(marks, "nested", until),
        "together": lambda: together.remote(marks, "together", until),
        "batch": lambda: list(batch.map([marks] * 3, "abc", [until] * 3)),
        "stream": lambda: list(items.remote_gen(marks, until)),
        "request": lambda: urllib.request.urlopen(f"{url}?{marks}&{until}").read(),
    }
    with ThreadPoolExecutor(len(works)) as threads:
        under_way = {name: threads.submit(work) for name, work in works.items()}
    for name, done in under_way.items():
        print(f"{name}: {type(done.exception()).__name__ if done.exception() else done.result()}")


@app.local_entrypoint()
def before_and_after(marks: str, until: str) -> None:
    print(Scaled(by=3).times.remote(2), sync.remote(marks, "a", until), Scaled(by=3).times.remote(4))


@app.local_entrypoint()
def stream(marks: str, until: str) -> None:
    try:
        for item in items.remote_gen(marks, until):
            mark(marks, f"got {item}")
    except motet.exception.ConnectionError as error:
        print("ended:", error)
