"""`motet container`: the containers that live, what they wrote, and their end."""

from __future__ import annotations

import itertools
import sys
from typing import Any

import click

from motet.cli.container_exec import execute
from motet.cli.finding import Candidate, Known, choose, known
from motet.cli.logs_command import Scope, print_logs, reading_of, reading_options
from motet.cli.options import ViewGroup, confirm, json_option, print_json, yes_option
from motet.cli.summary import count
from motet.cli.tables import cell, duration, fitting, state_cell, table
from motet.cli.terminal import console, tell
from motet.errors import InvalidError, NotFoundError
from motet.records.pools import AppRecord
from motet.records.queries import MAX_FOUND
from motet.wire.operator_messages import EndContainer

_MOST_ENDED = 200


@click.group("container", cls=ViewGroup)
def container_command() -> None:
    """Containers that live: list them, read their logs, stop them."""


@container_command.command("list")
@click.option("--app", "--app-id", "app", metavar="APP", help="Only those of this app: its id or name.")
@click.option(
    "--all", "everything", is_flag=True, help=f"Also the last {_MOST_ENDED} that have ended, and how they did."
)
@json_option
def list_containers(*, app: str | None, everything: bool, as_json: bool) -> None:
    """List the containers that live, with their isolation level."""
    with known() as found:
        record = None if app is None else found.app(app)
        rows: list[dict[str, Any]] = [
            {
                "container_id": each.container_id,
                "app_id": view.app_id,
                "app_name": view.name,
                "function_id": function.function_id,
                "function_name": function.name,
                "isolation": each.isolation,
                "state": each.state,
                "running_inputs": each.running_inputs,
                "max_inputs": function.max_inputs,
                "finished_inputs": each.finished_inputs,
                "age": each.age,
                "server_pid": server.identity.pid,
            }
            for server, view, function, each in found.servers.containers()
            if record is None or app in (view.app_id, view.name) or record.app_id == view.app_id
        ]
        if everything:
            rows += _ended(found, record, {row["container_id"] for row in rows})
        if as_json:
            print_json(rows)
            return
        if not rows:
            none = "no server runs" if found.servers.is_empty() else "none lives now"
            tell(f"No containers: {none} under {found.home}.", err=True)
            return
        shown = table(
            "container id",
            "function",
            "state",
            "isolation",
            "running/max",
            "done",
            "age",
            "app",
            *(("end",) if everything else ()),
            right=("running/max", "done", "age"),
        )
        for row in rows:
            shown.add_row(
                row["container_id"],
                cell(row["function_name"], "bold"),
                state_cell(row["state"]),
                cell(row["isolation"] or None),
                cell(None) if row["running_inputs"] is None else f"{row['running_inputs']}/{row['max_inputs']}",
                cell(row["finished_inputs"]),
                duration(row["age"]),
                cell(row["app_name"]),
                *((cell(row.get("end")),) if everything else ()),
            )
        out = console()
        out.print(fitting(shown, out.width))


def _ended(found: Known, app: AppRecord | None, living: set[str]) -> list[dict[str, Any]]:
    """The last ones that have ended, the last started first."""
    apps = {each.app_id: each for each in found.archive.apps()}
    functions = {each.function_id: each for each in found.archive.functions(None if app is None else app.app_id)}
    ended = (
        (each, functions[each.function_id])
        for each in found.archive.containers()
        if each.ended_at is not None and each.function_id in functions and each.container_id not in living
    )
    return [
        {
            "container_id": each.container_id,
            "app_id": function.app_id,
            "app_name": apps[function.app_id].name if function.app_id in apps else "",
            "function_id": function.function_id,
            "function_name": function.name,
            "isolation": each.isolation,
            "state": "ended",
            "running_inputs": None,
            "max_inputs": function.max_inputs,
            "finished_inputs": None,
            "age": (each.ended_at or each.started_at) - each.started_at,
            "server_pid": None,
            "end": each.end,
        }
        for each, function in itertools.islice(ended, _MOST_ENDED)
    ]


@container_command.command("logs")
@click.argument("container")
@click.option("--all", "everything", is_flag=True, help="All lines that are kept (the last 20,000).")
@reading_options
def container_logs(*, container: str, everything: bool, tail: int | None, **reading: Any) -> None:
    """Print what a container wrote. CONTAINER is its id, or the end of it, as `motet run` shows it."""
    if everything and (tail is not None or reading["follow"]):
        raise InvalidError("--all cannot be combined with --tail or --follow.")
    print_logs(Scope(container=container), reading_of(tail=MAX_FOUND if everything else tail, **reading))


@container_command.command("stop")
@click.argument("container")
@click.option("--graceful", is_flag=True, help="Let it finish the inputs it runs; it gets no more.")
@yes_option
def stop_container(*, container: str, graceful: bool, yes: bool) -> None:
    """Stop a container. The inputs it runs are run again in other containers, from the beginning."""
    with known() as found:
        container_id, running = _living(found, container)
        what = "finish first" if graceful else "run again elsewhere, from the beginning"
        confirm(f"{container_id} runs {count(running, 'input')}, which would {what}. Stop it?", yes=yes or not running)
        found.servers.act(EndContainer(container_id, graceful), f"container {container_id} does not live any more")
    tell(f"{'Draining' if graceful else 'Stopping'} {container_id}", err=True)


@container_command.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("container")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def exec_in_container(*, container: str, command: tuple[str, ...]) -> None:
    """Run a command beside a container, such as `motet container exec 8f2k1 -- ps`.

    Containers are processes of this machine, so the command is an ordinary process, too: it gets the container's current
    directory and its environment, and this terminal. It ends with this command, not with the container.
    """
    with known() as found:
        container_id, _ = _living(found, container)
        isolation = next(each.isolation for *_, each in found.servers.containers() if each.container_id == container_id)
        if isolation != "process":
            raise InvalidError(
                f"container {container_id} is within walls (isolation level {isolation!r}), and a command beside it would run "
                "outside of them; have the function run it instead"
            )
        environment = found.servers.environment(container_id)
    sys.exit(execute(container_id, environment, command[1:] if command[0] == "--" else command))


def _living(found: Known, text: str) -> tuple[str, int]:
    """A container that lives, and how many inputs it runs. Raises `NotFoundError`, also for one that has ended."""
    alive = [each for _, _, _, each in found.servers.containers()]
    try:
        place = choose(text, [Candidate(each.container_id, "") for each in alive], "live container", found.home)
    except NotFoundError:
        ended = found.container(text)
        raise NotFoundError(
            f"container {ended.container_id} has ended{': ' + ended.end if ended.end else ''}"
        ) from None
    return alive[place].container_id, alive[place].running_inputs
