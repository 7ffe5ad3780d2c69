"""`motet app`: the apps that run, and that ran."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import click
import msgspec
from rich.text import Text

from motet.cli.deployed import named_version, version_number, version_of
from motet.cli.deployed_commands import app_history, app_promote, app_rollback
from motet.cli.finding import Known, known
from motet.cli.logs_command import Scope, print_logs, reading_of, reading_options, scope_options
from motet.cli.named_server import named_server
from motet.cli.options import ViewGroup, confirm, json_option, print_json, yes_option
from motet.cli.servers import STOP_TIMEOUT
from motet.cli.tables import cell, duration, fitting, moment, state_cell, table
from motet.cli.terminal import console, tell
from motet.errors import NotFoundError
from motet.model.deployment import DeploymentView
from motet.model.views import AppView, FunctionView
from motet.records.pools import AppRecord, FunctionRecord
from motet.wire.client_messages import Done, StopApp
from motet.wire.deployment_messages import StopDeployed


@click.group("app", cls=ViewGroup)
def app_command() -> None:
    """Apps that run, and that ran, and versions of those that are deployed."""


for command in (app_history, app_rollback, app_promote):
    app_command.add_command(command)


@app_command.command("list")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many to list.")
@json_option
def list_apps(*, limit: int, as_json: bool) -> None:
    """List apps, those started last first."""
    with known() as found:
        deployed = {view.app_id: view for view in found.deployments()}
        views = {view.app_id: view for _, view in found.servers.views()}
        apps = found.archive.apps()
        # What runs on a server elsewhere has its records there.
        known_here = {app.app_id for app in apps}
        elsewhere = [it for app_id, it in views.items() if app_id not in known_here]
        apps = [_record(view, deployed.get(view.app_id)) for view in elsewhere] + apps
        rows = [app_json(app, views.get(app.app_id), deployed.get(app.app_id)) for app in apps[:limit]]
        if as_json:
            print_json(rows)
            return
        if not rows:
            tell(f"No app has run here yet (its records would be under {found.home}).", err=True)
            return
        out = console()
        shown = table(
            "app id",
            "name",
            "state",
            "version",
            "running",
            "waiting",
            "containers",
            "started",
            "stopped",
            "time",
            right=("containers", "running", "waiting"),
        )
        for row in rows:
            ended = row["ended_at"] or (None if row["state"] == "ended" else time.time())
            shown.add_row(
                row["app_id"],
                cell(row["name"], "bold"),
                state_cell(row["state"]),
                cell(None if row["version"] is None else f"v{row['version']}"),
                *(cell(row[name]) for name in ("running_inputs", "waiting_inputs", "containers")),
                moment(row["started_at"]),
                moment(row["ended_at"]),
                duration(None if ended is None else ended - row["started_at"]),
            )
        out.print(fitting(shown, out.width))
        if len(apps) > limit:
            tell(f"{len(apps) - limit} older apps: --limit {len(apps)} lists them, too.", err=True)


@app_command.command("info")
@click.argument("app")
@json_option
def app_info(*, app: str, as_json: bool) -> None:
    """Show an app and its functions. APP is an id or a name: then the version that serves is meant, or the app of that name
    started last."""
    with known() as found:
        record = found.app(app)
        view = next((view for _, view in found.servers.views() if view.app_id == record.app_id), None)
        functions = function_rows(found.archive.functions(record.app_id), {record.app_id: record}, view_of(view))
        deployed = next((it for it in found.deployments() if it.app_id == record.app_id), None)
        about = app_json(record, view, deployed)
        if as_json:
            print_json({**about, "functions": functions})
            return
        out = console()
        version = "" if about["version"] is None else f" v{about['version']}"
        name = cell(f"{about['name']}{version}", "bold")
        out.print(Text.assemble(name, f"  {about['app_id']}  ", state_cell(about["state"])))
        ended = f", ended {moment(record.ended_at)}" if record.ended_at else ""
        out.print(f"started {moment(record.started_at)}{ended}", style="dim")
        out.print(fitting(functions_table(functions, with_app=False), out.width))


@app_command.command("stop")
@click.argument("app")
@yes_option
def stop_app(*, app: str, yes: bool) -> None:
    """Stop an app that runs: its inputs are cancelled, its containers stop. APP is an id or a name.

    A deployed app is stopped with all of its versions, and its name is nobody's any more. Its history stays.
    """
    with known() as found:
        if (view := found.deployment(app)) is not None:
            _stop_deployed(found, view, yes=yes)
            return
        record = running_app(found, app)
        confirm(f"Stop app {record.name} ({record.app_id}) and cancel all of its inputs?", yes=yes)
        found.servers.act(StopApp(record.app_id), f"app {record.app_id} does not run any more")
    tell(f"Stopped {record.name} ({record.app_id})", err=True)


@app_command.command("logs")
@click.argument("app")
@scope_options
@click.option("--version", metavar="VERSION", help="Only lines of this version of a deployed app (v5, or 5).")
@reading_options
def app_logs(
    *,
    app: str,
    version: str | None,
    function: str | None,
    function_call: str | None,
    input_id: str | None,
    container: str | None,
    **reading: Any,
) -> None:
    """Print what an app's functions wrote: the last 100 lines, or those that the options ask for.

    APP is an id, or a name: then all apps of that name are meant, and all versions of a deployed one.
    """
    if version is not None:
        with named_server() as server:
            app = version_of(server, app, version_number(version)).app_id
    print_logs(Scope(app, function, function_call, input_id, container), reading_of(**reading))


def running_app(found: Known, text: str) -> AppRecord:
    """An app that runs. Raises `NotFoundError`, also for one that has ended, or `InvalidError` if several have that name."""
    views = [view for _, view in found.servers.views()]
    same = [view for view in views if text in (view.app_id, view.name)]
    if len(same) > 1:
        ids = ", ".join(view.app_id for view in same)
        raise click.UsageError(f"{len(same)} apps named {text!r} run; say which by its id: {ids}")
    if same:
        return AppRecord(same[0].app_id, same[0].name, 0.0)
    record = found.app(text)
    if record.app_id not in {view.app_id for view in views}:
        raise NotFoundError(f"app {record.name} ({record.app_id}) does not run any more")
    return record


def _stop_deployed(found: Known, view: DeploymentView, *, yes: bool) -> None:
    confirm(f"Stop {named_version(view)}, cancel all of its inputs, and take the name from it?", yes=yes)
    assert found.server is not None
    found.server.ask(StopDeployed(view.name), Done, STOP_TIMEOUT)
    tell(f"Stopped {named_version(view)}", err=True)


def _record(view: AppView, deployed: DeploymentView | None) -> AppRecord:
    return AppRecord(view.app_id, view.name, 0.0 if deployed is None else deployed.deployed_at)


def app_json(app: AppRecord, view: AppView | None, deployed: DeploymentView | None = None) -> dict[str, Any]:
    """An app and what it does now."""
    functions = () if view is None else view.functions
    live = view is not None
    return {
        **msgspec.to_builtins(app),
        "state": _state(view, deployed),
        "version": view.version or None if view is not None else None,
        "containers": sum(len(each.containers) for each in functions) if live else None,
        "running_inputs": sum(each.running_inputs for each in functions) if live else None,
        "waiting_inputs": sum(each.waiting_inputs for each in functions) if live else None,
    }


def _state(view: AppView | None, deployed: DeploymentView | None) -> str:
    if view is None:
        return "ended"
    if view.version:
        return "draining" if deployed is None else "canary" if deployed.state == "canary" else "deployed"
    return "detached" if view.is_detached else "running"


def view_of(*apps: AppView | None) -> dict[str, FunctionView]:
    """Functions by their ids."""
    return {each.function_id: each for app in apps if app is not None for each in app.functions}


def function_rows(
    functions: list[FunctionRecord], apps: Mapping[str, AppRecord], views: Mapping[str, FunctionView]
) -> list[dict[str, Any]]:
    """Functions, and what those that run do now."""
    rows = []
    for record in functions:
        view = views.get(record.function_id)
        app = apps.get(record.app_id)
        numbers = ("waiting_inputs", "running_inputs", "succeeded_inputs", "failed_inputs", "cancelled_inputs")
        rows.append(
            {
                **msgspec.to_builtins(record),
                "app_name": "" if app is None else app.name,
                "state": "ended" if view is None else "running",
                "containers": None if view is None else len(view.containers),
                **{name: None if view is None else getattr(view, name) for name in numbers},
                "last_decision": "" if view is None else view.last_decision,
                "shortage": "" if view is None else view.shortage,
            }
        )
    return rows


def functions_table(rows: list[dict[str, Any]], *, with_app: bool) -> Any:
    """Functions as a table."""
    numbers = ("running", "waiting", "done", "failed", "containers", "target/max")
    shown = table("function id", "name", *numbers, *(["app"] if with_app else []), right=numbers)
    for row in rows:
        shown.add_row(
            row["function_id"],
            cell(row["name"] + (" (variant)" if row["variant_of"] else ""), "bold"),
            *(cell(row[name]) for name in ("running_inputs", "waiting_inputs", "succeeded_inputs")),
            cell(row["failed_inputs"], "bold red" if row["failed_inputs"] else ""),
            cell(row["containers"]),
            f"{row['target_inputs']}/{row['max_inputs']}",
            *([cell(row["app_name"])] if with_app else []),
        )
    return shown
