"""The talk between a backend and its template process, over one Unix stream socket: frames with one message each.

The template forks on `Fork` (three file descriptors come with its first byte: the container's stdout and stderr, and a file
with `Confided`, which the container alone reads: what a template has known, every later container could find in its memory) and
reports when a container is stopped by a signal, goes on, and exits. End of file means: kill every
container, then end.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from motet.model.hidden import hides_secrets
from motet.model.isolation import NO_LIMITS, Limits, Walls
from motet.wire.framing import LENGTH


@hides_secrets
class Fork(msgspec.Struct, array_like=True, tag="fork", frozen=True):
    """Start a container: an environment, a working directory, and where to find the server.

    The environment is bytes because that is what it is: names and values need not be UTF-8. `entry`: what to run there,
    "module:function"; empty: what the template runs.
    """

    container_id: str
    address: str
    token: str
    env: dict[bytes, bytes]
    directory: str
    limits: Limits = NO_LIMITS
    entry: str = ""
    walls: Walls = Walls()
    joins: tuple[str, ...] = ()
    """Files of control groups, to write "0" to."""
    python: str = ""
    """The interpreter whose environment it enters, once it is within its walls; empty: the template's."""
    spare: int = 0
    """The number of the spare that is to become it, if that is still there; 0: none was made."""


class MakeSpare(msgspec.Struct, array_like=True, tag="make_spare", frozen=True):
    """Fork a process ahead, which stands within these walls and limits and waits to become a container. `directory` and `joins`
    are those of the `Fork` that will ask for it by its number. A spare that cannot be made is not reported."""

    number: int
    directory: str
    limits: Limits = NO_LIMITS
    walls: Walls = Walls()
    joins: tuple[str, ...] = ()


class DropSpare(msgspec.Struct, array_like=True, tag="drop_spare", frozen=True):
    """End a spare that nobody will ask for."""

    number: int


@hides_secrets
class Confided(msgspec.Struct, array_like=True, frozen=True):
    """What takes the place of fields of `Fork` in its container."""

    token: str
    env: dict[bytes, bytes]


@hides_secrets
class Preload(msgspec.Struct, array_like=True, frozen=True):
    """What a template imports before it forks: an encoded `Configure`, and the environment that is there meanwhile."""

    configuration: bytes
    env: tuple[tuple[bytes, bytes], ...]


@hides_secrets
class Prepare(msgspec.Struct, array_like=True, tag="prepare", frozen=True):
    """Import this (an encoded `Preload`), before the first `Fork`. Two descriptors come along, if there are any: where
    stdout and stderr go meanwhile. `walls`: to be within from then on. Answered by `TemplateReady` or `CannotFork`."""

    preload: bytes
    walls: Walls = Walls()


class Kill(msgspec.Struct, array_like=True, tag="kill", frozen=True):
    """End a container now, with everything it started."""

    container_id: str


class TemplateReady(msgspec.Struct, array_like=True, tag="template_ready", frozen=True):
    """What was to be imported is there. `failed`: it raised an exception, which containers will tell."""

    failed: bool = False


class CannotFork(msgspec.Struct, array_like=True, tag="cannot_fork", frozen=True):
    """It was imported, and containers cannot be forked from what became of the template, for this reason."""

    reason: str


class Forked(msgspec.Struct, array_like=True, tag="forked", frozen=True):
    """A container's process exists; it leads a process group of that number."""

    container_id: str
    pid: int


class Exited(msgspec.Struct, array_like=True, tag="exited", frozen=True):
    """`code` as `os.waitstatus_to_exitcode` gives it: an exit status, or minus a signal's number. `with_template`: the
    template is ending, and has killed it."""

    container_id: str
    code: int
    with_template: bool = False


class Froze(msgspec.Struct, array_like=True, tag="froze", frozen=True):
    """A container's process was stopped by a signal (SIGSTOP). Never twice without `Thawed` in between."""

    container_id: str


class Thawed(msgspec.Struct, array_like=True, tag="thawed", frozen=True):
    """A frozen container runs again (SIGCONT)."""

    container_id: str


TemplateRequest = Prepare | Fork | Kill | MakeSpare | DropSpare
"""What a backend tells a template."""
TemplateReport = TemplateReady | CannotFork | Forked | Froze | Thawed | Exited
"""What a template tells its backend."""

_encode = msgspec.msgpack.Encoder().encode
decode_to_template = msgspec.msgpack.Decoder(TemplateRequest).decode
decode_preload = msgspec.msgpack.Decoder(Preload).decode
encode_preload: Callable[[Preload], bytes] = _encode
encode_fork: Callable[[Fork], bytes] = _encode
decode_fork = msgspec.msgpack.Decoder(Fork).decode
encode_confided = msgspec.msgpack.Encoder().encode
decode_confided = msgspec.msgpack.Decoder(Confided).decode
decode_to_backend = msgspec.msgpack.Decoder(TemplateReport).decode


def frame(message: TemplateRequest | TemplateReport) -> bytes:
    """The bytes to write for a message: its length and itself."""
    body = _encode(message)
    return LENGTH.pack(len(body)) + body
