"""Inside inputs: stand at a gate that the test opens, so that what runs at once is no matter of luck."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 120.0
"""Seconds after which a held input gives up, so that a failing test ends: as long as a test may take."""


@contextmanager
def _standing(gate: str, name: object) -> Iterator[Path]:
    (Path(gate) / f"at-{name}").touch()
    try:
        yield Path(gate) / "open"
    finally:
        (Path(gate) / f"left-{name}").touch()


def stand(gate: str, name: object) -> None:
    """Return when the gate is open."""
    with _standing(gate, name) as opened:
        deadline = time.monotonic() + PATIENCE
        while not opened.exists():
            if time.monotonic() > deadline:
                raise RuntimeError(f"nobody opened the gate {gate} for {name}")
            time.sleep(0.003)


async def stand_async(gate: str, name: object) -> None:
    """Return when the gate is open; other tasks run meanwhile."""
    with _standing(gate, name) as opened:
        async with asyncio.timeout(PATIENCE):
            while not opened.exists():  # noqa: ASYNC110 - the test that opens it is another process
                await asyncio.sleep(0.003)
