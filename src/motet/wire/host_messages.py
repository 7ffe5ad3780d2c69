"""The talk between a server and the agent of a host that has joined, over a connection that the agent has opened.

The agent begins with `HostJoins`, and is answered with `HostIsWelcome`. From then on the server says what to start and to end,
and the agent what became of it, and what containers have written beside their own connections. These are relayed by the agent,
each over a connection of its own, with the containers' own credentials.
"""

from __future__ import annotations

from typing import Literal

from motet.model.hidden import hides_secrets
from motet.model.host import HostSpec
from motet.model.isolation import NO_LIMITS, Limits
from motet.model.limits import Index, Name, Payload
from motet.model.template import PLAIN_TEMPLATE, TemplateSpec
from motet.model.version import VERSION
from motet.wire.hello import Agreed, Refused
from motet.wire.message import Message


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


class HostIsWelcome(Message, tag="host_is_welcome", frozen=True):
    """The host may have containers. What it holds beside those that are `known` is to end: it runs elsewhere by now."""

    known: tuple[Name, ...] = ()


@hides_secrets
class StartHosted(Message, tag="start_hosted", frozen=True):
    """Start a container; see `Launch`."""

    container_id: Name
    token: str
    env: dict[bytes, bytes]
    template: TemplateSpec = PLAIN_TEMPLATE
    limits: Limits = NO_LIMITS
    entry: str = ""
    paths: tuple[str, ...] = ()


class EndHosted(Message, tag="end_hosted", frozen=True):
    """End a container, with everything it started."""

    container_id: Name


class AskHost(Message, tag="ask_host", frozen=True):
    """Are you there? Answered by `HostAnswers`."""

    number: Index


class SendHostAway(Message, tag="send_host_away", frozen=True):
    """The server ends, and wants nothing of what the host has any more."""


FromHost = HostJoins | HostTells | HostAnswers | HostedWrote | HostedFroze | HostedEnded
ToHost = Agreed | Refused | HostIsWelcome | StartHosted | EndHosted | AskHost | SendHostAway
