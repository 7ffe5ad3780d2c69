"""What `motet app` does with deployed apps and their versions."""

from __future__ import annotations

import time

import click

from motet.cli.deployed import CHANGE_TIMEOUT, history, named_version, version_number
from motet.cli.named_server import named_server
from motet.cli.options import ViewCommand, confirm, json_option, print_json, yes_option
from motet.cli.summary import seconds
from motet.cli.tables import cell, fitting, moment, state_cell, table
from motet.cli.terminal import console, tell
from motet.model.deployment import STRATEGIES, DeploymentView
from motet.model.version import VERSION
from motet.wire.deployment_messages import AppDeployed, PromoteApp, RollBackApp

WHY_SHOWN = 80
"""Characters of why a version ended, in a table: `--json` has all."""


@click.command("history", cls=ViewCommand)
@click.argument("name")
@json_option
def app_history(*, name: str, as_json: bool) -> None:
    """List the versions of a deployed app, newest first: who deployed them, when, and what became of them."""
    with named_server() as server:
        views = history(server, name)
    if as_json:
        print_json(views)
        return
    out = console()
    shown = table(
        "version", "state", "deployed", "by", "strategy", "tag", "commit", "functions", "motet", "ended", "why"
    )
    for view in views:
        is_live = view.state == "live"
        share = f" {view.share:g} %" if view.state == "canary" else ""
        shown.add_row(
            cell(f"v{view.version}", "bold green" if is_live else ""),
            state_cell(f"{view.state}{share}"),
            moment(view.deployed_at),
            cell(view.deployed_by),
            cell(view.strategy if not view.source_version else f"{view.strategy}, as v{view.source_version}"),
            cell(view.tag or None),
            cell(view.commit or None),
            cell(view.functions),
            cell(view.client or None),
            moment(view.ended_at),
            cell(_shortened(view.why.strip().rpartition("\n")[2]) or None, "red" if view.state == "failed" else ""),
        )
    out.print(fitting(shown, out.width))


@click.command("rollback", cls=ViewCommand)
@click.argument("name")
@click.argument("version", required=False)
@click.option("--strategy", type=click.Choice(STRATEGIES[:2]), default="rolling", show_default=True)
def app_rollback(*, name: str, version: str | None, strategy: str) -> None:
    """Deploy an old version once more, as the next one.

    VERSION is one of `motet app history` (v5, or 5). Without it: the one before; if there is a canary, that is taken away.
    """
    number = 0 if version is None else version_number(version)
    began = time.monotonic()
    with named_server() as server:
        request = RollBackApp(name, number, strategy, VERSION)  # type: ignore[arg-type]
        view = server.ask(request, AppDeployed, CHANGE_TIMEOUT).deployment
    as_before = f", as v{view.source_version}" if view.source_version else ""
    tell(f"{named_version(view)} has the name{as_before}, after {seconds(time.monotonic() - began)}")


@click.command("promote", cls=ViewCommand)
@click.argument("name")
@yes_option
def app_promote(*, name: str, yes: bool) -> None:
    """Give a canary all inputs: it takes the place of the version beside it."""
    began = time.monotonic()
    with named_server() as server:
        canary = _canary(history(server, name), name)
        confirm(f"Give {named_version(canary)} all inputs?", yes=yes)
        view = server.ask(PromoteApp(name), AppDeployed, CHANGE_TIMEOUT).deployment
    tell(f"{named_version(view)} has the name, after {seconds(time.monotonic() - began)}")


def _canary(views: list[DeploymentView], name: str) -> DeploymentView:
    found = next((view for view in views if view.state == "canary"), None)
    if found is None:
        raise click.ClickException(f"App {name!r} has no canary: `motet deploy --strategy canary` makes one")
    return found


def _shortened(why: str) -> str:
    return why if len(why) <= WHY_SHOWN else why[: WHY_SHOWN - 3] + "..."
