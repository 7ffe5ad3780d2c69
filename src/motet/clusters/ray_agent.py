"""The host agent of a node of a Ray cluster: `python -m motet.clusters.ray_agent`, a child of the actor that keeps it.

It is told on its standard input what to do, in one line of JSON, so that no list of processes shows the token. Another line
has it leave: what runs may end first. When that input ends its actor has gone, and it ends with all that it has.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys

import msgspec

from motet.agent.agent_log import say
from motet.agent.joined_agent import JoinedAgent, this_machine
from motet.agent.server_line import ServerLine
from motet.client.scratch import Scratch
from motet.errors import Error
from motet.model.hidden import hides_secrets

ALONE = 75
"""The exit status of one that has had no server for so long that there will be none."""

LOOK_INTERVAL = 5.0


@hides_secrets
class AgentSettings(msgspec.Struct, frozen=True):
    """What one is told. `patience`: seconds without a server, after which it ends."""

    server: str
    fingerprint: str
    token: str
    host_id: str
    labels: dict[str, str]
    patience: float = 120.0


async def serve(settings: AgentSettings) -> int:
    """Be the agent until the standard input ends, or there is no server; the exit status. Raises `Error`."""
    loop = asyncio.get_running_loop()
    with Scratch("host") as scratch:
        line = ServerLine(settings.server, settings.fingerprint)
        agent = JoinedAgent(line, settings.token, this_machine(settings.host_id, labels=settings.labels), scratch.path)
        alone = False

        async def look() -> None:
            nonlocal alone
            heard = loop.time()
            while not alone:
                await asyncio.sleep(LOOK_INTERVAL)
                heard = loop.time() if agent.is_connected else heard
                alone = loop.time() - heard > settings.patience
            say(f"no server for {settings.patience:g} s: this agent ends")
            agent.end()

        leaving: list[asyncio.Task[None]] = []

        def asked() -> None:
            if os.read(0, 4096):
                leaving.append(loop.create_task(agent.leave()))
            else:
                loop.remove_reader(0)
                agent.end()

        loop.add_reader(0, asked)
        looking = asyncio.create_task(look())
        try:
            await agent.run()
        finally:
            for task in (looking, *leaving):
                task.cancel()
            loop.remove_reader(0)
        return ALONE if alone else 0


def _first_line() -> bytes:
    data = b""
    while not data.endswith(b"\n"):
        data += (byte := os.read(0, 1))
        if not byte:
            break
    return data


def main() -> int:
    """Serve. What goes wrong is said in one line."""
    settings = msgspec.json.decode(_first_line(), type=AgentSettings)
    try:
        return asyncio.run(serve(settings))
    except Error as error:
        with contextlib.suppress(OSError):
            print(error, file=sys.stderr, flush=True)
        return 1


if __name__ == "__main__":
    sys.exit(main())
