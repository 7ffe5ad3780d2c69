"""The server's end of a cluster driver: its process is started, spoken to, and started again when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping

from motet.backends.channel import Channel
from motet.errors import ServiceError
from motet.wire import cluster as m

logger = logging.getLogger("motet.server")

PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds until a driver that has ended is started again."""

FIRST_TIMEOUT = 60.0
"""Seconds in which the first one has to find the cluster."""

CLOSE_TIMEOUT = 15.0
"""Seconds in which one has to give everything back."""


class DriverLink:
    """`env`: of its process; `module`: what that runs."""

    def __init__(self, env: Mapping[str, str], module: str = "motet.clusters.ray_driver") -> None:
        self._env = dict(env)
        self._module = module
        self._loop = asyncio.get_running_loop()
        self._begin: Callable[[], m.BeginOnCluster] | None = None
        self._received: Callable[[m.FromDriver], None] = lambda message: None
        self._ended: Callable[[str], None] = lambda why: None
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Channel[m.FromDriver] | None = None
        self._first: asyncio.Future[str] = self._loop.create_future()
        """What the cluster is, in words."""
        self._gone = asyncio.Event()
        self._failures = 0
        self._again: asyncio.TimerHandle | None = None
        self._why = ""

    async def open(
        self,
        begin: Callable[[], m.BeginOnCluster],
        received: Callable[[m.FromDriver], None],
        ended: Callable[[str], None],
    ) -> str:
        """Start the first one; what cluster it has found, in words. `begin` makes the first message to each, `received` gets
        what it says, and `ended` is told why it is gone: another one is started then. Raises `ServiceError` if the first one
        finds no cluster."""
        self._begin, self._received, self._ended = begin, received, ended
        self._start()
        try:
            async with asyncio.timeout(FIRST_TIMEOUT):
                return await self._first
        except TimeoutError:
            await self.close()
            raise ServiceError(f"the cluster was not found within {FIRST_TIMEOUT:g} s") from None
        except BaseException:
            await self.close()
            raise

    def send(self, message: m.ToDriver) -> None:
        """To the one that there is now; what it is to know in any case, the first message says."""
        if self._channel is not None:
            self._channel.send_nowait(m.cluster_frame(message))

    async def close(self) -> None:
        """Have it give everything back, and end. Idempotent."""
        self._begin = None
        if self._again is not None:
            self._again.cancel()
        process = self._process
        if process is None:
            return
        self.send(m.LeaveCluster())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._gone.wait()
        await self._reap(process)

    def _start(self) -> None:
        assert self._begin is not None
        here, there = socket.socketpair()
        with there:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", self._module, str(there.fileno())],
                stdin=subprocess.DEVNULL,
                env=self._env,
                pass_fds=[there.fileno()],
                start_new_session=True,
            )
        self._gone.clear()
        self._channel = Channel(here, m.decode_from_driver, self._heard, self._is_gone)
        self.send(self._begin())

    def _heard(self, message: m.FromDriver) -> None:
        match message:
            case m.NotOnCluster():
                self._why = message.why
                if not self._first.done():
                    self._first.set_exception(ServiceError(message.why))
                return
            case m.OnCluster():
                self._failures, self._why = 0, ""
                if not self._first.done():
                    self._first.set_result(message.what)
        self._received(message)

    def _is_gone(self) -> None:
        self._channel = None
        self._gone.set()
        process, self._process = self._process, None
        if process is not None:
            self._reaping = self._loop.create_task(self._reap(process))
        why = self._why or "the cluster driver has ended"
        if not self._first.done():
            self._first.set_exception(ServiceError(f"{why}: what it said is above"))
        elif self._begin is not None:
            pause = PAUSES[min(self._failures, len(PAUSES) - 1)]
            self._failures += 1
            logger.warning("%s; it is started again in %g s, and what runs goes on", why, pause)
            self._ended(why)
            self._again = self._loop.call_later(pause, self._start)

    async def _reap(self, process: subprocess.Popen[bytes]) -> None:
        """Within a while: it has closed its end, or is killed."""
        for _ in range(20):
            if process.poll() is not None:
                return
            await asyncio.sleep(0.1)
        process.kill()
        await asyncio.to_thread(process.wait)
