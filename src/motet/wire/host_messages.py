"""The talk between a server and the agent of a host that has joined, over a connection that the agent has opened.

The agent begins with `HostJoins`, and is answered with `HostIsWelcome`. From then on the server says what to start and to end,
and the agent what became of it, and what containers have written beside their own connections. These are relayed by the agent,
each over a connection of its own, with the containers' own credentials.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from motet.model.bundle import MAX_FILES, BundleFile, Digest
from motet.model.hidden import hides_secrets
from motet.model.host import HostSpec
from motet.model.isolation import NO_LIMITS, Limits
from motet.model.limits import Index, Name, Payload
from motet.model.template import PLAIN_TEMPLATE, TemplateSpec
from motet.model.version import VERSION
from motet.wire.bundle_messages import Piece
from motet.wire.hello import Agreed, Refused
from motet.wire.message import Message

MOST_PIECES = 1000
"""That are asked for at once."""
MOST_NEEDED = 10_000
"""Bundles that a host is told of."""


class HostJoins(Message, tag="host_joins", frozen=True):
    """A host is here, or is back. `agent`: which process of an agent this is, so that it is told from another of the same
    name. `holds`: the containers that it has."""

    host: HostSpec
    agent: Name
    holds: tuple[Name, ...] = ()
    motet: Name = VERSION


class HostTells(Message, tag="host_tells", frozen=True):
    """What it has now, or that it leaves."""

    host: HostSpec


class HostAnswers(Message, tag="host_answers", frozen=True):
    """The answer to the question of this number."""

    number: Index


class HostedWrote(Message, tag="hosted_wrote", frozen=True):
    """A container wrote this, past its own connection."""

    container_id: Name
    stream: Literal["stdout", "stderr"]
    data: Payload


class HostedFroze(Message, tag="hosted_froze", frozen=True):
    """The process of a container was stopped, or (`thawed`) goes on."""

    container_id: Name
    thawed: bool = False


class HostedEnded(Message, tag="hosted_ended", frozen=True):
    """See `ContainerEnd`."""

    container_id: Name
    code: Index
    reason: str | None = None
    blameless: bool = False


class HostFetches(Message, tag="host_fetches", frozen=True):
    """The first and only thing beside questions that is said on a connection by which the agent of a host that has joined gets
    bundles. They come over one of their own, so that what is large never keeps anything waiting that is urgent."""

    agent: Name


class WantBundle(Message, tag="want_bundle", frozen=True):
    """Which files does this bundle have? Answered by `BundleTold`. Nothing is asked before the last answer has come."""

    digest: Digest


class WantPieces(Message, tag="want_pieces", frozen=True):
    """The contents of files of a bundle; answered by `PiecesTold`, with as many of them, from the first on, as go in one
    message."""

    digest: Digest
    pieces: Annotated[tuple[Digest, ...], msgspec.Meta(max_length=MOST_PIECES)]


class BundleTold(Message, tag="bundle_told", frozen=True):
    """The files of a bundle; with a `problem`, why it cannot be had here."""

    files: Annotated[tuple[BundleFile, ...], msgspec.Meta(max_length=MAX_FILES)] = ()
    problem: str = ""


class PiecesTold(Message, tag="pieces_told", frozen=True):
    """Contents of files; with a `problem`, why they cannot be had here."""

    pieces: tuple[Piece, ...] = ()
    problem: str = ""


class HostWillNeed(Message, tag="host_will_need", frozen=True):
    """The bundles of all apps that are here: containers of any of them may be started on the host. It may get them before."""

    bundles: Annotated[tuple[Digest, ...], msgspec.Meta(max_length=MOST_NEEDED)] = ()


class HostIsWelcome(Message, tag="host_is_welcome", frozen=True):
    """The host may have containers. What it holds beside those that are `known` is to end: it runs elsewhere by now."""

    known: tuple[Name, ...] = ()


@hides_secrets
class StartHosted(Message, tag="start_hosted", frozen=True):
    """Start a container; see `Launch`. `bundle`: the digest of its source, which is to be there first; empty: it has none."""

    container_id: Name
    token: str
    env: dict[bytes, bytes]
    template: TemplateSpec = PLAIN_TEMPLATE
    limits: Limits = NO_LIMITS
    entry: str = ""
    paths: tuple[str, ...] = ()
    bundle: str = ""


class EndHosted(Message, tag="end_hosted", frozen=True):
    """End a container, with everything it started."""

    container_id: Name


class AskHost(Message, tag="ask_host", frozen=True):
    """Are you there? Answered by `HostAnswers`."""

    number: Index


class SendHostAway(Message, tag="send_host_away", frozen=True):
    """The server ends, and wants nothing of what the host has any more."""


FromHost = (
    HostJoins
    | HostTells
    | HostAnswers
    | HostedWrote
    | HostedFroze
    | HostedEnded
    | HostFetches
    | WantBundle
    | WantPieces
)
ToHost = (
    Agreed
    | Refused
    | HostIsWelcome
    | StartHosted
    | EndHosted
    | AskHost
    | SendHostAway
    | HostWillNeed
    | BundleTold
    | PiecesTold
)
