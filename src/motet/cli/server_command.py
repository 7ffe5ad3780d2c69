"""`motet server`: the server that stays."""

from __future__ import annotations

import os
import time
from typing import Any

import click

from motet.cli.options import ViewCommand, ViewGroup, json_option, print_json
from motet.cli.servers import LiveServer
from motet.cli.terminal import tell
from motet.client.home import home_directory, standing_directory, standing_socket
from motet.client.reach import NamedServer, named
from motet.errors import ConnectionError
from motet.model.server_identity import ServerIdentity
from motet.server.wiring import home_holder


@click.group("server", cls=ViewGroup, invoke_without_command=True)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Listen on this port of 127.0.0.1, too, for clients that show a token; 0 is a free one.",
)
@click.pass_context
def server_command(ctx: click.Context, *, port: int | None) -> None:
    """Be a server that stays: the one under MOTET_HOME, until SIGTERM or Ctrl-C.

    Programs use it with MOTET_SERVER=home, or `motet run --server home`.
    """
    if ctx.invoked_subcommand is None:
        # Late: its subcommands do without the server's code.
        from motet.server.standing import stand

        ctx.exit(stand(home_directory(os.environ), port, tell))


@server_command.command("status", cls=ViewCommand)
@json_option
def status(*, as_json: bool) -> None:
    """Say whether the server is ready: the one that MOTET_SERVER names, or that under MOTET_HOME. Exit status 0: it is."""
    home = home_directory(os.environ)
    named_one = named(os.environ)
    where = named_one or NamedServer(f"unix:{standing_socket(home)}", os.environ.get("MOTET_TOKEN", ""))
    holder = home_holder(standing_directory(home)) if named_one is None else None
    try:
        pid, since = (holder.pid, holder.since) if holder is not None else (0, 0.0)
        server = LiveServer(ServerIdentity("", pid, since, where.address, where.token))
    except ConnectionError as error:
        if holder is not None:
            raise ConnectionError(f"the server of {home} is not ready: {holder} ({error})") from None
        raise ConnectionError(f"no server is there: {error}") from None
    try:
        asked = time.monotonic()
        views = server.views()
        took = time.monotonic() - asked
    finally:
        server.close()
    about: dict[str, Any] = {
        "address": where.address,
        "pid": None if holder is None else holder.pid,
        "since": None if holder is None else holder.since,
        "apps": len(views),
        "containers": sum(len(each.containers) for view in views for each in view.functions),
        "answered_in": took,
    }
    if as_json:
        print_json(about)
        return
    process = f", {holder}" if holder is not None else ""
    tell(f"ready at {where.address}{process}: {about['apps']} apps, {about['containers']} containers")
