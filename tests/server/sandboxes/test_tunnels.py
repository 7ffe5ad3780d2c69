"""Tunnels hold so many connections and no more, and none beyond their sandbox."""

from __future__ import annotations

import asyncio
import ssl
import time

from motet.model.sandbox import SandboxSpec
from motet.server.clock import Clock
from motet.server.containers.output import ContainerOutput, LineSource
from motet.server.lines import Lines
from motet.server.sandboxes.known_sandbox import KnownSandbox, SandboxNote
from motet.server.sandboxes.tunnels import Tunnels


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1024):
        writer.write(data)
    writer.close()


def test_connections_beyond_the_bound_are_closed_and_all_of_them_with_the_sandbox() -> None:
    async def scene() -> None:
        port = await asyncio.start_server(echo, "127.0.0.1", 0)
        number = port.sockets[0].getsockname()[1]
        note = SandboxNote("ap-1", "app", "token", 1, SandboxSpec(encrypted_ports=(number,)), 0.0)
        output = ContainerOutput(
            LineSource("", "sb-1", "", "sb-1"), Lines(), lambda: None, Clock.of_loop(asyncio.get_running_loop())
        )
        sandbox = KnownSandbox("sb-1", note, output)
        tunnels = Tunnels(time.time, most=1)
        opened, again = await asyncio.gather(tunnels.open(sandbox), tunnels.open(sandbox))
        assert opened == again
        trust = ssl.create_default_context(cadata=opened.certificate)

        async def connected() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            return await asyncio.open_connection("127.0.0.1", opened.ports[number], ssl=trust)

        reader, writer = await connected()
        writer.write(b"one")
        assert await reader.read(3) == b"one"
        other, closing = await connected()
        assert await other.read() == b""
        writer.write(b"two")
        assert await reader.read(3) == b"two"
        sandbox.is_over("exited", 0, "", 0.0)
        assert await reader.read() == b""
        assert (await tunnels.open(sandbox)).ports == {}
        for each in (writer, closing, port):
            each.close()

    asyncio.run(asyncio.wait_for(scene(), 30))
