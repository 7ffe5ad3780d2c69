"""`motet trace record`: a program's load, written down for `motet simulate`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from motet.cli.run_command import run_command
from motet.cli.terminal import tell


@click.group("trace")
def trace_command() -> None:
    """Loads, for `motet simulate`."""


@trace_command.command(
    "record",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    short_help="Run a program as `motet run` does, and record when its inputs come and how long they run.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIRECTORY",
    default=Path("traces"),
    show_default=True,
    help="Write FUNCTION.csv and FUNCTION.containers.csv there for each function that had inputs.",
)
@click.argument("arguments", metavar="REFERENCE [ARGUMENTS]...", nargs=-1, required=True, type=click.UNPROCESSED)
def record_command(output: Path, arguments: tuple[str, ...]) -> None:
    """Run a program as `motet run` does, and record when its inputs come and how long they run.

    What follows the options is what `motet run` would get. The files are written when the program ends.
    """
    directory = output.resolve()
    before = _written(directory)
    os.environ["MOTET_TRACE"] = str(directory)
    try:
        run_command.main(args=list(arguments), prog_name="motet run")
    finally:
        new = [path for path, at in _written(directory).items() if before.get(path) != at]
        for path in sorted(new):
            tell(f"Recorded {os.path.relpath(path)}", err=True)


def _written(directory: Path) -> dict[Path, int]:
    """The traces in a directory, and when each was last written."""
    return {path: path.stat().st_mtime_ns for path in directory.glob("*.csv")} if directory.is_dir() else {}
