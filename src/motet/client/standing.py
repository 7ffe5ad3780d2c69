"""The server that stays, for those who need one: the one that is named, or else that of the home directory."""

from __future__ import annotations

import builtins
import contextlib
import os
import threading
import time
import weakref
from collections.abc import Iterable

import msgspec

from motet.client import reach
from motet.client.connection import Connection
from motet.client.dual import Steps, run_blocking
from motet.client.forks import in_forked_child
from motet.client.ground import ground
from motet.client.home import home_directory, standing_socket
from motet.client.own_connection import OwnConnection
from motet.client.profiles import PROFILE
from motet.client.reach import NamedServer, Reachable, SocketServer
from motet.client.running_app import RunningApp, any_running, container_app
from motet.client.settings import HOME, SERVER
from motet.client.waiter import Waiter
from motet.errors import ConnectionError, ExecutionError
from motet.model.deployment import DeploymentView
from motet.model.function import FunctionSpec
from motet.wire.by_value import MAIN, ByValue, refusal_of

RETURN_TIMEOUT = 30.0
"""Seconds that a server which this process has been connected to may be away for, as in a restart."""

_LOOK_AGAIN = 0.1

PROFILES_HOLD = 0.25
"""Seconds for which the file of profiles, and a token, are taken to be as they were: to read them takes longer than a call."""


class Standing:
    """A server that stays, and this process's connection to it."""

    def __init__(self, server: Reachable) -> None:
        self.server = server
        self.connect = OwnConnection(server.reconnect, server.connection)
        _connections.add(server.connection)


class _Looked(msgspec.Struct, frozen=True):
    """What was named, in words of the environment, which server that is, and whether it was named at all; for how long."""

    said: tuple[str | None, ...]
    where: NamedServer
    is_named: bool
    until: float


_lock = threading.RLock()
_standing: tuple[NamedServer | None, Standing] | None = None
_looked: _Looked | None = None
_connections: weakref.WeakSet[Connection] = weakref.WeakSet()


def standing(what_for: str, then: str) -> Steps[Standing]:
    """The server that stays; the same for the whole process, as long as the same one is named. One that has been there is
    waited for when it is away. Another server, profile or home in the environment counts immediately, and what the file of
    profiles says of them after `PROFILES_HOLD` at the latest.

    Raises `ConnectionError` if there is none, which says that `what_for` needs one, and which two commands there are: the one
    that starts it, and `then`; and `InvalidError` for a name that makes no sense.
    """
    global _standing, _looked
    is_substituted = reach.is_substituted()
    where, is_named = (None, True) if is_substituted else _where()
    here = _standing
    if here is not None and here[0] == where and not here[1].connect().ended:
        return here[1]
    if not is_substituted:
        _looked = None
        where, is_named = _where()
    deadline = time.monotonic() + RETURN_TIMEOUT
    while True:
        with _lock:
            known = _standing if _standing is not None and _standing[0] == where else None
            if known is not None and not known[1].connect().ended:
                return known[1]
            try:
                found = _standing = where, Standing(_reach(where))
                break
            except ConnectionError as error:
                if known is None or time.monotonic() >= deadline:
                    raise _none_there(where, is_named, error, what_for, then) from None
        with contextlib.suppress(builtins.TimeoutError):
            yield Waiter(_LOOK_AGAIN)
    yield from found[1].server.wait_started()
    return found[1]


def _where() -> tuple[NamedServer, bool]:
    """The server, and whether it was named. Every call of a deployed function asks."""
    global _looked
    get, now = os.environ.get, ground().now()
    said = get(SERVER), get(PROFILE), get(HOME)
    looked = _looked
    if looked is None or looked.said != said or now >= looked.until:
        where = reach.named(os.environ)
        home = where or reach.named({**os.environ, SERVER: reach.HOME})
        assert home is not None
        looked = _looked = _Looked(said, home, where is not None, now + PROFILES_HOLD)
    return looked.where, looked.is_named


def _reach(where: NamedServer | None) -> Reachable:
    return reach.acquire() if where is None else SocketServer(where, os.environ)


def _none_there(
    where: NamedServer | None, is_named: bool, error: ConnectionError, what_for: str, then: str
) -> ConnectionError:
    why = str(error).partition(". Start a server")[0]
    if is_named and where is not None and where.address != f"unix:{standing_socket(home_directory(os.environ))}":
        return ConnectionError(
            f"{what_for} needs a server that stays, and the one that is named is not there: {why}. Start it, or name "
            "another one (MOTET_SERVER, motet config)"
        )
    cause = error.__cause__ or getattr(error.__context__, "__cause__", None)
    nobody = isinstance(cause, (FileNotFoundError, ConnectionRefusedError))  # which says nothing more
    here = f"{home_directory(os.environ)}{'' if nobody else f' ({why})'}"
    return ConnectionError(
        f"{what_for} needs a server that stays, and none runs under {here}. Start one, and use it:\n  motet server\n  {then}"
    )


def connection_for(what_for: str, then: str) -> Steps[Connection]:
    """The connection for questions about deployed apps: in a container, the one it has. Raises as `standing` does."""
    running = container_app()
    if running is not None:
        return running.connection
    found = yield from standing(what_for, then)
    return found.connect()


class StandingApp(RunningApp):
    """A deployed app. Its functions are called by name, also after its server was away."""

    def __init__(
        self,
        deployment: DeploymentView,
        functions: list[tuple[str, str, str]],
        web_urls: list[tuple[str, str, str]],
        declared: Iterable[FunctionSpec],
    ) -> None:
        super().__init__(
            deployment.app_id,
            deployment.name,
            lambda: run_blocking(self.connected()),
            functions,
            web_urls,
            declared,
        )
        self.version = deployment.version

    def connected(self) -> Steps[Connection]:
        """See `RunningApp`."""
        return (yield from connection_for(f"app {self.name!r}", "motet deploy FILE"))


def connection_for_id(wanted: str) -> Steps[tuple[Connection, ByValue]]:
    """A connection for what has an id of its own on a server, and what the other side cannot import: that of an app that runs
    here, or else of the server that stays. Raises `ExecutionError` if there is neither."""
    if (running := any_running()) is not None:
        return running.connection, running.by_value
    if reach.is_substituted():
        raise _nowhere(wanted)
    try:
        found = yield from standing(wanted, "")
    except ConnectionError as error:
        if reach.named(os.environ) is not None:
            raise
        raise _nowhere(wanted) from error
    return found.connect(), by_value_over(found.connect())


def _nowhere(wanted: str) -> ExecutionError:
    return ExecutionError(
        f"{wanted} was asked for, but no app is running in this process, and no server that stays under "
        f"{home_directory(os.environ)}; use `with app.run():`, or start one with `motet server`"
    )


def is_standing(connection: Connection) -> bool:
    """Whether this is a connection to the server that stays: it may come back."""
    return connection in _connections


def by_value_over(connection: Connection) -> ByValue:
    """What containers that do not belong to this program cannot import: its main module; and why they cannot load that by
    value either, if so."""
    return ByValue(frozenset({MAIN}), refusal="" if connection.agreed is None else refusal_of(connection.agreed))


def disconnect() -> None:
    """Close this process's connection; the next question makes another. Idempotent."""
    global _standing, _looked
    with _lock:
        left, _standing, _looked = _standing, None, None
    if left is not None:
        left[1].connect().close()


def _forget_in_child() -> None:
    global _lock
    _lock = threading.RLock()


in_forked_child(_forget_in_child)
