"""The talk between a server and its host agent, over one Unix stream socket: frames with one message each.

The server speaks first: `Attach`. The agent answers with a `Holds` for each container that lives, and `Attached`. From then on
the server says what to do, and the agent what became of it. Either side may go at any moment; see decision 28.
"""

from __future__ import annotations

import msgspec

from motet.model.hidden import hides_secrets
from motet.model.isolation import NO_LIMITS, Limits
from motet.model.template import PLAIN_TEMPLATE, TemplateSpec
from motet.model.version import VERSION
from motet.wire.framing import LENGTH


class Attach(msgspec.Struct, array_like=True, tag="attach", frozen=True):
    """A server takes over. `grace`: seconds that the agent, and all it has, outlives it. `run`: which one it was of another
    agent, which it had until that was lost; 0: it has had none. `term`: with which it leads, where several servers share a
    database, and this agent was another one's; 0: it is alone, or does not lead."""

    grace: float
    motet: str = VERSION
    run: int = 0
    term: int = 0


@hides_secrets
class LaunchContainer(msgspec.Struct, array_like=True, tag="launch", frozen=True):
    """Start a container. Four descriptors come along: where it writes stdout and stderr, and where these are read. `note`: what
    the next server is to know of it; the agent does not read it."""

    container_id: str
    address: str
    token: str
    env: dict[bytes, bytes]
    note: bytes
    template: TemplateSpec = PLAIN_TEMPLATE
    limits: Limits = NO_LIMITS
    entry: str = ""


class EndContainerNow(msgspec.Struct, array_like=True, tag="kill", frozen=True):
    """End a container, with everything it started."""

    container_id: str


class Detach(msgspec.Struct, array_like=True, tag="detach", frozen=True):
    """The server ends. `everything`: so does the agent, with all it has; otherwise it waits for the next one, for its grace."""

    everything: bool


class Leads(msgspec.Struct, array_like=True, tag="leads", frozen=True):
    """The server that is attached is here, and leads with this term. It says so over a connection of its own, from another
    thread. `seconds`: if nothing is heard of it for so long, a server of another machine leads, and all that the agent has is
    to end; 0: no other machine has one."""

    term: int
    seconds: float


class LedElsewhere(msgspec.Struct, array_like=True, tag="led_elsewhere", frozen=True):
    """A server of another machine leads with this term: what one before it has left with the agent is to end."""

    term: int


class Ping(msgspec.Struct, array_like=True, tag="ping", frozen=True):
    """Are you there? Answered by `Pong`."""

    number: int


@hides_secrets
class Holds(msgspec.Struct, array_like=True, tag="holds", frozen=True):
    """A container that lives, with its note. Two descriptors come along, from which its stdout and stderr are read; `stdout`
    and `stderr` are the last of what it wrote there while no server was attached."""

    container_id: str
    note: bytes
    frozen: bool
    stdout: bytes
    stderr: bytes


class Attached(msgspec.Struct, array_like=True, tag="attached", frozen=True):
    """The server has been told of all that lives. `run`: how many servers were attached, this one included. `template`: the pid
    of a process that containers descend from, besides the agent; `templates`: of all these. None: an agent of an earlier
    release, which has one template and knows of no walls."""

    run: int
    template: int
    motet: str = VERSION
    templates: tuple[int, ...] | None = None


class TemplateStarted(msgspec.Struct, array_like=True, tag="template", frozen=True):
    """Containers descend from this process as well from now on."""

    pid: int


class ContainerFroze(msgspec.Struct, array_like=True, tag="froze", frozen=True):
    container_id: str


class ContainerThawn(msgspec.Struct, array_like=True, tag="thawed", frozen=True):
    container_id: str


class ContainerIsGone(msgspec.Struct, array_like=True, tag="ended", frozen=True):
    """See `ContainerEnd`."""

    container_id: str
    code: int
    reason: str | None
    blameless: bool


class TemplateLost(msgspec.Struct, array_like=True, tag="template_lost", frozen=True):
    """A template is gone, and its containers with it, each of which has been reported as ended. `is_lost`: nobody ended it."""

    reason: str
    pid: int = 0
    is_lost: bool = True


class Pong(msgspec.Struct, array_like=True, tag="pong", frozen=True):
    number: int


ToAgent = Attach | LaunchContainer | EndContainerNow | Detach | Leads | LedElsewhere | Ping
FromAgent = Holds | Attached | TemplateStarted | ContainerFroze | ContainerThawn | ContainerIsGone | TemplateLost | Pong

_encode = msgspec.msgpack.Encoder().encode
decode_to_agent = msgspec.msgpack.Decoder(ToAgent).decode
decode_from_agent = msgspec.msgpack.Decoder(FromAgent).decode


def agent_frame(message: ToAgent | FromAgent) -> bytes:
    """The bytes to write for a message: its length and itself."""
    body = _encode(message)
    return LENGTH.pack(len(body)) + body
