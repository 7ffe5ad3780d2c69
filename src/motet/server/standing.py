"""The server that stays: a process of its own, one under each home, until it is told to end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import uvloop

from motet.client.descriptors import fill_standard_descriptors
from motet.client.family import adopt_orphans
from motet.client.home import standing_directory
from motet.client.scratch import sweep
from motet.model.version import VERSION
from motet.server.access.audit import Audit
from motet.server.access.door import HomeDoor
from motet.server.access.tokens import Tokens
from motet.server.config import ServerConfig
from motet.server.port.config import PortConfig
from motet.server.server import Server
from motet.server.service_manager import ServiceManager
from motet.server.wiring import build_server, open_audit, open_tokens, take_home

ENDING_GRACE = 15.0
"""Seconds that ending may take beyond what apps have to stop: then the process ends, whatever hangs."""

HUNG = 1

FIRST_TOKEN, FIRST_RIGHT = "admin", "administer"
"""What is made when a home gets its first server."""

Say = Callable[[str], None]


def stand(home: Path, port: PortConfig | None, say: Say) -> int:
    """Be the server of this home until SIGTERM or SIGINT; the exit status. A second signal ends the process at once, and its
    containers with it. Raises `AlreadyExistsError` if another server has the home, `InvalidError` and `ServiceError`."""
    fill_standard_descriptors()
    config = ServerConfig.of_standing(home, port)
    place = take_home(standing_directory(home))
    try:
        tokens = Tokens(open_tokens(place.directory), time.time, _on_a_thread)
        # What containers leave behind stays below this process, where the door knows it.
        adopt_orphans()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            audit = Audit(open_audit(place.directory), time.time, _on_a_thread)
            try:
                return runner.run(_serve(config, tokens, audit, say))
            finally:
                audit.write()
    finally:
        place.close()


async def _serve(config: ServerConfig, tokens: Tokens, audit: Audit, say: Say) -> int:
    server = build_server(config, door=HomeDoor(tokens), audit=audit)
    manager = ServiceManager(os.environ)
    with _signals(server, say):
        try:
            await server.start()
        except BaseException:
            await server.stop()
            raise
        _say_where(server, say)
        if tokens.is_new:
            say(f"Admin token, which is shown this once: {tokens.new(FIRST_TOKEN, (FIRST_RIGHT,))}")
        say(f"Ready (process {os.getpid()})")
        sweeping = asyncio.create_task(asyncio.to_thread(sweep))
        manager.ready(f"listens at {server.address}")
        await server.ending.wait()
        manager.stopping(config.stop_grace + ENDING_GRACE)
        try:
            async with asyncio.timeout(config.stop_grace + ENDING_GRACE):
                await sweeping
                await server.stop()
        except TimeoutError:
            say(f"The server did not end within {config.stop_grace + ENDING_GRACE:g} s, and is ended.")
            os._exit(HUNG)
        finally:
            manager.close()
    if server.broken is not None:
        raise server.broken
    say("The server has ended.")
    return 0


def _on_a_thread(work: Callable[[], None]) -> None:
    asyncio.get_running_loop().run_in_executor(None, work)


def _say_where(server: Server, say: Say) -> None:
    say(f"Motet {VERSION} listens at {server.address}")
    if server.port is None:
        return
    say(f"and at {server.port.address}, for clients with a token")
    if (tls := server.port.tls) is not None:
        say(f"Its key has the fingerprint {tls.fingerprint}, its certificate holds until {_day(tls.expires_at)}")


def _day(moment: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(moment))


@contextlib.contextmanager
def _signals(server: Server, say: Say) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def asked(number: signal.Signals) -> None:
        if server.ending.is_set():
            os._exit(128 + number)
        count = len(server.operations.views())
        say(f"Stopping: {count} app{'' if count == 1 else 's'} and all containers ({number.name}; again ends at once)")
        server.ending.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked, number)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
