"""What the commands that look at runs have in common: their options, and how their errors are told."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, get_args

import click
import msgspec

from motet.cli.interrupts import INTERRUPTED
from motet.cli.terminal import tell
from motet.errors import Error, InvalidError
from motet.model.isolation import Isolation
from motet.sdk.declare.app_spec import ISOLATION
from motet.sdk.options.keyword import Setting
from motet.sdk.options.keywords import AUTOSCALER
from motet.sdk.run.terminal_text import ACTING, harmless
from motet.server.moments import parse_moment

F = TypeVar("F", bound=Callable[..., Any])


class ViewCommand(click.Command):
    """A command whose `motet.Error`s are told on one line. Exit status 2: what was asked for makes no sense; 1: it is not
    there; 130: Ctrl-C."""

    def invoke(self, ctx: click.Context) -> Any:
        """See `click.Command`."""
        with errors_on_a_line():
            return super().invoke(ctx)


class ViewGroup(click.Group):
    """A group of such commands, and one itself if it is invoked without any."""

    command_class = ViewCommand
    group_class = type

    def invoke(self, ctx: click.Context) -> Any:
        """See `click.Command`."""
        with errors_on_a_line():
            return super().invoke(ctx)


@contextlib.contextmanager
def errors_on_a_line() -> Iterator[None]:
    """Tell `motet.Error`s as the command line tells its own."""
    try:
        yield
    except InvalidError as error:
        raise click.UsageError(harmless(str(error))) from error
    except Error as error:
        raise click.ClickException(harmless(str(error))) from error
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


class MomentType(click.ParamType):  # type: ignore[type-arg]  # generic in the newest click only
    """A moment: so long ago (5m), or when; gives wall-clock seconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """See `click.ParamType`."""
        if isinstance(value, float):
            return value
        try:
            return parse_moment(value.strip(), time.time(), "--" + ((param.name if param else None) or "since"))
        except InvalidError as error:
            raise click.UsageError(str(error), ctx) from error


def option_name(keyword: str) -> str:
    """How a keyword is written on the command line."""
    return f"--{keyword.replace('_', '-')}"


def bounds_options(command: F) -> F:
    """The keywords of `update_autoscaler`. Their values are for it to check."""
    for name, row in reversed(AUTOSCALER.items()):
        assert isinstance(row, Setting)
        kind = float if "seconds" in row.means else int
        command = click.option(option_name(name), type=kind, help=f"{row.means[0].upper()}{row.means[1:]}.")(command)
    return command


def moment_options(command: F) -> F:
    """--since and --until."""
    for name, help_text in (
        ("--until", "Up to then; the same forms."),
        ("--since", "From then on: 30s, 5m, 2h, 1d ago, or 2026-01-31T12:00 (local time)."),
    ):
        command = click.option(name, type=MomentType(), metavar="TIME", help=help_text)(command)
    return command


def _set_isolation(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value is not None:
        os.environ[ISOLATION] = value


isolation_option = click.option(
    "--isolation",
    type=click.Choice(get_args(Isolation)),
    expose_value=False,
    callback=_set_isolation,
    help="The isolation level of functions that say none. Default: what MOTET_ISOLATION says, or else the server, or process.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
yes_option = click.option("-y", "--yes", is_flag=True, help="Do not ask whether that is meant.")


def print_json(value: Any) -> None:
    """Values of plain types, structs and dataclasses, indented."""
    tell(msgspec.json.format(json_text(value), indent=2))


def json_text(value: Any) -> str:
    """Values of plain types, structs and dataclasses as JSON on one line, which acts on no terminal."""
    return ACTING.sub(lambda found: f"\\u{ord(found[0]):04x}", msgspec.json.encode(value).decode())


def confirm(question: str, *, yes: bool) -> None:
    """Ask, unless `yes`. Ends with status 1 if the answer is no, and refuses to act where nobody can answer."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.ClickException(f"{question} Nobody can answer that here: add --yes.")
    click.confirm(harmless(question), abort=True)
