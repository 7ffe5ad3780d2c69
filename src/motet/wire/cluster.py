"""The talk between a server and its cluster driver: a process of the same installation, which the server has started.

The server says `BeginOnCluster` first, and is answered with `OnCluster` or `NotOnCluster`. Hosts go by the ids that the driver
makes of nodes.
"""

from __future__ import annotations

import msgspec

from motet.model.gpu import Gpu
from motet.model.hidden import hides_secrets
from motet.model.reservation import RoomAsked
from motet.wire.framing import LENGTH


@hides_secrets
class BeginOnCluster(msgspec.Struct, array_like=True, tag="begin", frozen=True):
    """Find the cluster. `home`: who asks, so that what a driver before this one has left is found; `run`: this server; `kept`:
    reservations that are to be there, by number and host."""

    address: str
    home: str
    run: str
    kept: tuple[tuple[int, str], ...] = ()


@hides_secrets
class ServeAgents(msgspec.Struct, array_like=True, tag="serve", frozen=True):
    """From now on agents may be started: where their server is, the fingerprint of its key, and their token. An address on all
    interfaces is that of the driver's own machine."""

    server: str
    fingerprint: str
    token: str


class Reserve(msgspec.Struct, array_like=True, tag="reserve", frozen=True):
    """Ask for this room, and have an agent on the node where it comes to be."""

    number: int
    asked: RoomAsked


class GiveBack(msgspec.Struct, array_like=True, tag="give_back", frozen=True):
    """A reservation is not wanted any more, made or not."""

    number: int


class EndAgent(msgspec.Struct, array_like=True, tag="end_agent", frozen=True):
    """The agent there is not needed any more."""

    host_id: str


class LeaveCluster(msgspec.Struct, array_like=True, tag="leave", frozen=True):
    """Give everything back, and end."""


class ClusterNode(msgspec.Struct, array_like=True, frozen=True):
    """A node of the cluster, and what it has in all."""

    host_id: str
    resources: dict[str, float]
    labels: dict[str, str]


class OnCluster(msgspec.Struct, array_like=True, tag="on", frozen=True):
    """The cluster was found. `what` it is, in words; `missing`: reservations that should have been there."""

    what: str
    missing: tuple[int, ...] = ()


class NotOnCluster(msgspec.Struct, array_like=True, tag="not_on", frozen=True):
    """There is none to be had, and why; the driver ends."""

    why: str


class NodesAre(msgspec.Struct, array_like=True, tag="nodes", frozen=True):
    """The nodes that live now: others are gone."""

    nodes: tuple[ClusterNode, ...]


class RoomMade(msgspec.Struct, array_like=True, tag="made", frozen=True):
    """A reservation is made, there, with these devices."""

    number: int
    host_id: str
    gpus: tuple[Gpu, ...] = ()


class RoomLost(msgspec.Struct, array_like=True, tag="lost", frozen=True):
    """A reservation is not there any more, or cannot be made, and why."""

    number: int
    why: str


class AgentTold(msgspec.Struct, array_like=True, tag="agent", frozen=True):
    """What an agent, or the attempt to start one, has ended with."""

    host_id: str
    why: str


ToDriver = BeginOnCluster | ServeAgents | Reserve | GiveBack | EndAgent | LeaveCluster
FromDriver = OnCluster | NotOnCluster | NodesAre | RoomMade | RoomLost | AgentTold

_encode = msgspec.msgpack.Encoder().encode
decode_to_driver = msgspec.msgpack.Decoder(ToDriver).decode
decode_from_driver = msgspec.msgpack.Decoder(FromDriver).decode


def cluster_frame(message: ToDriver | FromDriver) -> bytes:
    """The bytes to write for a message: its length and itself."""
    body = _encode(message)
    return LENGTH.pack(len(body)) + body
