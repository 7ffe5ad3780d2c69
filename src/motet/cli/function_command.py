"""`motet function`: functions, their inputs in numbers and one by one, and the bounds of their pools."""

from __future__ import annotations

import time
from typing import Any

import click
import msgspec
from rich.text import Text

from motet.cli.app_command import function_rows, functions_table, view_of
from motet.cli.finding import Known, known
from motet.cli.function_stats import Percentiles, RecordedStats, execution, function_stats, queuing, stats_json
from motet.cli.options import (
    MomentType,
    ViewGroup,
    bounds_options,
    json_option,
    moment_options,
    option_name,
    print_json,
)
from motet.cli.summary import count
from motet.cli.tables import cell, duration, fitting, kind_word, moment, state_cell, table
from motet.cli.terminal import console, tell
from motet.errors import InvalidError, NotFoundError
from motet.model.ids import input_id
from motet.model.scaling import AutoscalerSettings, AutoscalerUpdate
from motet.records.facts import DecisionRecord
from motet.records.pools import FunctionRecord
from motet.records.queries import MAX_FOUND, InputQuery
from motet.sdk.options.specification import update_from
from motet.wire.client_messages import AutoscalerUpdated, UpdateAutoscaler
from motet.wire.operator_messages import ViewSettings

app_option = click.option(
    "--app", metavar="APP", help="The app it is of (id or name), where several have one of that name."
)

_NUMBERS = ("wanted", "live", "starting", "waiting", "running")


@click.group("function", cls=ViewGroup)
def function_command() -> None:
    """Functions: what they do, and how their pools scale. FUNCTION is an id or a name."""


@function_command.command("list")
@click.option("--app", metavar="APP", help="Only those of this app: its id or name.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many to list.")
@json_option
def list_functions(*, app: str | None, limit: int, as_json: bool) -> None:
    """List functions, those of the app started last first."""
    with known() as found:
        apps = {each.app_id: each for each in found.archive.apps()}
        order = {app_id: place for place, app_id in enumerate(apps)}
        functions = found.archive.functions(None if app is None else found.app(app).app_id)
        functions.sort(key=lambda each: order.get(each.app_id, len(order)))
        rows = function_rows(functions[:limit], apps, view_of(*(view for _, view in found.servers.views())))
        if as_json:
            print_json(rows)
        elif rows:
            out = console()
            out.print(fitting(functions_table(rows, with_app=True), out.width))
        else:
            tell(f"No functions are known under {found.home}.", err=True)


@function_command.command("stats")
@click.argument("function")
@app_option
@click.option("--container", metavar="ta-...", help="Only what went on in this container.")
@moment_options
@json_option
def show_stats(
    *, function: str, app: str | None, container: str | None, since: float | None, until: float | None, as_json: bool
) -> None:
    """Show how a function's inputs ended, and how long they waited and ran (of the last 20,000)."""
    with known() as found:
        record = _function(found, function, app)
        container_id = None if container is None else found.container(container).container_id
        meant, of_app = _meant(found, record, function)
        same = _same(found, record, of_app)
        query = InputQuery(
            function=meant, app=of_app, container_id=container_id, since=since, until=until, limit=MAX_FOUND
        )
        inputs = found.archive.inputs(query)
        containers = [
            each
            for each in found.archive.containers(meant)
            if each.function_id in same
            and container_id in (None, each.container_id)
            and (since is None or (each.ended_at or float("inf")) >= since)
            and (until is None or each.started_at <= until)
        ]
        stats = function_stats(inputs, containers)
        running = found.servers.function(record.function_id)
        view = None if running is None else running[1]
        now = (
            None
            if view is None
            else {"running": view.running_inputs, "waiting": view.waiting_inputs, "containers": len(view.containers)}
        )
        if as_json:
            print_json(
                {"function_id": record.function_id, "function_name": record.name, **stats_json(stats), "now": now}
            )
            return
        out = console()
        out.print(Text.assemble((f"{record.name}  ", "bold"), record.function_id))
        if now is not None:
            out.print(
                f"now: {now['running']:,} running, {now['waiting']:,} waiting, {count(now['containers'], 'container')}"
            )
        _print_stats(out, stats)
        if len(inputs) == MAX_FOUND:
            out.print(Text(f"Of the last {MAX_FOUND:,} inputs; --until shows earlier ones.", style="dim"))


