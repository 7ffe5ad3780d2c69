"""The `motet` command."""

from __future__ import annotations

import importlib
import os
import sys

import click

from motet import __version__
from motet.cli.streams import failed_to_print, flushed, give_up_stderr_if_broken, prepare_streams
from motet.client.profiles import PROFILE
from motet.context.notices import without_place

COMMANDS = {
    "run": "run_command:run_command",
    "deploy": "deploy_command:deploy_command",
    "serve": "serve:serve_command",
    "server": "server_command:server_command",
    "token": "token_command:token_command",
    "config": "config_command:config_command",
    "logs": "logs_command:logs_command",
    "call": "call_command:call_command",
    "app": "app_command:app_command",
    "function": "function_command:function_command",
    "schedule": "schedule_command:schedule_command",
    "container": "container_command:container_command",
    "host": "host_command:host_command",
    "sandbox": "sandbox_command:sandbox_command",
    "shell": "shell_command:shell_command",
    "mcp": "mcp_command:mcp_command",
    "top": "top:top_command",
    "dashboard": "dashboard_command:dashboard_command",
    "dict": "dict_command:dict_command",
    "image": "image_command:image_command",
    "prune": "prune_command:prune_command",
    "store": "store_command:store_command",
    "simulate": "simulate:simulate_command",
    "tune": "tune_command:tune_command",
    "trace": "trace:trace_command",
}
"""Where each command is, in this package."""


class LateGroup(click.Group):
    """Imports a command when it is used: those that look at a run do without what others need to make one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """See `click.Group`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """See `click.Group`."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(f"motet.cli.{module}"), name)
        return command


@click.group(cls=LateGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="motet")
@click.option(
    "--profile", metavar="NAME", help="Use this profile (`motet config`). Default: MOTET_PROFILE, or the one in use."
)
def motet(*, profile: str | None) -> None:
    """Run Python functions on autoscaled pools of containers, many inputs at once in each."""
    if profile:
        os.environ[PROFILE] = profile


def main() -> None:
    """The console script. Exit status: 0 success, 1 the program failed or what is asked for is not there, 2 wrong usage,
    130 Ctrl-C."""
    prepare_streams()
    without_place(os.path.dirname(click.__file__))
    try:
        motet(prog_name="motet")
    except SystemExit as ended:
        sys.exit(flushed(ended.code) if isinstance(ended.code, int | None) else ended.code)
    except OSError as error:
        if status := failed_to_print(error):
            sys.exit(status)
        raise
    finally:
        give_up_stderr_if_broken()
