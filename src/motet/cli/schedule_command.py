"""`motet schedule`: when deployed functions run by themselves, and what became of the last time."""

from __future__ import annotations

import click

from motet.cli.named_server import named_server
from motet.cli.options import ViewGroup, json_option, print_json
from motet.cli.servers import STOP_TIMEOUT
from motet.cli.tables import cell, fitting, moment, state_cell, table
from motet.cli.terminal import console, tell
from motet.model.schedule import ScheduleView
from motet.wire.schedule_messages import ChangeSchedule, ListSchedules, RunScheduled, ScheduledRun, SchedulesListed


@click.group("schedule", cls=ViewGroup)
def schedule_command() -> None:
    """Schedules of deployed functions: when they run next, and what became of the last time."""


@schedule_command.command("list")
@click.argument("app", required=False, default="")
@json_option
def list_schedules(*, app: str, as_json: bool) -> None:
    """List schedules, those that are next first; of one app, or of all of them. Times are local."""
    with named_server() as server:
        views = server.ask(ListSchedules(app), SchedulesListed).found
    if as_json:
        print_json(views)
        return
    if not views:
        whose = f"app {app}" if app else "deployed apps"
        tell(f"No function of {whose} has a schedule: @app.function(schedule=motet.Cron(...)) gives it one.", err=True)
        return
    out = console()
    shown = table("app", "function", "next run", "schedule", "state", "last run", "call", "note")
    for view in views:
        shown.add_row(
            cell(view.app),
            cell(view.function, "bold"),
            moment(view.next_at),
            cell(view.when),
            state_cell("paused" if view.paused else "on"),
            moment(view.ran_at),
            cell(view.call_id or None),
            cell(view.note or None),
        )
    out.print(fitting(shown, out.width))


@schedule_command.command("pause")
@click.argument("app")
@click.argument("function")
def pause_schedule(*, app: str, function: str) -> None:
    """Have a function of a deployed app not run by itself, until `motet schedule resume`. Runs that have begun go on."""
    _change(app, function, paused=True)
    tell(f"Paused {function} of {app}", err=True)


@schedule_command.command("resume")
@click.argument("app")
@click.argument("function")
def resume_schedule(*, app: str, function: str) -> None:
    """Have it run by itself again. What would have run meanwhile is not made up for."""
    view = _change(app, function, paused=False)
    tell(f"Resumed {function} of {app}: its next run is at {moment(view.next_at)}", err=True)


@schedule_command.command("run")
@click.argument("app")
@click.argument("function")
def run_scheduled(*, app: str, function: str) -> None:
    """Run it now, whatever its schedule says and also while that is paused; print the id of its call."""
    with named_server() as server:
        call_id = server.ask(RunScheduled(app, function), ScheduledRun, STOP_TIMEOUT).call_id
    tell(call_id)
    tell(f"{function} of {app} runs; how it ends: motet call {call_id}", err=True)


def _change(app: str, function: str, *, paused: bool) -> ScheduleView:
    with named_server() as server:
        return server.ask(ChangeSchedule(app, function, paused), SchedulesListed).found[0]
