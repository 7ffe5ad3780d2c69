"""`motet run`, as a command whose options come from the signature of what it is asked to run."""

from __future__ import annotations

import inspect
import os
import sys
from pathlib import Path
from typing import Any

import click

from motet.cli import reference as references
from motet.cli.arguments import CallArguments, CommandLine, check_flags
from motet.cli.interrupts import INTERRUPTED
from motet.cli.options import isolation_option
from motet.cli.program_streams import share_terminal, write_pipes_by_line
from motet.cli.reference import Runnable
from motet.cli.result_file import check_result
from motet.cli.run import RunnableCall, RunOptions, run
from motet.client.reach import named
from motet.client.settings import SERVER
from motet.errors import InvalidError
from motet.sdk.run import images
from motet.wire.log_allowance import LIVE_LINES

_SCREEN = "motet.screen"


class RunGroup(click.Group):
    """A group whose "subcommands" are references to functions: looking one up imports the user's file."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return []

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        reference = references.parse(cmd_name, is_module=ctx.params["module"])
        if ctx.params["server"]:
            os.environ[SERVER] = ctx.params["server"]
        try:
            named(os.environ)
        except InvalidError as error:
            raise click.UsageError(str(error)) from error
        write_pipes_by_line()
        if not ctx.params["quiet"]:
            screen = ctx.meta[_SCREEN] = share_terminal()
            if screen is not None and screen.can_move:
                os.environ[LIVE_LINES] = "1"
        try:
            module = references.load(reference)
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
        return command_for(references.resolve(module, reference))


def command_for(runnable: Runnable) -> click.Command:
    """The command that runs it: its parameters as options, its docstring as help."""
    raw = runnable.raw
    line = CommandLine.of_function(raw, runnable.name, is_method=runnable.method is not None)
    class_line = (
        CommandLine.of_class(runnable.handle.target.spec) if runnable.method is not None else CommandLine([], "")
    )
    check_flags([*class_line.options, *line.options], f"{runnable.name} and its class")

    @click.pass_context
    def carry_out(ctx: click.Context, /, **values: Any) -> None:
        parameters = class_line.call_with(values) if runnable.method is not None else CallArguments()
        options = ctx.obj
        assert isinstance(options, RunOptions)
        if options.write_result is not None:
            check_result(raw, runnable.name, options.write_result)
        program = RunnableCall(runnable=runnable, parameters=parameters, arguments=line.call_with(values))
        ctx.exit(run(program, options))

    return click.Command(
        runnable.name,
        callback=carry_out,
        params=[*class_line.options, *line.options],
        help=inspect.getdoc(raw),
        # What a variadic entrypoint gets is its own business, options and all.
        context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False} if line.is_variadic else {},
    )


@click.command("run", cls=RunGroup, subcommand_metavar="REFERENCE [ARGUMENTS]...", no_args_is_help=True)
@click.option("-m", "module", is_flag=True, help="REFERENCE begins with a module (package.module::name), not a file.")
@click.option(
    "-w",
    "--write-result",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    metavar="FILE",
    help="Write the return value to FILE, which must be str or bytes, instead of printing it.",
)
@click.option("-q", "--quiet", is_flag=True, help="Show neither progress nor container output.")
@click.option("--timestamps", is_flag=True, help="Put the time before each line of container output.")
@isolation_option
@click.option("--dashboard", is_flag=True, help="Serve pages that show the run, and print where they are.")
@click.option(
    "--server",
    metavar="SERVER",
    help="Run on this server: home (the one under MOTET_HOME), unix:PATH, tls:HOST:PORT, wss://HOST, tcp:127.0.0.1:PORT or "
    "embedded. Default: MOTET_SERVER, a profile, or a "
    "server that ends with the run.",
)
@click.option(
    "-d",
    "--detach",
    is_flag=True,
    help="Leave the app running when the command ends, also by Ctrl-C, on a server that stays: the one that is named, or that "
    "under MOTET_HOME.",
)
@click.option(
    "--build/--no-build",
    "build",
    default=None,
    help="Build environments for images that ask for what this Python environment lacks, or run without them. Default: "
    "MOTET_BUILD_IMAGES, or ask, on a terminal.",
)
@click.option("-i", "--interactive", is_flag=True, help="Not available in this version.")
@click.pass_context
def run_command(
    ctx: click.Context,
    *,
    module: bool,
    write_result: Path | None,
    quiet: bool,
    timestamps: bool,
    dashboard: bool,
    server: str | None,
    detach: bool,
    build: bool | None,
    interactive: bool,
) -> None:
    """Run a function or local entrypoint of an app.

    REFERENCE is FILE.py, FILE.py::NAME or FILE.py::CLASS.METHOD. Without a name, it is the file's only local
    entrypoint, or else its only function. Its parameters become options: see `motet run REFERENCE --help`.

    Progress and container output go to stderr; stdout has what the program prints, and what a function returns.
    """
    if interactive:
        raise click.UsageError("--interactive is not available in this version of Motet.")
    if build is not None:
        os.environ[images.BUILD_IMAGES] = "always" if build else "never"
    if sys.stdin.isatty() and sys.stderr.isatty():
        images.ask = _ask
    ctx.obj = RunOptions(
        quiet=quiet,
        timestamps=timestamps,
        write_result=write_result,
        dashboard=dashboard,
        detach=detach,
        screen=ctx.meta.get(_SCREEN),
    )


def _ask(question: str) -> bool:
    return click.confirm(question, default=True, err=True)
