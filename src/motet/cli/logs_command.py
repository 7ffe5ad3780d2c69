"""`motet logs`, and the same for one app or container: lines of runs that go on, and of those that have ended."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, NamedTuple, TypeVar

import click

from motet.cli.finding import Known, known
from motet.cli.log_lines import Columns, line_json, lines_text
from motet.cli.look import Look, look_of
from motet.cli.options import ViewCommand, json_text, moment_options
from motet.cli.terminal import tell
from motet.errors import InvalidError
from motet.model.ids import checked_id
from motet.records.logs import LogLine, LogSource
from motet.records.queries import MAX_FOUND, LogQuery

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_TAIL = 100


class Scope(NamedTuple):
    """Whose lines: ids or names as they were given."""

    app: str | None = None
    function: str | None = None
    function_call: str | None = None
    input_id: str | None = None
    container: str | None = None
    sandbox: str | None = None
    """Its whole id."""


class Reading(NamedTuple):
    """Which of those lines, and how they are shown."""

    source: LogSource | None
    search: str | None
    since: float | None
    until: float | None
    tail: int | None
    follow: bool
    columns: Columns
    as_json: bool


def scope_options(command: F) -> F:
    """The filters by whom lines are of."""
    for option in (
        click.option("--container", metavar="ta-...", help="Only lines of this container: its id, or the end of it."),
        click.option("--input", "input_id", metavar="in-...", help="Only lines of this input."),
        click.option("--function-call", metavar="fc-...", help="Only lines of this function call."),
        click.option("--function", metavar="FUNCTION", help="Only lines of this function: its id or name."),
    ):
        command = option(command)
    return command


def reading_options(command: F) -> F:
    """The other options of all commands that print lines."""
    command = click.option("--json", "as_json", is_flag=True, help="Print each line as a JSON object.")(command)
    for name, what in (
        ("input", "input"),
        ("container", "container"),
        ("function-call", "function call"),
        ("function", "function"),
    ):
        command = click.option(f"--show-{name}-id", is_flag=True, help=f"Put the {what}'s id before each line.")(
            command
        )
    command = click.option("--timestamps", is_flag=True, help="Put the time before each line.")(command)
    command = click.option(
        "-f", "--follow", is_flag=True, help="Go on with lines as they come, until what writes them ends."
    )(command)
    command = click.option(
        "-n", "--tail", type=int, metavar="N", help=f"Only the last N lines (20,000 at most). Default: {DEFAULT_TAIL}."
    )(command)
    command = moment_options(command)
    command = click.option(
        "--search", metavar="TEXT", help="Only lines with these words, one after the other, in any case."
    )(command)
    return click.option(
        "-s", "--source", type=click.Choice(["stdout", "stderr", "system"]), help="Only lines written there."
    )(command)


@click.command("logs", cls=ViewCommand, short_help="Print what functions wrote.")
@click.option("--app", metavar="APP", help="Only lines of this app: its id or name.")
@scope_options
@reading_options
def logs_command(
    *,
    app: str | None,
    function: str | None,
    function_call: str | None,
    input_id: str | None,
    container: str | None,
    **reading: Any,
) -> None:
    """Print what functions wrote: the last 100 lines, or those that the options ask for.

    Runs that have ended are there, too, as long as they are kept (7 days, if you did not set MOTET_KEEP_RECORDS_DAYS). All
    filters that are given must hold. To find an input, search for something that it printed.
    """
    print_logs(Scope(app, function, function_call, input_id, container), reading_of(**reading))


def reading_of(*, tail: int | None = None, **given: Any) -> Reading:
    """What the options ask for. Raises `InvalidError` for options that cannot go together."""
    columns = Columns(
        timestamps=given["timestamps"],
        function_id=given["show_function_id"],
        call_id=given["show_function_call_id"],
        container_id=given["show_container_id"],
        input_id=given["show_input_id"],
    )
    names = ("source", "search", "since", "until")
    reading = Reading(
        **{name: given[name] for name in names},
        tail=tail,
        follow=given["follow"],
        columns=columns,
        as_json=given["as_json"],
    )
    if reading.follow and (reading.since, reading.until, reading.tail) != (None, None, None):
        raise InvalidError("--follow cannot be combined with --since, --until, or --tail.")
    if reading.tail is not None and not 1 <= reading.tail <= MAX_FOUND:
        raise InvalidError(f"--tail={reading.tail} is not a number of lines from 1 to {MAX_FOUND:,}")
    if reading.since is not None and reading.until is not None and reading.since > reading.until:
        raise InvalidError("--since must be earlier than --until")
    return reading


def print_logs(scope: Scope, reading: Reading) -> None:
    """Print them. Raises `NotFoundError` for ids and names that nobody knows."""
    with known() as found:
        query = log_query(found, scope, reading)
        if reading.follow:
            is_live = not found.servers.is_empty()
            write(found.archive.follow(query), reading)
            what = "No server" if found.servers.is_empty() else "Nothing that writes such lines"
            tell(f"{what} runs under {found.where}{' any more' if is_live else ''}.", err=True)
            return
        lines = found.archive.logs(query)
        write(lines, reading)
        if len(lines) == MAX_FOUND and reading.tail is None:
            tell(f"These are the last {MAX_FOUND:,} lines; narrow the range to see others.", err=True)


def log_query(found: Known, scope: Scope, reading: Reading) -> LogQuery:
    """The question to ask, with whole ids in it. Raises `NotFoundError` or `InvalidError`."""
    if scope.function_call is not None:
        found.call(scope.function_call)
    if (wanted := scope.input_id) is not None:
        checked_id(wanted, "in", "input")
        # One that had not ended when its server was killed has lines, and no record.
        known_by = (
            found.archive.input,
            found.live_input,
            lambda it: found.archive.logs(LogQuery(input_id=it, limit=1)),
        )
        if not any(know(wanted) for know in known_by):
            raise found.no_input(wanted)
    # A name means all runs under that name, an id (or a part of one) the one run.
    app = None if scope.app is None else found.app(scope.app)
    function = None if scope.function is None else found.function(scope.function)
    bounded = reading.since is not None or reading.until is not None
    return LogQuery(
        app=None if app is None else scope.app if app.name == scope.app else app.app_id,
        function=None
        if function is None
        else scope.function
        if function.name == scope.function
        else function.function_id,
        call_id=scope.function_call,
        input_id=scope.input_id,
        container_id=scope.sandbox if scope.container is None else found.container(scope.container).container_id,
        sources=() if reading.source is None else (reading.source,),
        search=reading.search,
        since=reading.since,
        until=reading.until,
        limit=reading.tail or (MAX_FOUND if bounded else DEFAULT_TAIL),
    )


def write(lines: Iterable[LogLine], reading: Reading) -> None:
    """Write lines to stdout as they come."""
    terminal = look_of(sys.stdout) is Look.COLOUR
    rest = iter(lines)
    for first in rest:
        # By the thousand where they are all there, one by one where they are waited for.
        batch = [first] if reading.follow else [first, *islice(rest, 999)]
        if reading.as_json:
            text = "".join(f"{json_text(line_json(line))}\n" for line in batch)
        else:
            text = lines_text(batch, reading.columns, terminal=terminal)
        tell(text, nl=False)
