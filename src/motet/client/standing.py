"""The server that stays, for those who need one: the one that MOTET_SERVER names, or that of the home directory."""

from __future__ import annotations

import os
import threading

from motet.client import reach
from motet.client.connection import Connection
from motet.client.dual import Steps
from motet.client.own_connection import OwnConnection
from motet.client.reach import NamedServer, Reachable, SocketServer
from motet.client.running_app import container_app
from motet.errors import ConnectionError


class Standing:
    """A server that stays, and this process's connection to it."""

    def __init__(self, server: Reachable) -> None:
        self.server = server
        self.connect = OwnConnection(server.reconnect, server.connection)


_lock = threading.RLock()
_standing: tuple[NamedServer | None, Standing] | None = None


def standing(what_for: str) -> Steps[Standing]:
    """The server that stays; the same for the whole process, as long as the same one is named. `what_for`: for the error.

    Raises `ConnectionError` if there is none, and `InvalidError` for a name that makes no sense.
    """
    global _standing
    where = None if reach.is_substituted() else reach.named({"MOTET_SERVER": "home", **os.environ})
    with _lock:
        known = _standing
        if known is not None and known[0] == where and not known[1].connect().ended:
            return known[1]
        found = _standing = where, Standing(_reach(where, what_for))
    yield from found[1].server.wait_started()
    return found[1]


def _reach(where: NamedServer | None, what_for: str) -> Reachable:
    if where is None:
        return reach.acquire()
    try:
        return SocketServer(where, os.environ)
    except ConnectionError as error:
        raise ConnectionError(
            f"{what_for} needs a server that stays: {str(error).partition('. Start a server')[0]}. Start one with "
            "`motet server`, or name one in MOTET_SERVER"
        ) from None


def connection_for(what_for: str) -> Steps[Connection]:
    """The connection for questions about deployed apps: in a container, the one it has. Raises as `standing` does."""
    running = container_app()
    if running is not None:
        return running.connection
    found = yield from standing(what_for)
    return found.connect()


def _forget_in_child() -> None:
    global _lock
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_forget_in_child)
