"""`motet server`: the server that stays."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import click

from motet.cli.named_server import named_server
from motet.cli.options import MomentType, ViewCommand, ViewGroup, json_option, json_text, print_json
from motet.cli.tables import cell, fitting, moment, table
from motet.cli.terminal import console, tell
from motet.client.home import home_directory, standing_directory
from motet.client.variables import misspelled
from motet.server.wiring import audit_entries


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
        from motet.server.driver import logger
        from motet.server.log_format import log_json, wants_json
        from motet.server.standing import stand

        say: Callable[[str], None] = tell
        if wants_json(os.environ):
            log_json()
            say = logger.info
        for problem in misspelled(os.environ):
            logger.warning("%s", problem)
        ctx.exit(stand(home_directory(os.environ), port, say, tell))


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


@server_command.command("audit", cls=ViewCommand)
@click.option(
    "--since", type=MomentType(), metavar="TIME", help="From then on: 30s, 5m, 2h, 1d ago, or 2026-01-31T12:00."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def audit(*, since: float | None, as_json: bool) -> None:
    """Tell who did what with the server under MOTET_HOME, the oldest first: what it wrote down, whether it runs now or not."""
    entries = audit_entries(standing_directory(home_directory(os.environ)), since)
    if as_json:
        for each in entries:
            tell(json_text(each))
        return
    out = console()
    shown = table("at", "who", "from", "what", "about", "outcome")
    for each in entries:
        who = each.who or "a stranger"
        missing = f" ({each.lost} before this were not kept)" if each.lost else ""
        shown.add_row(
            cell(moment(each.at)),
            cell(who, "bold"),
            cell(each.where),
            cell(each.what),
            cell(", ".join(f"{name}={value}" for name, value in each.about.items())),
            cell(f"{each.outcome}{': ' if each.why else ''}{each.why}{missing}"),
        )
    if not shown.row_count:
        tell("Nothing was written down" + (" since then." if since else "."), err=True)
        return
    out.print(fitting(shown, out.width))