@function_command.command("calls")
@click.argument("function")
@app_option
@click.option(
    "-n", "--limit", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many inputs to list."
)
@moment_options
@json_option
def list_calls(
    *, function: str, app: str | None, limit: int, since: float | None, until: float | None, as_json: bool
) -> None:
    """List a function's inputs: those that wait or run, then the ones that ended last."""
    with known() as found:
        record = _function(found, function, app)
        meant, of_app = _meant(found, record, function)
        running = view_of(*(view for _, view in found.servers.views())) if until is None else {}
        same = running.keys() & _same(found, record, of_app)
        rows = [row for function_id in sorted(same) for row in _live_rows(found, function_id, limit)]
        query = InputQuery(function=meant, app=of_app, since=since, until=until, limit=limit)
        rows += _ended_rows(found, query, {row["input_id"] for row in rows})
        rows = [row for row in rows if since is None or row["ended_at"] or row["submitted_at"] >= since][:limit]
        if as_json:
            print_json(rows)
            return
        has_methods = any(row["method"] for row in rows)
        extra = ["method"] if has_methods else []
        shown = table(
            "input id",
            *extra,
            "status",
            "queuing",
            "execution",
            "attempts",
            "submitted",
            "container id",
            right=("queuing", "execution", "attempts"),
        )
        for row in rows:
            shown.add_row(
                row["input_id"],
                *([cell(row["method"])] if has_methods else []),
                state_cell(row["status"]),
                duration(row["queuing_seconds"]),
                duration(row["execution_seconds"]),
                cell(row["attempts"], "yellow" if row["attempts"] > 1 else ""),
                moment(row["submitted_at"]),
                row["container_id"] or "-",
            )
        if rows:
            out = console()
            out.print(fitting(shown, out.width))
        else:
            tell(f"{record.name} has had no inputs{' then' if since or until else ''}.", err=True)


@function_command.group("autoscaler", cls=ViewGroup)
def autoscaler_group() -> None:
    """The bounds within which a function's pool scales, and why it had the sizes it had."""


@autoscaler_group.command("settings")
@click.argument("function")
@app_option
@json_option
def show_settings(*, function: str, app: str | None, as_json: bool) -> None:
    """Show a pool's bounds, and why it has the size it has."""
    with known() as found:
        record = _function(found, function, app)
        running = found.servers.function(record.function_id)
        if running is None:
            raise _not_running(record)
        server, view = running
        settings = server.ask(ViewSettings(record.function_id), AutoscalerUpdated).settings
        _print_settings(record, settings, as_json=as_json, decision=view.last_decision, shortage=view.shortage)


@autoscaler_group.command("decisions")
@click.argument("function")
@app_option
@click.option(
    "-n", "--limit", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many decisions to list."
)
@click.option(
    "--since", type=MomentType(), metavar="TIME", help="From then on: 30s, 5m, 2h, 1d ago, or 2026-01-31T12:00."
)
@json_option
def list_decisions(*, function: str, app: str | None, limit: int, since: float | None, as_json: bool) -> None:
    """List why a pool was to have another size, the latest last; also when it has ended."""
    with known() as found:
        record = _function(found, function, app)
        decisions = found.archive.facts(DecisionRecord, [record.function_id], since=since, limit=limit)
        if as_json:
            print_json([msgspec.structs.asdict(each) for each in decisions])
        elif decisions:
            shown = table("at", "wanted", "live", "starting", "waiting", "running", "reason", right=_NUMBERS)
            for each in decisions:
                counts = (each.desired, each.live, each.starting, each.waiting_inputs, each.running_inputs)
                shown.add_row(moment(each.at), *map(cell, counts), cell(each.reason))
            console().print(shown)
        else:
            tell(f"No decision about the size of {record.name} is kept.", err=True)


@autoscaler_group.command("update")
@click.argument("function")
@app_option
@bounds_options
@json_option
def update_settings(*, function: str, app: str | None, as_json: bool, **bounds: Any) -> None:
    """Change a pool's bounds while it runs; what is not given stays. They hold until the app ends."""
    change = update_from(bounds)
    if change == AutoscalerUpdate():
        raise InvalidError(f"give at least one of {', '.join(map(option_name, bounds))}, other than a maximum of 0")
    with known() as found:
        record = _function(found, function, app)
        running = found.servers.function(record.function_id)
        if running is None:
            raise _not_running(record)
        settings = running[0].ask(UpdateAutoscaler(record.function_id, change), AutoscalerUpdated).settings
        _print_settings(record, settings, as_json=as_json)


