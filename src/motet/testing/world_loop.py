"""The loop of a world whose server can be killed: steps belong to processes, and users' own threads are threads."""

from __future__ import annotations

import asyncio
import threading
from contextvars import Context
from typing import Any

from motet.testing.simulated.loop import SimulatedLoop
from motet.testing.simulated.process import process_of
from motet.testing.stepped import current_stepped
from motet.testing.virtual_loop import VirtualLoop


class WorldLoop(SimulatedLoop):
    """A server's questions to its disk are answered on the loop, and end with it; what functions ask of threads is not."""

    def __init__(self) -> None:
        super().__init__(lambda: 0.0)
        self.set_exception_handler(None)
        self._home = threading.get_ident()

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """On the loop for a server, as usual for everybody else."""
        if process_of(None) is None:
            return VirtualLoop.run_in_executor(self, executor, func, *args)
        return super().run_in_executor(executor, func, *args)

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """As usual from threads outside; those of the world have it to themselves."""
        if threading.get_ident() == self._home or current_stepped() is not None:
            return self.call_soon(callback, *args, context=context)
        return VirtualLoop.call_soon_threadsafe(self, callback, *args, context=context)
