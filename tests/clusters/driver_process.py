"""A cluster driver for tests. It finds a cluster, dies of `GiveBack`, and makes all room at once."""

from __future__ import annotations

import asyncio
import os
import socket
import sys

from motet.backends.channel import Channel
from motet.wire import cluster as m


async def serve(descriptor: int) -> None:
    over = asyncio.Event()

    def received(message: m.ToDriver) -> None:
        match message:
            case m.BeginOnCluster(address="nowhere"):
                say(m.NotOnCluster("there is no cluster nowhere"))
                over.set()
            case m.BeginOnCluster():
                say(m.OnCluster(f"the cluster {message.address}", tuple(number for number, _ in message.kept)))
            case m.Reserve():
                say(m.RoomMade(message.number, "node"))
            case m.GiveBack():
                os._exit(3)
            case m.LeaveCluster():
                say(m.NodesAre(()))
                over.set()

    channel = Channel(socket.socket(fileno=descriptor), m.decode_to_driver, received, over.set)

    def say(message: m.FromDriver) -> None:
        channel.send_nowait(m.cluster_frame(message))

    await over.wait()
    await channel.flushed()
    channel.close()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
