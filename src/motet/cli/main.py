"""The `motet` command."""

from __future__ import annotations

import click

from motet import __version__
from motet.cli.run_command import run_command
from motet.cli.serve import serve_command
from motet.cli.simulate import simulate_command
from motet.cli.trace import trace_command
from motet.cli.tune_command import tune_command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="motet")
def motet() -> None:
    """Run Python functions on autoscaled pools of containers, many inputs at once in each."""


motet.add_command(run_command)
motet.add_command(serve_command)
motet.add_command(simulate_command)
motet.add_command(trace_command)
motet.add_command(tune_command)


def main() -> None:
    """The console script. Exit status: 0 success, 1 the program failed, 2 wrong usage, 130 Ctrl-C."""
    motet(prog_name="motet")
