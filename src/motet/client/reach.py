"""Which server a program uses: the one that MOTET_SERVER names, or else one that it brings along."""

from __future__ import annotations

import builtins
import importlib
import os
import sys
from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from motet.client.addresses import parsed_addresses
from motet.client.connection import Connection
from motet.client.dual import Steps
from motet.client.home import home_directory, standing_socket
from motet.client.resuming_link import RECONNECT_TIMEOUT, SILENCE, ResumingLink
from motet.client.settings import SERVER, TOKEN, settings
from motet.client.waiter import Waiter
from motet.errors import ConnectionError, InvalidError
from motet.model.hidden import hides_secrets
from motet.wire.hello import Agreed, Hello
from motet.wire.log_allowance import LIVE_LINES, VARIABLE

RECONNECT = "MOTET_RECONNECT"
SILENT = "MOTET_SILENCE"
HOME = "home"
EMBEDDED = "embedded"

MOST_SECONDS = 1e6
ANSWER_TIMEOUT = 30.0
"""Seconds that a server may take to say that it will talk."""

_EMBEDDED = "motet.server.embedded"
_CARRIED = (LIVE_LINES, VARIABLE, "MOTET_BLOCKED_AFTER")


class Reachable(Protocol):
    """A server as its users see it."""

    connection: Connection

    @property
    def carried(self) -> Mapping[str, str]:
        """What containers are to have of this process's environment, and would not from the server."""

    @property
    def is_elsewhere(self) -> bool:
        """Whether its containers may not see this program's files: then their source travels."""

    def wait_started(self) -> Steps[None]:
        """Wait until it can be used. Raises why it cannot."""

    def reconnect(self) -> Connection:
        """A connection for a process that was forked from the one with `connection`. Raises `ConnectionError`."""

    def release(self) -> Steps[None]:
        """Its user needs it no more."""


@hides_secrets
class NamedServer(msgspec.Struct, frozen=True):
    """Where a server is (see `addresses`), the token that is shown to it, if any, and the fingerprint of its key, if it is
    known by that. `others`: servers that share its database, of which one leads; the fingerprint may be several then, with
    commas between them."""

    address: str
    token: str = ""
    fingerprint: str = ""
    others: tuple[str, ...] = ()

    @property
    def addresses(self) -> tuple[str, ...]:
        """All of them."""
        return (self.address, *self.others)

    @property
    def is_elsewhere(self) -> bool:
        """Whether one may be on another machine: whoever shares a socket's file shares the disk; a port leads anywhere."""
        return not all(address.startswith("unix:") for address in self.addresses)


def named(env: Mapping[str, str]) -> NamedServer | None:
    """The server that the environment names, or the profile that is used; None: none, a program brings its own. Raises
    `InvalidError`."""
    found = settings(env)
    server = found["server"]
    said = f"{server.source}={server.value}" if server.source == SERVER else f"{server.value} ({server.source})"
    if server.value == EMBEDDED:
        return None
    if server.value == HOME:
        addresses: tuple[str, ...] = (f"unix:{standing_socket(home_directory(env))}",)
    else:
        addresses = parsed_addresses(server.value, said)
    where = NamedServer(addresses[0], found["token"].value, found["fingerprint"].value, addresses[1:])
    if not where.token and where.is_elsewhere:
        raise InvalidError(f"{said} needs a token in {TOKEN} or the profile; `motet token new` makes one there")
    if where.fingerprint:
        from motet.client.certificate import checked_fingerprints  # late: most servers are known by their names

        checked_fingerprints(where.fingerprint, found["fingerprint"].source)
    return where


class SocketServer:
    """A server that another process is, and one connection to it. Raises `ConnectionError` if nobody listens there."""

    def __init__(self, where: NamedServer, env: Mapping[str, str]) -> None:
        self._where = where
        self._env = env
        self._answered: Waiter[Agreed | None] = Waiter(ANSWER_TIMEOUT)
        self.connection = self._connect(self._answered.set)  # the first answer counts: its end comes later

    @property
    def carried(self) -> Mapping[str, str]:
        """See `Reachable`. Its containers have the server's environment: what they read of ours for us goes along."""
        found = {name: value for name in _CARRIED if (value := self._env.get(name))}
        if path := self._env.get("PYTHONPATH"):
            found["PYTHONPATH"] = os.pathsep.join(os.path.abspath(entry) for entry in path.split(os.pathsep) if entry)
        return found

    @property
    def is_elsewhere(self) -> bool:
        """See `Reachable`."""
        return self._where.is_elsewhere

    def wait_started(self) -> Steps[None]:
        """See `Reachable`."""
        try:
            agreed: Agreed | None = yield self._answered
        except builtins.TimeoutError:
            raise ConnectionError(
                f"the server at {' or '.join(self._where.addresses)} has not answered within {ANSWER_TIMEOUT:g} s"
            ) from None
        if agreed is None:
            raise self.connection.error or ConnectionError("the connection to the server is closed")

    def reconnect(self) -> Connection:
        """See `Reachable`."""
        return self._connect(None)

    def release(self) -> Steps[None]:
        """See `Reachable`."""
        self.connection.close()
        yield from ()

    def _seconds(self, variable: str, default: float) -> float:
        text = self._env.get(variable)
        try:
            seconds = float(text) if text else default
        except ValueError:
            seconds = -1.0
        if not 0 <= seconds < MOST_SECONDS:
            raise InvalidError(f"{variable} must be a number of seconds; it is {text!r}")
        return seconds

    def _connect(self, on_answer: Callable[[Agreed | None], None] | None) -> Connection:
        connection = Connection(on_answer=on_answer)
        try:
            ResumingLink(
                self._where.address,
                Hello("client", self._where.token, confirms=True),
                connection,
                self._where.fingerprint,
                self._seconds(RECONNECT, RECONNECT_TIMEOUT),
                self._seconds(SILENT, SILENCE),
                self._where.others,
            )
        except ConnectionError as error:
            if not isinstance(error.__cause__, OSError):  # somebody is there, and says why not
                raise
            raise ConnectionError(
                f"{error}. Start a server there (`motet server`), or unset {SERVER}: a program brings its own server then"
            ) from None
        return connection


_substitute: Reachable | None = None


def substitute(server: Reachable | None) -> None:
    """Have this one be used in place of all others, until it is None."""
    global _substitute
    _substitute = server


def is_substituted() -> bool:
    """Whether something stands in for servers in this process."""
    return _substitute is not None


def acquire() -> Reachable:
    """The server that this program is to use. Each `acquire` needs a `release` of what it gave.

    Raises `ConnectionError` if the server that is named cannot be reached, and `InvalidError` if there is no sense in the
    name, or no server can run in this process.
    """
    if _substitute is not None:
        return _substitute
    if (where := named(os.environ)) is not None:
        return SocketServer(where, os.environ)
    # The one place where a client reaches for a server's code: late, so that `import motet` and containers stay light.
    from motet.server import embedded

    return embedded.acquire()


def is_named() -> bool:
    """Whether this program uses a server that others use, too. Raises `InvalidError` as `acquire` does."""
    return _substitute is None and named(os.environ) is not None


def must_load() -> bool:
    """Whether the next `acquire` would import the code of a server, which takes a while: `load` does."""
    return _substitute is None and named(os.environ) is None and _EMBEDDED not in sys.modules


def load() -> None:
    """Import the code of a server."""
    importlib.import_module(_EMBEDDED)
