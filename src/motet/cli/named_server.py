"""The one server that commands about a server mean: that which MOTET_SERVER names, or else the one under MOTET_HOME."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from motet.cli.servers import LiveServer
from motet.client.cluster import Cluster, ServerPlace
from motet.client.ground import ground
from motet.client.home import home_directory, standing_directory, standing_socket
from motet.client.reach import NamedServer, named
from motet.client.settings import settings
from motet.errors import ConnectionError
from motet.model.server_identity import ServerIdentity


def is_elsewhere() -> bool:
    """Whether a server is named that is not the one under MOTET_HOME. Raises `InvalidError` for a name that makes no sense."""
    there = named(os.environ)
    return there is not None and there.addresses != (f"unix:{standing_socket(home_directory(os.environ))}",)


@contextlib.contextmanager
def named_server() -> Iterator[LiveServer]:
    """A connection to it, or to that of several which leads, for as long as the block runs. Raises `ConnectionError`, which
    says who has the home, if anybody."""
    from motet.server.wiring import home_holder  # late: commands that deploy have a connection of their own

    home = home_directory(os.environ)
    there = named(os.environ)
    holder = home_holder(standing_directory(home)) if there is None else None
    where = there or NamedServer(f"unix:{standing_socket(home)}", settings(os.environ)["token"].value)
    pid, since = (0, 0.0) if holder is None else (holder.pid, holder.since)
    try:
        leads = ServerPlace(where.address, where.fingerprint)
        if where.others:
            leads = Cluster(ground(), where.addresses, where.fingerprint, where.token).leader()
        server = LiveServer(ServerIdentity("", pid, since, leads.address, where.token), leads.fingerprint)
    except ConnectionError as error:
        if there is not None:
            said = settings(os.environ)["server"].source
            if not said.startswith("profile"):
                raise
            raise ConnectionError(f"{error} (that server is named by the {said})") from None
        if holder is not None:
            raise ConnectionError(f"the server of {home} is not ready: {holder} ({error})") from None
        nobody = isinstance(error.__cause__, (FileNotFoundError, ConnectionRefusedError))
        why = "" if nobody else f" ({error})"
        raise ConnectionError(f"no server runs under {home}{why}: `motet server` starts one") from None
    try:
        yield server
    finally:
        server.close()
