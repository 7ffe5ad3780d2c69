"""An app whose functions other languages call."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import motet

app = motet.App("http-shop")


@dataclass
class Order:
    item: str
    at: datetime.datetime
    data: bytes = b""


@app.function()
def describe(order: Order) -> dict[str, object]:
    print(f"describing {order.item}")
    return {"type": type(order).__name__, "year": order.at.year, "data": order.data}


@app.function()
def pair(n: int) -> tuple[int, int]:
    return n, n + 1


@app.function()
def lines(n: int) -> Iterator[dict[str, int]]:
    for number in range(n):
        yield {"number": number}


def touch(path: str) -> None:
    Path(path).touch()


@app.function()
async def linger(began: str, ended: str) -> None:
    touch(began)
    print("began", flush=True)
    try:
        await asyncio.sleep(60)
    finally:
        touch(ended)


@app.cls()
class Scale:
    factor: int = motet.parameter()

    @motet.method()
    def times(self, x: float) -> float:
        return x * self.factor