def _function(found: Known, text: str, app: str | None) -> FunctionRecord:
    """The one that is meant; one that runs, if there are several of that name."""
    if app is None:
        names = {each.function_id: each.name for _, view in found.servers.views() for each in view.functions}
        same = [function_id for function_id, name in names.items() if name == text]
        records = [found.function(function_id) for function_id in same]
        own = [record for record in records if record.variant_of is None] or records
        if len(own) > 1:
            ids = ", ".join(record.function_id for record in own)
            raise InvalidError(f"{len(own)} functions named {text!r} run; say which with --app, or by its id: {ids}")
        if own:
            return own[0]
    return found.function(text, None if app is None else found.app(app))


def _meant(found: Known, record: FunctionRecord, text: str) -> tuple[str, str | None]:
    """What to ask by, a function and an app: by its name, that of a deployed app is meant in all versions of it."""
    deployed = None if text != record.name else found.deployment(record.app_id)
    return (record.function_id, None) if deployed is None else (record.name, deployed.name)


def _same(found: Known, record: FunctionRecord, app: str | None) -> set[str]:
    """The ids of the functions that are asked about."""
    if app is None:
        return {record.function_id}
    return {each.function_id for each in found.archive.functions(app) if each.name == record.name}


def _not_running(record: FunctionRecord) -> NotFoundError:
    return NotFoundError(f"function {record.name} ({record.function_id}) does not run any more, so it has no pool")


def _print_settings(
    record: FunctionRecord, settings: AutoscalerSettings, *, as_json: bool, decision: str = "", shortage: str = ""
) -> None:
    plain: dict[str, Any] = msgspec.to_builtins(settings)
    if as_json:
        told = {"last_decision": decision, "shortage": shortage} if decision else {}
        print_json({"function_id": record.function_id, "function_name": record.name, **plain, **told})
        return
    out = console()
    out.print(Text.assemble((f"{record.name}  ", "bold"), record.function_id))
    for name, value in plain.items():
        out.print(f"{name:<18} {'no limit' if value is None else format(value, 'g')}")
    for why in (decision, shortage):
        if why:
            out.print(Text(why, style="dim"))


def _print_stats(out: Any, stats: RecordedStats) -> None:
    total = sum(stats.inputs.values())
    line = Text(f"{count(total, 'input')} ended")
    for word, number in stats.inputs.items():
        line += Text(f"  {number:,} ") + state_cell(word)
    out.print(line)
    if stats.retried or stats.redelivered:
        retries, redeliveries = (
            f"{stats.retried:,} because the code failed",
            f"{stats.redelivered:,} because a container was lost",
        )
        out.print(f"attempts after the first: {retries}, {redeliveries}")
    out.print(f"{count(stats.containers_started, 'container')} started, {stats.containers_ended:,} of them ended")
    shown = table("seconds", "p50", "p95", "p99", "most", right=("p50", "p95", "p99", "most"))
    parts: list[tuple[str, Percentiles]] = [
        ("queuing", stats.waits),
        ("execution", stats.runs),
        ("in all", stats.totals),
        ("cold start", stats.cold_starts),
    ]
    for name, each in parts:
        shown.add_row(name, *(duration(value) for value in (each.p50, each.p95, each.p99, each.most)))
    out.print(shown)


def _live_rows(found: Known, function_id: str, limit: int) -> list[dict[str, Any]]:
    now = time.time()
    return [
        {
            "input_id": view.input_id,
            "function_call_id": view.call_id,
            "method": view.method,
            "submitted_at": view.submitted_at,
            "ended_at": None,
            "queuing_seconds": (view.delivered_at or now) - view.submitted_at,
            "execution_seconds": now - view.delivered_at if view.delivered_at else None,
            "attempts": view.attempts,
            "status": view.state,
            "container_id": view.container_id,
        }
        for view in found.servers.inputs(function_id=function_id, limit=limit)
    ]


def _ended_rows(found: Known, query: InputQuery, known_ids: set[str]) -> list[dict[str, Any]]:
    ended = found.archive.inputs(query)
    calls = {call_id: found.archive.call(call_id) for call_id in {each.call_id for each in ended}}
    rows = []
    for each in ended:
        summary = calls[each.call_id]
        if (found_id := input_id(each.call_id, each.index)) not in known_ids:
            rows.append(
                {
                    "input_id": found_id,
                    "function_call_id": each.call_id,
                    "method": "" if summary is None else summary.call.method,
                    "submitted_at": each.submitted_at,
                    "ended_at": each.ended_at,
                    "queuing_seconds": queuing(each),
                    "execution_seconds": execution(each),
                    "attempts": len(each.attempts),
                    "status": kind_word(each.kind),
                    "container_id": each.container_id or None,
                }
            )
    return rows
