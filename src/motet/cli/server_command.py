"""`motet server`: the server that stays."""

from __future__ import annotations

import os
import time
from typing import Any

import click

from motet.cli.named_server import named_server
from motet.cli.options import ViewCommand, ViewGroup, json_option, print_json
from motet.cli.tables import moment
from motet.cli.terminal import tell
from motet.client.home import home_directory


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
    with named_server() as server:
        asked = time.monotonic()
        views = server.views()
        took = time.monotonic() - asked
        there = server.identity
    about: dict[str, Any] = {
        "address": there.address,
        "pid": there.pid or None,
        "since": there.started_at or None,
        "apps": len(views),
        "containers": sum(len(each.containers) for view in views for each in view.functions),
        "answered_in": took,
    }
    if as_json:
        print_json(about)
        return
    process = f", process {there.pid}, since {moment(there.started_at)}" if there.pid else ""
    tell(f"ready at {there.address}{process}: {about['apps']} apps, {about['containers']} containers")
