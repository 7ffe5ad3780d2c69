"""Generators: their items on the way out, no further ahead of the consumer than allowed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable
from typing import Any

from motet.client.gate import MESSAGE, Gate
from motet.errors import InputCancellation
from motet.runtime.processes import forked_child
from motet.runtime.sender import Sender
from motet.wire import payload
from motet.wire.client_messages import STREAM_WINDOW
from motet.wire.container_messages import Items
from motet.wire.encoding import Encoding


class StreamWindow:
    """How many more items a producer may send; `grant` and `cancel` come from the receiving thread, `take` waits."""

    def __init__(self) -> None:
        self._credit = STREAM_WINDOW
        self._lock = threading.Lock()
        self._granted = threading.Condition(self._lock)
        self._cancelled = False
        self._wake: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    def grant(self, count: int) -> None:
        with self._lock:
            self._credit += count
            self._granted.notify_all()
            wake = self._wake
        if wake is not None:
            wake[0].call_soon_threadsafe(wake[1].set)

    def cancel(self) -> None:
        """Nobody takes items any more: `take` raises from now on. Tasks are cancelled by asyncio's own means."""
        with self._lock:
            self._cancelled = True
            self._granted.notify_all()

    def take(self) -> None:
        """Use one, on a thread. Raises `InputCancellation` once the stream is cancelled."""
        with self._lock:
            while self._credit <= 0 and not self._cancelled:
                self._granted.wait()
            if self._cancelled:
                raise InputCancellation(MESSAGE)
            self._credit -= 1

    def take_nowait(self) -> bool:
        """Use one, if there is one."""
        with self._lock:
            if self._credit <= 0:
                return False
            self._credit -= 1
            return True

    async def take_async(self) -> None:
        """Use one, in a task."""
        while True:
            event = asyncio.Event()
            with self._lock:
                if self._credit > 0:
                    self._credit -= 1
                    return
                # Under the lock: a grant from here on wakes this.
                self._wake = (asyncio.get_running_loop(), event)
            await event.wait()


_END: Any = object()


def send_items(
    generator: Iterable[Any],
    attempt: int,
    window: StreamWindow,
    sender: Sender,
    gate: Gate,
    encoding: Encoding = Encoding.PICKLE,
) -> None:
    """Send what a sync generator yields: each item is on its way before the generator goes on. Its gate is open while it
    makes them."""
    iterator = iter(generator)
    while True:
        try:
            gate.open()
            item = next(iterator, _END)
        finally:
            gate.shut()
        forked_child.leave()
        if item is _END:
            return
        window.take()
        sender.queue(Items(attempt, [payload.dumps_in(encoding, item, "a yielded item")]))
        sender.flush()


async def send_items_async(
    generator: AsyncIterator[Any],
    attempt: int,
    window: StreamWindow,
    sender: Sender,
    encoding: Encoding = Encoding.PICKLE,
) -> None:
    """Send what an async generator yields: each item is on its way before the generator goes on.

    Where several stream, items of one turn of the loop leave together. The generator is closed in any case.
    """
    loop = asyncio.get_running_loop()
    sender.streaming_tasks += 1
    try:
        async for item in generator:
            forked_child.leave()
            if not window.take_nowait():
                await window.take_async()
            sender.queue(Items(attempt, [payload.dumps_in(encoding, item, "a yielded item")]))
            if sender.streaming_tasks == 1:
                sender.flush()
            else:
                sender.flush_soon(loop)
                await asyncio.sleep(0)  # until it is sent: the generator might keep the loop to itself
        forked_child.leave()
    finally:
        sender.streaming_tasks -= 1
        aclose = getattr(generator, "aclose", None)
        if aclose is not None:
            await aclose()
